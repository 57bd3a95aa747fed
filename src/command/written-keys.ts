/**
 * Which of a command's keys it may leave behind as a value, and in which database: what a default TTL is for.
 *
 * A command that only takes away from its keys, or changes a deadline, has none.
 */

import type { CommandArguments } from './arguments.ts';
import type { CommandSpec } from './table.ts';

const none: readonly number[] = [];

/** All their keys are written; of others that may write, the first is. */
const allWritten: readonly string[] = ['lmove', 'mset', 'msetnx', 'rpoplpush', 'smove'];
/** The key behind the source is written, where there is one. */
const lastWritten: readonly string[] =
  'copy georadius georadiusbymember rename renamenx sort'.split(' ');
/** They make keys without taking memory, so Redis's flag for that does not tell. */
const movers: readonly string[] = ['move', 'rename', 'renamenx', 'rpoplpush', 'lmove', 'smove'];

/** @param keys - the positions of its keys */
export function writtenKeys(spec: CommandSpec, keys: readonly number[]): readonly number[] {
  if (!spec.flags.includes('denyoom') && !movers.includes(spec.name)) return none;
  if (allWritten.includes(spec.name)) return keys;
  if (lastWritten.includes(spec.name)) return keys.slice(1);
  return keys.slice(0, 1);
}

/** The database in which MOVE and COPY write; undefined for all others, which write in that of their connection, and where there is none. */
export function destinationDatabase(
  spec: CommandSpec,
  command: CommandArguments,
): number | undefined {
  if (spec.name === 'move') return databaseOf(command.argLatin1(2));
  if (spec.name !== 'copy') return undefined;
  for (let at = 3; at + 1 < command.argc; at += 1) {
    if (command.argLatin1(at).toLowerCase() === 'db') return databaseOf(command.argLatin1(at + 1));
  }
  return undefined;
}

function databaseOf(text: string): number | undefined {
  return /^(?:\d|1[0-5])$/u.test(text) ? Number(text) : undefined;
}
