/**
 * Redis's glob patterns: `*`, `?`, `[a-z]`, `[^a]`, `\` for the next char. Never slower than pattern length × text length.
 *
 * A pattern is read into tokens once. Every token but `*` takes exactly one char; so on a mismatch it is enough to go back to
 * the last `*` and let it take one char more: an earlier `*` could gain nothing.
 *
 * Redis's own oddities are kept: bytes in ranges compare signed, an unclosed class ends with the pattern, and an empty text matches
 * only the empty pattern.
 */

import { assert } from './assert.ts';

/** Takes one char, or is `*`. */
type Token = '*' | ((char: number) => boolean);

/** Makes a test of texts in latin1. */
export function compileGlob(pattern: string): (text: string) => boolean {
  const tokens = tokenize(pattern);
  return (text) => (text.length === 0 ? tokens.length === 0 : isMatch(tokens, text));
}

function isMatch(tokens: readonly Token[], text: string): boolean {
  let place = 0;
  let starPlace = -1;
  let starAt = 0;
  let at = 0;
  while (at < text.length) {
    const token = tokens[place];
    if (token === '*') {
      starPlace = place;
      starAt = at;
      place += 1;
    } else if (token?.(text.charCodeAt(at)) === true) {
      at += 1;
      place += 1;
    } else if (starPlace >= 0) {
      starAt += 1;
      at = starAt;
      place = starPlace + 1;
    } else {
      return false;
    }
  }
  while (tokens[place] === '*') place += 1;
  return place === tokens.length;
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < pattern.length) {
    const char = pattern.charAt(at);
    if (char === '[') {
      const { token, end } = readClass(pattern, at + 1);
      tokens.push(token);
      at = end;
      continue;
    }
    if (char === '*') {
      if (tokens.at(-1) !== '*') tokens.push('*');
    } else if (char === '?') {
      tokens.push(() => true);
    } else {
      if (char === '\\' && at + 1 < pattern.length) at += 1;
      const code = pattern.charCodeAt(at);
      tokens.push((other) => other === code);
    }
    at += 1;
  }
  return tokens;
}

/** @param start - behind the `[` */
function readClass(pattern: string, start: number): { token: Token; end: number } {
  const isNegated = pattern.charAt(start) === '^';
  const members = new Set<number>();
  let at = isNegated ? start + 1 : start;
  while (at < pattern.length && pattern.charAt(at) !== ']') {
    const left = pattern.length - at;
    if (left >= 2 && pattern.charAt(at) === '\\') {
      members.add(pattern.charCodeAt(at + 1));
      at += 2;
    } else if (left >= 3 && pattern.charAt(at + 1) === '-') {
      addRange(members, signed(pattern.charCodeAt(at)), signed(pattern.charCodeAt(at + 2)));
      at += 3;
    } else {
      members.add(pattern.charCodeAt(at));
      at += 1;
    }
  }
  return {
    token: (char) => members.has(char) !== isNegated,
    end: Math.min(at, pattern.length) + 1,
  };
}

function addRange(members: Set<number>, a: number, b: number): void {
  for (let code = Math.min(a, b); code <= Math.max(a, b); code += 1) members.add(code & 0xff);
  assert(members.size <= 256, 'a class holds bytes');
}

/** A byte as C's signed char. */
function signed(code: number): number {
  return (code << 24) >> 24;
}
