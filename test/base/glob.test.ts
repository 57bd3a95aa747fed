/**
 * Which texts match is compared with Redis in `test/differential`; here: that no pattern is slow, and the fine points by name.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob } from '../../src/base/glob.ts';

const matches = (pattern: string, text: string): boolean => compileGlob(pattern)(text);

test('a pattern of many stars is not slow', () => {
  // 2^40 ways to place the stars: a search that tries all would not end.
  assert.equal(matches(`${'*a'.repeat(40)}b`, 'a'.repeat(5000)), false);
  assert.equal(matches(`${'*a'.repeat(40)}*`, 'a'.repeat(5000)), true);
});

test('an empty text matches the empty pattern only', () => {
  assert.equal(matches('', ''), true);
  assert.equal(matches('**', ''), false);
  assert.equal(matches('', 'a'), false);
});

test('a class takes one char, in ranges either way round', () => {
  assert.equal(matches('[c-a]x', 'bx'), true);
  assert.equal(matches('[^a-c]x', 'bx'), false);
  assert.equal(matches('[^a-c]x', 'dx'), true);
  assert.equal(matches('[]x', 'x'), false);
  assert.equal(matches(String.raw`[\]]`, ']'), true);
});

test('bytes in ranges compare signed', () => {
  assert.equal(matches('[\x80-a]', 'A'), true);
  assert.equal(matches('[a-\xff]', 'b'), false);
});

test('a pattern that ends early is read as far as it goes', () => {
  assert.equal(matches('[ab', 'b'), true);
  assert.equal(matches('a\\', 'a\\'), true);
  assert.equal(matches('[', 'a'), false);
  assert.equal(matches('[^', 'a'), true);
});

test('a backslash takes the next char as it is', () => {
  assert.equal(matches(String.raw`h\*llo`, 'h*llo'), true);
  assert.equal(matches(String.raw`h\*llo`, 'hello'), false);
});
