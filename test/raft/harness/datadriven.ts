/**
 * Stories as text files: directives, their input, and the output they must give, compared byte for byte.
 *
 * The format is that of cockroachdb/datadriven, as far as the vectors use it: `command arg key=value key=(a, b)`, input
 * lines, `----`, expected output up to a blank line.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

export interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

export interface Directive {
  /** `file:line`, of the line with the command. */
  readonly place: string;
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
}

export interface Mismatch {
  readonly place: string;
  readonly command: string;
  readonly expected: string;
  readonly actual: string;
}

/** What a directive prints; state lives behind it. */
export type Execute = (directive: Directive) => string;

/** The first value of `key`, or undefined where the key is not there. */
export const valueOf = (directive: Directive, key: string): string | undefined =>
  directive.args.find((arg) => arg.key === key)?.values[0];

/** Runs a file's directives in order; stops at the first whose output differs. */
export function runDirectives(
  directives: readonly Directive[],
  execute: Execute,
): Mismatch | undefined {
  for (const directive of directives) {
    const printed = execute(directive);
    const actual = printed === '' || printed.endsWith('\n') ? printed : `${printed}\n`;
    if (actual !== directive.expected) {
      const { place, command, expected } = directive;
      return { place, command, expected, actual };
    }
  }
  return undefined;
}

export function readDirectives(file: string): readonly Directive[] {
  return parseDirectives(file, readFileSync(file, 'utf8'));
}

export function parseDirectives(file: string, text: string): readonly Directive[] {
  const lines = text.split('\n');
  const directives: Directive[] = [];
  let at = 0;
  const isBlank = (line: string | undefined): boolean => line === undefined || line.trim() === '';
  while (at < lines.length) {
    const start = at;
    let line = lines[at]?.trim() ?? '';
    at += 1;
    if (line === '' || line.startsWith('#')) continue;
    while (line.endsWith('\\')) {
      line = `${line.slice(0, -1).trim()} ${lines[at]?.trim() ?? ''}`;
      at += 1;
    }
    const input: string[] = [];
    while (at < lines.length && lines[at]?.trim() !== '----') {
      input.push(lines[at] ?? '');
      at += 1;
    }
    assert(at < lines.length, `${file}:${start + 1}: no ---- after a directive`);
    at += 1;
    assert.notEqual(lines[at], '----', `${file}:${at + 1}: blocks with blank lines are not used`);
    const expected: string[] = [];
    while (at < lines.length && !isBlank(lines[at])) {
      expected.push(lines[at] ?? '');
      at += 1;
    }
    const place = `${file}:${start + 1}`;
    const { command, args } = parseLine(line);
    directives.push({
      place,
      command,
      args,
      input: input.join('\n').trim(),
      expected: expected.map((each) => `${each}\n`).join(''),
    });
  }
  return directives;
}

function parseLine(line: string): { readonly command: string; readonly args: Argument[] } {
  const space = line.indexOf(' ');
  if (space < 0) return { command: line, args: [] };
  const args: Argument[] = [];
  let rest = line.slice(space + 1).trim();
  while (rest !== '') {
    const key = /^[^ =]*/.exec(rest)?.[0] ?? '';
    rest = rest.slice(key.length);
    if (!rest.startsWith('=')) {
      args.push({ key, values: [] });
      rest = rest.trim();
      continue;
    }
    rest = rest.slice(1);
    const end = rest.startsWith('(') ? closing(rest) + 1 : /^[^ ]*/.exec(rest)?.[0].length;
    const value = rest.slice(0, end);
    args.push({ key, values: value.startsWith('(') ? splitList(value.slice(1, -1)) : [value] });
    rest = rest.slice(value.length).trim();
  }
  return { command: line.slice(0, space), args };
}

/** Where the parenthesis that `text` starts with is closed. */
function closing(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error(`unbalanced parentheses: ${text}`);
}

/** Splits at commas outside parentheses. */
function splitList(text: string): readonly string[] {
  const values: string[] = [];
  let depth = 0;
  let value = '';
  for (const char of text) {
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === ',' && depth === 0) {
      values.push(value.trim());
      value = '';
    } else {
      value += char;
    }
  }
  values.push(value.trim());
  return values;
}
