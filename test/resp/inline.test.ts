import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { splitInline } from '../../src/resp/inline.ts';

const cases: readonly (readonly [string, readonly string[] | undefined])[] = [
  ['', []],
  [' \t ', []],
  ['GET a', ['GET', 'a']],
  ['  GET \t a  ', ['GET', 'a']],
  ['ECHO ""', ['ECHO', '']],
  ['"a b" \'c d\'', ['a b', 'c d']],
  ['"\\n\\r\\t\\b\\a\\\\\\"\\q"', ['\n\r\t\b\u0007\\"q']],
  ['"\\x41\\xfF\\xg1"', ['A\xffxg1']],
  ["'\\n \\' \\x41'", ["\\n ' \\x41"]],
  ['ab"c d"', ['abc d']],
  ['"a"b', undefined],
  ["'a'b", undefined],
  ['"a', undefined],
  ["'a", undefined],
  ['"a\\', undefined],
  ['"a\\"', undefined],
];

describe('an inline command', () => {
  for (const [line, expected] of cases) {
    test(`${JSON.stringify(line)} gives ${JSON.stringify(expected) ?? 'nothing'}`, () => {
      assert.deepEqual(splitInline(line), expected);
    });
  }
});
