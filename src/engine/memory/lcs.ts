/**
 * LCS: the longest common subsequence of two strings, and where it lies in them.
 *
 * The table of lengths is the textbook one, but only two of its rows are kept. To walk back one needs to know only, where
 * chars differ, which neighbour is longer: one bit a cell instead of Redis's 32. What the walk reports, and the limit on the table's
 * size, are Redis 7's.
 */

import type { Reply } from '../engine.ts';
import { option } from '../option.ts';
import type { Call, CommandRow } from './call.ts';
import { parseInt64 } from '../int64.ts';
import { array, bulk, error, integer, notAnInteger, syntaxError } from '../replies.ts';

export const lcsRows: readonly CommandRow[] = [{ name: 'lcs', kind: 'read', run: lcs }];

/** Redis's table has 4 bytes a cell and may take `proto-max-bulk-len`, 512 MB. */
const cellsMax = 2 ** 29 / 4;

const notStrings = error('ERR The specified keys must contain string values');
const bothForms = error('ERR If you want both the length and indexes, please just use IDX.');
const tooLarge = error(
  'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len',
);

interface LcsOptions {
  form: 'text' | 'length' | 'indexes';
  minMatchLength: number;
  withMatchLength: boolean;
}

function lcs(call: Call, args: readonly string[]): Reply {
  const first = call.use(args[1] ?? '');
  const second = call.use(args[2] ?? '');
  if (
    (first !== undefined && first.kind !== 'string') ||
    (second !== undefined && second.kind !== 'string')
  ) {
    return notStrings;
  }
  const options = parseOptions(args);
  if (typeof options === 'string') return options;
  const a = first?.text ?? '';
  const b = second?.text ?? '';
  if ((a.length + 1) * (b.length + 1) > cellsMax) return tooLarge;
  const table = new LcsTable(a, b, options.form !== 'length');
  if (options.form === 'length') return integer(table.length);
  const { text, matches } = table.walkBack();
  return options.form === 'text' ? bulk(text) : indexesReply(matches, table.length, options);
}

function parseOptions(args: readonly string[]): LcsOptions | Reply {
  const found = { isLength: false, isIndexes: false, withMatchLength: false, minMatchLength: 0 };
  for (let at = 3; at < args.length; at += 1) {
    const name = option(args[at] ?? '');
    const next = args[at + 1];
    if (name === 'idx') {
      found.isIndexes = true;
    } else if (name === 'len') {
      found.isLength = true;
    } else if (name === 'withmatchlen') {
      found.withMatchLength = true;
    } else if (name === 'minmatchlen' && next !== undefined) {
      const given = parseInt64(next);
      if (given === undefined) return notAnInteger;
      found.minMatchLength = Math.max(Number(given), 0);
      at += 1;
    } else {
      return syntaxError;
    }
  }
  if (found.isIndexes && found.isLength) return bothForms;
  const { minMatchLength, withMatchLength } = found;
  const short = found.isLength ? 'length' : 'text';
  return { form: found.isIndexes ? 'indexes' : short, minMatchLength, withMatchLength };
}

/** Positions of the first chars, and how many chars are equal. */
interface Match {
  readonly a: number;
  readonly b: number;
  readonly length: number;
}

/** Lengths of the longest common subsequences of all prefixes, row by row of `a`. */
class LcsTable {
  readonly length: number;
  readonly #a: string;
  readonly #b: string;
  /** A bit a cell, set where dropping `a`'s char leaves more than dropping `b`'s. */
  readonly #dropsA: Uint8Array;

  constructor(a: string, b: string, canWalk: boolean) {
    this.#a = a;
    this.#b = b;
    this.#dropsA = new Uint8Array(canWalk ? Math.ceil((a.length * b.length) / 8) : 0);
    let above = new Uint32Array(b.length + 1);
    let row = new Uint32Array(b.length + 1);
    for (let i = 0; i < a.length; i += 1) {
      this.#fillRow(i, above, row);
      [above, row] = [row, above];
    }
    this.length = above[b.length] ?? 0;
  }

  #fillRow(i: number, above: Uint32Array, row: Uint32Array): void {
    const b = this.#b;
    const dropsA = this.#dropsA;
    const char = this.#a.charCodeAt(i);
    let left = 0;
    for (let j = 0; j < b.length; j += 1) {
      if (b.charCodeAt(j) === char) {
        left = (above[j] ?? 0) + 1;
      } else {
        const up = above[j + 1] ?? 0;
        if (up > left) {
          left = up;
          const cell = i * b.length + j;
          const byte = cell >> 3;
          if (byte < dropsA.length) dropsA[byte] = (dropsA[byte] ?? 0) | (1 << (cell & 7));
        }
      }
      row[j + 1] = left;
    }
  }

  /** From the ends to the starts: the subsequence, and its runs that are contiguous in both strings, last first. */
  walkBack(): { text: string; matches: Match[] } {
    const chars: string[] = [];
    const matches: Match[] = [];
    let run = 0;
    let i = this.#a.length;
    let j = this.#b.length;
    const endRun = (): void => {
      if (run > 0) matches.push({ a: i, b: j, length: run });
      run = 0;
    };
    while (i > 0 && j > 0) {
      if (this.#a.charCodeAt(i - 1) === this.#b.charCodeAt(j - 1)) {
        i -= 1;
        j -= 1;
        run += 1;
        chars.push(this.#a.charAt(i));
      } else {
        endRun();
        if (this.#isDropA(i - 1, j - 1)) i -= 1;
        else j -= 1;
      }
    }
    endRun();
    return { text: chars.reverse().join(''), matches };
  }

  #isDropA(i: number, j: number): boolean {
    const cell = i * this.#b.length + j;
    return (((this.#dropsA[cell >> 3] ?? 0) >> (cell & 7)) & 1) === 1;
  }
}

function indexesReply(matches: readonly Match[], length: number, options: LcsOptions): Reply {
  const shown = matches
    .filter((match) => match.length >= options.minMatchLength)
    .map((match) => {
      const parts = [range(match.a, match.length), range(match.b, match.length)];
      if (options.withMatchLength) parts.push(integer(match.length));
      return array(parts);
    });
  return array([bulk('matches'), array(shown), bulk('len'), integer(length)]);
}

function range(start: number, length: number): Reply {
  return array([integer(start), integer(start + length - 1)]);
}
