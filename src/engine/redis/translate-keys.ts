/**
 * Commands that move keys with their deadlines, or take deadlines away.
 */

import { parseDatabase } from '../database-number.ts';
import type { Reply } from '../engine.ts';
import { option } from '../option.ts';
import { noSuchDatabase, ok, one } from '../replies.ts';
import { databaseCount } from './deadline-index.ts';
import { answer, asIs, sendAsIs } from './job.ts';
import type { Job, Special } from './job.ts';
import type { Flush, Swap, Translated } from './translation.ts';

/** Whether, by its reply, a command's keys have no deadline behind it, be it that they are gone. */
export const clearing: ReadonlyMap<string, (reply: Reply) => boolean> = new Map([
  ['del', isDone],
  ['unlink', isDone],
  ['persist', isDone],
  ['getdel', isDone],
  ['getset', isDone],
  ['set', isDone],
  ['mset', isDone],
  ['setnx', (reply: Reply) => reply === one],
  ['msetnx', (reply: Reply) => reply === one],
]);

export const keySpecials: ReadonlyMap<string, Special> = new Map<string, Special>([
  ['rename', (job) => moveKey(job, { isMoved: (reply) => reply === ok })],
  ['renamenx', (job) => moveKey(job, { isMoved: (reply) => reply === one })],
  ['copy', copy],
  ['move', move],
  ['flushall', flush],
  ['flushdb', flush],
  ['swapdb', swap],
]);

function isDone(reply: Reply): boolean {
  return !reply.startsWith('-');
}

interface Route {
  readonly isMoved: (reply: Reply) => boolean;
  /** The source stays. */
  readonly isCopy?: boolean;
  readonly toDatabase?: number;
  readonly toKey?: string;
}

/** From the key that is argument 1, by default to the one that is argument 2. */
function moveKey(job: Job, route: Route): Translated {
  const { args, draft } = job;
  const { database: fromDatabase, index, timeMs } = draft;
  const [, from = '', second = ''] = args;
  const { isMoved, isCopy = false, toDatabase = fromDatabase, toKey = second } = route;
  if (from === toKey && fromDatabase === toDatabase) return asIs(job);
  if (toDatabase !== fromDatabase) draft.removeDue(toDatabase, [toKey]);
  const at = sendAsIs(job);
  const fromBound = index.boundMs(fromDatabase, from);
  const target = { database: toDatabase, key: toKey, at };
  if (fromBound === undefined) {
    draft.touch(target, (reply) => (isMoved(reply) ? Infinity : undefined));
    return draft.finish(at);
  }
  // What is carried is not due: a due source was removed just before.
  const deadlineMs = Math.max(fromBound, timeMs + 1);
  draft.lower({ ...target, deadlineMs }, (reply) => (isMoved(reply) ? deadlineMs : undefined));
  if (!isCopy) {
    const source = { database: fromDatabase, key: from, at };
    draft.touch(source, (reply) => (isMoved(reply) ? Infinity : undefined));
  }
  return draft.finish(at);
}

function copy(job: Job): Translated {
  const { args, draft } = job;
  let toDatabase = draft.database;
  for (let at = 3; at < args.length; at += 1) {
    const name = option(args[at] ?? '');
    const next = args[at + 1];
    if (name === 'db' && next !== undefined) {
      const number = parseDatabase(next);
      if (typeof number === 'string') return asIs(job);
      if (!isDatabase(number)) return answer(job, noSuchDatabase);
      toDatabase = number;
      at += 1;
    } else if (name !== 'replace') return asIs(job);
  }
  return moveKey(job, { isMoved: (reply) => reply === one, isCopy: true, toDatabase });
}

function move(job: Job): Translated {
  const [, key = '', databaseText = ''] = job.args;
  const toDatabase = parseDatabase(databaseText);
  if (typeof toDatabase === 'string') return asIs(job);
  if (!isDatabase(toDatabase)) return answer(job, noSuchDatabase);
  return moveKey(job, { isMoved: (reply) => reply === one, toDatabase, toKey: key });
}

function flush(job: Job): Translated | Flush {
  const { args, draft } = job;
  const [name = '', mode] = args.map(option);
  const isValid = args.length === 1 || (args.length === 2 && (mode === 'sync' || mode === 'async'));
  if (!isValid) return asIs(job);
  const database = name === 'flushall' ? undefined : draft.database;
  const translated = asIs(job);
  draft.index.flush(database);
  return { kind: 'flush', database, ...translated };
}

function swap(job: Job): Translated | Swap {
  const [first, second] = job.args.slice(1).map(parseDatabase);
  if (typeof first !== 'number' || typeof second !== 'number') return asIs(job);
  if (!isDatabase(first) || !isDatabase(second)) return answer(job, noSuchDatabase);
  const { draft } = job;
  // A read of one database may be under way and arrive behind this: it has not heard of what is due in the other.
  for (const database of [first, second]) draft.removeAllDue(database, Infinity);
  const translated = asIs(job);
  draft.index.swap(first, second);
  return { kind: 'swap', databases: [first, second], ...translated };
}

const isDatabase = (number: number): boolean => number >= 0 && number < databaseCount;
