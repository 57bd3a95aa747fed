/**
 * Reads TypeScript as text for the guards: where code is, where comments and strings are, what is imported, how long
 * functions are.
 *
 * It is a scanner, not a parser (TypeScript 7 has no API for JavaScript programs). Its limits: a `/` after `)` or `}` is taken
 * for a division, so a regular expression there is read as code; a function's return type is followed only as far
 * as is needed to find the body's brace. Both err on the side of measuring something that is no function.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** As written. */
  readonly from: string;
  /** `import type` or `export type`: erased when run. */
  readonly isTypeOnly: boolean;
}

export interface FunctionSpan {
  /** 1 is the file's first line. */
  readonly line: number;
  readonly lines: number;
}

export const repository: string = join(import.meta.dirname, '../..');

/** All TypeScript files below a folder, in alphabetical order; none where the folder does not exist. */
export function sourceFiles(folder: string): readonly SourceFile[] {
  const paths = listFiles(folder).filter((path) => path.endsWith('.ts'));
  return paths.map((path) => ({ path, text: readFileSync(join(repository, path), 'utf8') }));
}

/** All files below a folder, from the repository's root. */
export function listFiles(folder: string): readonly string[] {
  const found = readdirSync(repository, { withFileTypes: true }).some(
    (entry) => entry.isDirectory() && entry.name === folder.split('/')[0],
  );
  if (!found) return [];
  return readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(repository.length + 1))
    .toSorted();
}

/** The same text with comments and the insides of strings and regular expressions as spaces; lines stay where they are. */
export function codeOnly(text: string): string {
  return blank(text, true);
}

/** The same text without comments, strings kept. */
export function withoutComments(text: string): string {
  return blank(text, false);
}

const blanked = (text: string): string => text.replaceAll(/[^\n]/g, ' ');

function blank(text: string, stringsToo: boolean): string {
  let out = '';
  let at = 0;
  /** Depth of braces at which a template's `${` was opened, innermost last. */
  const templates: number[] = [];
  let depth = 0;
  const take = (end: number, isString: boolean): void => {
    const piece = text.slice(at, end);
    out += isString && !stringsToo ? piece : keepEnds(piece, isString);
    at = end;
  };
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = two[0] ?? '';
    if (two === '//') take(endOf(text, '\n', at), false);
    else if (two === '/*') take(endOf(text, '*/', at + 2) + 2, false);
    else if (one === "'" || one === '"') take(endOfQuoted(text, at + 1, one), true);
    else if (one === '/' && startsRegex(out)) take(endOfRegex(text, at + 1), true);
    else if (one === '`' || (one === '}' && templates.at(-1) === depth)) {
      if (one === '}') templates.pop();
      const end = endOfTemplatePart(text, at + 1);
      if (text[end - 1] === '{') templates.push(depth);
      take(end, true);
    } else {
      if (one === '{') depth += 1;
      if (one === '}') depth -= 1;
      out += one;
      at += 1;
    }
  }
  return out;
}

/** A string keeps its delimiters, so that code around it still looks like code. */
function keepEnds(piece: string, isString: boolean): string {
  if (!isString) return blanked(piece);
  const end = piece.endsWith('${') ? 'x ' : 'x';
  return `x${blanked(piece.slice(1, -end.length))}${end}`.slice(0, piece.length);
}

const endOf = (text: string, mark: string, from: number): number => {
  const found = text.indexOf(mark, from);
  return found < 0 ? text.length : found;
};

function endOfQuoted(text: string, from: number, quote: string): number {
  let at = from;
  while (at < text.length && text[at] !== quote && text[at] !== '\n')
    at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfTemplatePart(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== '`') {
    if (text[at] === '$' && text[at + 1] === '{') return at + 2;
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

function endOfRegex(text: string, from: number): number {
  let at = from;
  let inClass = false;
  while (at < text.length && (inClass || text[at] !== '/') && text[at] !== '\n') {
    if (text[at] === '[') inClass = true;
    if (text[at] === ']') inClass = false;
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

/** True where a `/` after this code begins a regular expression. */
function startsRegex(before: string): boolean {
  const code = before.slice(-40).trimEnd();
  if (/(^|[^\w$.])(return|typeof|case|in|of|do|else|void|await|yield)$/.test(code)) return true;
  return code === '' || /[([{,;:=!&|?+\-*%<>~^]$/.test(code);
}

const importPattern =
  /(?:^|[^\w$.])(?:(import|export)\b(\s+type\b)?[^;'"]*?\bfrom\s*|import\s*\(?\s*|require\s*\(\s*)(['"])([^'"\n]+)\3/g;

/** Everything a file imports or exports on from elsewhere, in order. */
export function importsOf(text: string): readonly Import[] {
  return [...withoutComments(text).matchAll(importPattern)].map((match) => ({
    from: match[4] ?? '',
    isTypeOnly: match[2] !== undefined,
  }));
}

/** The functions and methods of a file with a body in braces, from the line of their parameters to their last brace. */
export function functionSpans(text: string): readonly FunctionSpan[] {
  const code = codeOnly(text);
  const spans: FunctionSpan[] = [];
  const lineOf = lineCounter(code);
  const add = (start: number, brace: number): void => {
    const line = lineOf(start);
    spans.push({ line, lines: lineOf(matching(code, brace)) - line + 1 });
  };
  for (let at = 0; at < code.length; at += 1) {
    if (
      code[at] === '(' &&
      !/(^|[^\w$.])(if|for|while|switch|catch|with|await)\s*$/.test(before(code, at))
    ) {
      const brace = bodyAfter(code, matching(code, at) + 1);
      if (brace !== undefined) add(at, brace);
    } else if (code[at] === '{' && before(code, at).trimEnd().endsWith('=>')) add(at, at);
  }
  return spans;
}

const before = (code: string, at: number): string => code.slice(Math.max(0, at - 40), at);

function lineCounter(code: string): (at: number) => number {
  const starts = [...code.matchAll(/\n/g)].map((match) => match.index);
  return (at) => {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}

const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Where the bracket at `open` is closed; the text's end where it is not. */
function matching(code: string, open: number): number {
  const opens = code[open] ?? '';
  const closes = closing[opens];
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if (code[at] === opens) depth += 1;
    if (code[at] === closes) depth -= 1;
    if (depth === 0) return at;
  }
  return code.length;
}

/** The brace of a body that follows a parameter list, past a return type; undefined where none does. */
function bodyAfter(code: string, from: number): number | undefined {
  let at = from;
  while (/\s/.test(code[at] ?? '')) at += 1;
  if (code[at] === '{') return at;
  if (code[at] !== ':') return undefined;
  for (at += 1; at < code.length; at += 1) {
    const char = code[at] ?? '';
    if (char === '{') {
      if (!/[:|&<,([]$|=>$|\bis$/.test(before(code, at).trimEnd())) return at;
      at = matching(code, at);
    } else if (char === '(' || char === '[') at = matching(code, at);
    else if (/[;)\]}]/.test(char) || (char === '=' && code[at + 1] !== '>')) return undefined;
  }
  return undefined;
}
