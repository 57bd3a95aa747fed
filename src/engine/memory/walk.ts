/**
 * Commands that walk the keys of a database: KEYS, SCAN, RANDOMKEY.
 *
 * SCAN keeps no state; see `keyspace` for why a walk from high positions to low ones misses nothing that stays. A shard's cursor is
 * `run tag × 2^31 + positions left`, below 2^47, so that the front can put the shard's number above it. Positions are this engine's own:
 * a cursor with another tag comes from another replica or another life, and starts the walk again. KEYS takes a snapshot of
 * the dense array and matches it in slices.
 */

import { AssertionError } from '../../base/assert.ts';
import { compileGlob } from '../../base/glob.ts';
import { randomInteger } from '../../base/random.ts';
import type { Reply } from '../engine.ts';
import { option } from '../option.ts';
import type { Call, CommandRow, Job } from './call.ts';
import { parseInt64 } from '../int64.ts';
import type { Item } from './keyspace.ts';
import { array, bulk, error, notAnInteger, nullBulk, syntaxError } from '../replies.ts';

export const walkRows: readonly CommandRow[] = [
  { name: 'keys', kind: 'read', run: keys },
  { name: 'scan', kind: 'read', run: scan },
  { name: 'randomkey', kind: 'read', run: randomkey },
];

/** Keys a slice of KEYS matches, about a millisecond's work. */
export const keysSliceItems = 4096;
/** The most positions one SCAN visits, whatever COUNT says; COUNT is a hint. */
export const scanVisitsMax = 16_384;
/** Positions RANDOMKEY draws before it looks for a key that is not due by walking. */
const randomTries = 64;

const positionBits = 2 ** 31;
const scanCountDefault = 10;
const invalidCursor = error('ERR invalid cursor');
/** What strtoul reads whole; blanks in front Redis refuses itself. */
const cursorForm = /^[+-]?\d+$/;
const cursorMax = 2n ** 64n;

function keys(call: Call, args: readonly string[]): Reply | Job {
  const { keyspace, timeMs } = call;
  const pattern = args[1] ?? '';
  const isWanted = pattern === '*' ? (): boolean => true : compileGlob(pattern);
  call.countLive(keyspace);
  const items = keyspace.snapshot();
  const found: Reply[] = [];
  let next = 0;
  const step = (): Reply | undefined => {
    const end = Math.min(next + keysSliceItems, items.length);
    for (; next < end; next += 1) {
      const item = items[next];
      if (item !== undefined && !wasDue(item, timeMs) && isWanted(item.key)) {
        found.push(bulk(item.key));
      }
    }
    return next < items.length ? undefined : array(found);
  };
  return step() ?? { step };
}

/**
 * Whether an item of a snapshot was due when the snapshot was taken at `timeMs`. It may be asked later: an item that was due is
 * never given another deadline, and one that was not only ever gets later ones or none.
 */
function wasDue(item: Item, timeMs: number): boolean {
  return item.deadline !== undefined && item.deadline.atMs <= timeMs;
}

interface ScanOptions {
  count: number;
  isWanted: (item: Item) => boolean;
}

function scan(call: Call, args: readonly string[]): Reply {
  const cursor = parseCursor(args[1] ?? '');
  if (cursor === undefined) return invalidCursor;
  const options = parseScanOptions(args);
  if (typeof options === 'string') return options;
  const { keyspace } = call;
  const isOurs = Math.floor(cursor / positionBits) === call.runTag;
  let left = isOurs ? Math.min(cursor % positionBits, keyspace.size) : keyspace.size;
  const end = Math.max(left - Math.min(options.count, scanVisitsMax), 0);
  const found: Reply[] = [];
  for (; left > end; left -= 1) {
    const item = keyspace.at(left - 1);
    if (call.isLive(item) && options.isWanted(item)) found.push(bulk(item.key));
  }
  const next = left === 0 ? 0 : call.runTag * positionBits + left;
  return `*2\r\n${bulk(String(next))}${array(found)}`;
}

/** A cursor as strtoul reads it, as far as ours go; others only need to be told from ours. */
function parseCursor(text: string): number | undefined {
  const [digits = ''] = text.split('\0');
  if (digits === '') return 0;
  if (!cursorForm.test(digits)) return undefined;
  const exact = BigInt(digits.replace('+', ''));
  if (exact >= cursorMax || exact <= -cursorMax) return undefined;
  const value = Number(exact);
  return value >= 0 && Number.isSafeInteger(value) ? value : 0;
}

function parseScanOptions(args: readonly string[]): ScanOptions | Reply {
  let count = scanCountDefault;
  let isNameWanted: ((key: string) => boolean) | undefined;
  let kind: string | undefined;
  for (let at = 2; at < args.length; at += 2) {
    const name = option(args[at] ?? '');
    const value = args[at + 1];
    if (value === undefined) return syntaxError;
    if (name === 'count') {
      const given = parseInt64(value);
      if (given === undefined) return notAnInteger;
      if (given < 1) return syntaxError;
      count = Number(given);
    } else if (name === 'match') {
      isNameWanted = value === '*' ? undefined : compileGlob(value);
    } else if (name === 'type') {
      kind = option(value);
    } else {
      return syntaxError;
    }
  }
  const isWanted = (item: Item): boolean =>
    (kind === undefined || item.kind === kind) && (isNameWanted?.(item.key) ?? true);
  return { count, isWanted };
}

/** Any key that is there, each equally likely as long as few are due. */
function randomkey(call: Call): Reply {
  const { keyspace } = call;
  if (call.countLive(keyspace) === 0) return nullBulk;
  const random = call.random();
  let position = 0;
  for (let tries = 0; tries < randomTries; tries += 1) {
    position = randomInteger(random, 0, keyspace.size - 1);
    const item = keyspace.at(position);
    if (call.isLive(item)) return bulk(item.key);
  }
  for (let step = 1; step <= keyspace.size; step += 1) {
    const item = keyspace.at((position + step) % keyspace.size);
    if (call.isLive(item)) return bulk(item.key);
  }
  throw new AssertionError('a key that is counted as there is found');
}
