/**
 * Sums are compared with Redis in `test/differential`; here: the limits of the format by name.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addLongDouble,
  formatLongDouble,
  parseLongDouble,
} from '../../../src/engine/memory/long-double.ts';

function sum(a: string, b: string): string | undefined {
  const [first, second] = [parseLongDouble(a), parseLongDouble(b)];
  const result = first && second && addLongDouble(first, second);
  return result && formatLongDouble(result);
}

test('sixty-four bits of mantissa are kept, ties go to even', () => {
  assert.equal(sum('18446744073709551615', '0'), '18446744073709551615');
  assert.equal(sum('18446744073709551617', '0'), '18446744073709551616');
  assert.equal(sum('18446744073709551619', '0'), '18446744073709551620');
  assert.equal(sum('18446744073709551615', '1'), '18446744073709551616');
});

test('more than seventeen decimals are rounded, and zeros at the end go', () => {
  assert.equal(sum('0.1', '0.2'), '0.3');
  assert.equal(sum('3.0', '1.10'), '4.1');
  assert.equal(sum('1e-18', '0'), '0');
  assert.equal(sum('-1e-18', '0'), '0');
});

test('numbers outside the range of the format are not read', () => {
  for (const text of ['1e4933', '-1e4933', '1e-4952', '1e999999999999', '1e-999999999999']) {
    assert.equal(parseLongDouble(text), undefined, text);
  }
  assert.deepEqual(parseLongDouble('0e999999999999'), { mantissa: 0n, exponent: 0 });
});

test('a sum beyond the range, or with infinity, is none', () => {
  assert.equal(sum('1.1e4932', '1.1e4932'), undefined);
  const infinite = parseLongDouble('-inf');
  const one = parseLongDouble('1');
  assert.ok(infinite !== undefined && one !== undefined);
  assert.equal(addLongDouble(infinite, one), undefined);
});

test('the smallest numbers lose bits, not their value', () => {
  const smallest = parseLongDouble('3.6451995318824746025e-4951');
  assert.deepEqual(smallest, { mantissa: 1n, exponent: -16445 });
});

test('a text longer than the buffer Redis has is not read', () => {
  assert.equal(parseLongDouble('0'.repeat(5120)), undefined);
  assert.notEqual(parseLongDouble('0'.repeat(5119)), undefined);
});
