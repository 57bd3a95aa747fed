/**
 * Database numbers in arguments: an integer of 32 bits first, which database it is afterwards, as Redis does it.
 */

import type { Reply } from './engine.ts';
import { parseInt64 } from './int64.ts';
import { error, notAnInteger } from './replies.ts';

const low = -(2 ** 31);
const high = 2 ** 31 - 1;
const outOfRange = error(`ERR value is out of range, value must between ${low} and ${high}`);

/** The number, which need not be a database's, or the error. */
export function parseDatabase(text: string): number | Reply {
  const value = parseInt64(text);
  if (value === undefined) return notAnInteger;
  return value < low || value > high ? outOfRange : Number(value);
}
