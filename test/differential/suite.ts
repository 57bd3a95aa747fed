/**
 * The tables of cases against a real redis-server, for any target: the same commands, the same bytes.
 *
 * Where a target has several shards, all keys get one tag on both sides, so that they share a shard there; SCAN is walked to its end; and
 * SWAPDB and SORT with patterns, which such a cluster refuses, are left out.
 */

import assert from 'node:assert/strict';
import { keyIndexes } from '../../src/command/keys.ts';
import { lookupCommand } from '../../src/command/table.ts';
import { words } from '../support/commands.ts';
import { comparisonOf, cursorPlace, isEqual } from './compare.ts';
import type { Target } from './target.ts';

export type Shards = 'one' | 'several';

const tag = Buffer.from('{t}');
const lastCursor = '*2\r\n$1\r\n0\r\n';

/** Runs the lines on both, from an empty start, and fails at the first replies that differ. */
export async function compareCase(
  lines: readonly string[],
  targets: { readonly ours: Target; readonly theirs: Target },
  shards: Shards = 'one',
): Promise<void> {
  const { ours, theirs } = targets;
  for (const line of ['FLUSHALL', 'SELECT 0', ...lines]) {
    const plain = words(line);
    if (shards === 'several' && needsOneShard(plain)) continue;
    const args = shards === 'several' ? tagged(plain) : plain;
    const execute = comparisonOf(args) === 'walk' ? walk : once;
    const [our, their] = [await execute(ours, args), await execute(theirs, args)];
    if (!isEqual(args, our, their)) {
      assert.equal(our.toString('latin1'), their.toString('latin1'), line);
    }
  }
}

function once(target: Target, args: readonly Buffer[]): Promise<Buffer> {
  return target.execute(args);
}

/** A SCAN until its cursor is 0, as one reply with all elements; other replies as they are. */
async function walk(target: Target, args: readonly Buffer[]): Promise<Buffer> {
  const place = cursorPlace(args);
  let reply = (await target.execute(args)).toString('latin1');
  let elements = '';
  for (;;) {
    const [, cursor, found] = /^\*2\r\n\$\d+\r\n(\d+)\r\n\*\d+\r\n(.*)$/s.exec(reply) ?? [];
    if (cursor === undefined || found === undefined) break;
    elements += found;
    if (cursor === '0') return Buffer.from(`${lastCursor}${elements}`, 'latin1');
    reply = (await target.execute(args.with(place, Buffer.from(cursor)))).toString('latin1');
  }
  return Buffer.from(reply, 'latin1');
}

/** SWAPDB, and SORT with patterns. */
function needsOneShard(args: readonly Buffer[]): boolean {
  const [name = '', ...rest] = args.map((arg) => arg.toString('latin1').toLowerCase());
  if (name === 'sort' || name === 'sort_ro') return rest.some((word) => word.includes('*'));
  return name === 'swapdb';
}

/** Puts the tag before keys, and before the patterns of KEYS and SCAN. */
function tagged(args: readonly Buffer[]): Buffer[] {
  const [name, sub] = args.map((arg) => arg.toString().toLowerCase());
  const container = lookupCommand(name ?? '');
  const spec = container?.subcommands?.get(sub ?? '') ?? container;
  const argLatin1 = (at: number): string => args[at]?.toString('latin1') ?? '';
  const command = { argc: args.length, argLatin1 };
  const places = new Set(spec === undefined ? [] : keyIndexes(spec, command));
  if (name === 'keys') places.add(1);
  for (const [place, arg] of args.entries()) {
    if (name === 'scan' && arg.toString().toLowerCase() === 'match') places.add(place + 1);
  }
  return args.map((arg, place) => (places.has(place) ? Buffer.concat([tag, arg]) : arg));
}
