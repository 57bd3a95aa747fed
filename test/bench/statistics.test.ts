import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTurn, median, ratios, rounded, summary } from '../../bench/statistics.ts';

test('a median is in the middle, or between the two in the middle', () => {
  assert.equal(median([7]), 7);
  assert.equal(median([9, 1, 100]), 9);
  assert.equal(median([10, 2, 4, 100]), 7);
});

test('numbers are ordered as numbers and the given list is left alone', () => {
  const values = [100, 9, 20];
  assert.deepEqual(summary(values), { median: 20, min: 9, max: 100 });
  assert.deepEqual(values, [100, 9, 20]);
});

test('no values have no median', () => {
  assert.throws(() => median([]), /no values/);
});

test('ratios compare the values of one round with each other', () => {
  assert.deepEqual(ratios([10, 30], [20, 10]), [0.5, 3]);
  assert.throws(() => ratios([1, 2], [1]), /each round/);
});

test('every other round goes backwards', () => {
  const items = ['a', 'b', 'c'];
  assert.deepEqual(inTurn(items, 0), ['a', 'b', 'c']);
  assert.deepEqual(inTurn(items, 1), ['c', 'b', 'a']);
  assert.deepEqual(inTurn(items, 2), ['a', 'b', 'c']);
});

test('numbers are rounded to significant digits', () => {
  assert.equal(rounded(12_345, 3), 12_300);
  assert.equal(rounded(0.012_345, 3), 0.0123);
});
