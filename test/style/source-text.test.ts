import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOnly, functionSpans, importsOf, withoutComments } from './source-text.ts';

test('comments, strings, templates and regular expressions are no code', () => {
  const text = [
    "const a = 'Date.now'; // Date.now",
    'const b = `Date.now ${real("Date.now")} Date.now`;',
    'const c = /Date\\.now[/]Date/; /* Date.now',
    'Date.now */ const d = e / f / g;',
  ].join('\n');
  const code = codeOnly(text);
  assert.ok(!code.includes('Date'));
  assert.ok(code.includes('real('));
  assert.ok(code.includes('e / f / g'));
  assert.equal(code.split('\n').length, 4);
  assert.equal(code.length, text.length);
});

test('a template inside a template and braces inside it are followed', () => {
  const code = codeOnly('`a ${x({ b: `c ${d} any` })} any`; rest({})');
  assert.ok(code.includes('x({ b:'));
  assert.ok(code.includes(' d'));
  assert.ok(!code.includes('any'));
  assert.ok(code.endsWith('; rest({})'));
});

test('without comments keeps strings', () => {
  assert.equal(withoutComments("'a//b' // c"), "'a//b'     ");
});

test('imports are found with their kind, in all spellings', () => {
  const text = `
import { a } from './a.ts';
import type { B } from "./b.ts";
import * as c from 'node:net';
import './d.ts';
import {
  type E,
  f,
} from './e.ts';
export { g } from './g.ts';
export type { H } from './h.ts';
const i = await import('./i.ts');
// import { j } from './j.ts';
const k = from('./k.ts');
`;
  assert.deepEqual(importsOf(text), [
    { from: './a.ts', isTypeOnly: false },
    { from: './b.ts', isTypeOnly: true },
    { from: 'node:net', isTypeOnly: false },
    { from: './d.ts', isTypeOnly: false },
    { from: './e.ts', isTypeOnly: false },
    { from: './g.ts', isTypeOnly: false },
    { from: './h.ts', isTypeOnly: true },
    { from: './i.ts', isTypeOnly: false },
  ]);
});

test('functions, methods and arrows are measured from parameters to closing brace', () => {
  const text = `
function one(a: number): { readonly b: string } {
  return { b: '}' };
}
class Two {
  method(
    c: string,
  ): Promise<void> {
    if (c) {
      return d();
    }
  }
}
const three = (): void => {
  four();
};
if (five(6)) {
}
`;
  assert.deepEqual(functionSpans(text), [
    { line: 2, lines: 3 },
    { line: 6, lines: 7 },
    { line: 14, lines: 3 },
  ]);
});
