/**
 * Finds the namespace of a key. A table is a value: it is made whole from the rows, and replaced whole.
 *
 * Most patterns are prefixes, which are compared as bytes; others are run as globs over the key's bytes.
 */

import { compileGlob } from '../base/glob.ts';
import type { Namespace } from './namespace.ts';

/** What a key gets that no row fits. */
const strongRow: Namespace = { keys: '*', level: 'strong' };

interface Matcher {
  readonly row: Namespace;
  readonly fits: (key: Uint8Array) => boolean;
}

export class NamespaceTable {
  readonly rows: readonly Namespace[];
  /** Every key is strong, and nothing else is asked of it. */
  readonly isEmpty: boolean;
  readonly hasOff: boolean;
  /** Some keys do not go to the shards: they pass through, or are closed. */
  readonly hasDetours: boolean;
  readonly hasDefaultTtl: boolean;
  readonly #matchers: readonly Matcher[];

  constructor(rows: readonly Namespace[]) {
    this.rows = rows;
    this.isEmpty = rows.length === 0;
    this.hasOff = rows.some(({ level }) => level === 'off');
    this.hasDetours = this.hasOff || rows.some(({ isClosed }) => isClosed);
    this.hasDefaultTtl = rows.some(({ defaultTtlMs }) => defaultTtlMs !== undefined);
    this.#matchers = rows.map((row) => ({ row, fits: matcherOf(row.keys) }));
  }

  /** The first row that fits. */
  find(database: number, key: Uint8Array): Namespace {
    for (const { row, fits } of this.#matchers) {
      if ((row.database === undefined || row.database === database) && fits(key)) return row;
    }
    return strongRow;
  }
}

export const noNamespaces: NamespaceTable = new NamespaceTable([]);

const isPrefix = /^[^*?[\\]*\*$/u;

function matcherOf(pattern: string): (key: Uint8Array) => boolean {
  const bytes = utf8(pattern);
  if (isPrefix.test(pattern)) {
    const prefix = bytes.slice(0, -1);
    return (key) => {
      if (key.length < prefix.length) return false;
      for (let at = 0; at < prefix.length; at += 1) if (key[at] !== prefix[at]) return false;
      return true;
    };
  }
  const isMatch = compileGlob(latin1(bytes));
  return (key) => isMatch(latin1(key));
}

/** One char a byte. */
function latin1(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function utf8(text: string): readonly number[] {
  const bytes: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
    else {
      if (code < 0x1_0000) bytes.push(0xe0 | (code >> 12));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f));
      bytes.push(0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    }
  }
  return bytes;
}
