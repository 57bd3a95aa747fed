import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInt64 } from '../../../src/engine/int64.ts';
import { deadlineIn, shifted, shiftMs } from '../../../src/engine/redis/shift.ts';

test('a deadline comes back from Redis as it was', () => {
  assert.equal(shifted(5), shiftMs + 5);
  assert.equal(deadlineIn(`:${shiftMs + 5}\r\n`), 5);
});

test('a deadline before 1970 does not lie ahead on the clock of Redis', () => {
  const now = 1_700_000_000_000;
  assert.equal(shifted(now - shiftMs + 300), shiftMs);
  assert.equal(shifted(parseInt64('-9223372036854775808') ?? 0), shiftMs);
});

test('a deadline that does not fit is none', () => {
  assert.equal(shifted(parseInt64('9223372036854775807') ?? 0), undefined);
});
