import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addInt64,
  int64Max,
  int64Min,
  multiplyInt64,
  parseInt64,
  toInt64,
} from '../../src/engine/int64.ts';

test('only the canonical spelling of 64-bit integers is read', () => {
  for (const text of ['', '-', '+1', '01', '-0', '00', ' 1', '1 ', '1.0', '1e3', '0x1', '1\0']) {
    assert.equal(parseInt64(text), undefined, text);
  }
  assert.equal(parseInt64('9223372036854775808'), undefined);
  assert.equal(parseInt64('-9223372036854775809'), undefined);
  assert.equal(parseInt64('100000000000000000000'), undefined);
});

test('a value is a bigint only beyond safe integers', () => {
  for (const exact of [0n, 1n, -1n, 2n ** 53n - 1n, -(2n ** 53n) + 1n]) {
    assert.equal(parseInt64(String(exact)), Number(exact));
  }
  for (const exact of [2n ** 53n, -(2n ** 53n), int64Max, int64Min]) {
    assert.equal(parseInt64(String(exact)), exact);
    assert.equal(toInt64(exact), exact);
  }
});

test('sums and products are exact or overflow', () => {
  assert.equal(addInt64(2 ** 53 - 1, 1), 2n ** 53n);
  assert.equal(addInt64(2n ** 53n, -1), 2 ** 53 - 1);
  assert.equal(addInt64(int64Max, 1), undefined);
  assert.equal(addInt64(int64Min, -1), undefined);
  assert.equal(addInt64(int64Min, int64Max), -1);
  assert.equal(multiplyInt64(2n ** 53n, 1000), 9007199254740992000n);
  assert.equal(multiplyInt64(9223372036854776, 1000), undefined);
});
