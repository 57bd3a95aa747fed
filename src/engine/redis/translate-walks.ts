/**
 * Commands that see all keys of a database: KEYS, SCAN, RANDOMKEY, DBSIZE; and the cursors of SCAN and its relatives.
 *
 * Keys of ours are hidden, and so are those of other shards that share the Redis. Several shards make DBSIZE and RANDOMKEY as dear as
 * KEYS: nothing but a look at each key tells whose it is.
 *
 * A cursor means something to one Redis in one life only. Clients get `run tag × 2^31 + Redis's cursor`, below 2^47 so that the front can put the
 * shard's number above it; one with another tag starts the walk again.
 */

import { randomInteger } from '../../base/random.ts';
import { reservedPrefix } from '../../command/reserved.ts';
import { arrayReply, bulkReply } from '../../resp/encoder.ts';
import { bulkOf, elementsOf, integerOf } from '../../resp/reply-framer.ts';
import type { Reply } from '../engine.ts';
import { error, integer, nullBulk } from '../replies.ts';
import { commandText } from './command-text.ts';
import type { Job, Special, TranslatorOptions } from './job.ts';
import { sendAsIs } from './job.ts';
import { randomKeyCommand } from './scripts.ts';
import type { Translated } from './translation.ts';

const cursorBits = 2 ** 31;
/** What our own cursors look like. Redis reads other spellings, too, as it likes. */
const cursorForm = /^(?:0|[1-9]\d{0,15})$/u;
const cursorTooLarge = error('ERR a table of more than 2^31 places cannot be scanned');

/** These see all keys of their database, so all due ones go before. */
export const walkSpecials: ReadonlyMap<string, Special> = new Map<string, Special>([
  ['keys', keys],
  ['scan', (job) => scan(job, 1)],
  ['randomkey', randomKey],
  ['dbsize', dbsize],
]);

export const cursorSpecials: ReadonlyMap<string, Special> = new Map<string, Special>([
  ['hscan', (job) => scan(job, 2)],
  ['sscan', (job) => scan(job, 2)],
  ['zscan', (job) => scan(job, 2)],
]);

function isVisible({ ownsKey }: TranslatorOptions, key: string): boolean {
  return !key.startsWith(reservedPrefix) && (ownsKey?.(key) ?? true);
}

/** The visible ones of an array of keys, as replies; undefined for any other reply. */
function visibleKeys(options: TranslatorOptions, reply: Reply): readonly Reply[] | undefined {
  return elementsOf(reply)?.filter((key) => isVisible(options, bulkOf(key) ?? ''));
}

function keys(job: Job): Translated {
  return job.draft.finish(sendAsIs(job), (reply) => {
    const visible = visibleKeys(job.options, reply);
    return visible === undefined ? reply : arrayReply(visible);
  });
}

/** @param cursorAt - the cursor's place among the arguments; the keyspace's own is 1 */
function scan(job: Job, cursorAt: number): Translated {
  const { args, draft, runTag, options } = job;
  const cursor = args[cursorAt] ?? '';
  return draft.finish(
    draft.send(commandText(args.with(cursorAt, given(cursor, runTag)))),
    (reply) => {
      const [next, found] = elementsOf(reply) ?? [];
      const nextCursor = next === undefined ? undefined : bulkOf(next);
      if (nextCursor === undefined || found === undefined) return reply;
      const value = Number(nextCursor);
      if (value >= cursorBits) return cursorTooLarge;
      const shown = value === 0 ? 0 : runTag * cursorBits + value;
      const elements = cursorAt === 1 ? arrayReply(visibleKeys(options, found) ?? []) : found;
      return arrayReply([bulkReply(String(shown)), elements]);
    },
  );
}

/** What Redis gets for a client's cursor. */
function given(cursor: string, runTag: number): string {
  if (!cursorForm.test(cursor)) return cursor;
  const isOurs = Math.floor(Number(cursor) / cursorBits) === runTag;
  return isOurs ? String(Number(cursor) % cursorBits) : '0';
}

function randomKey({ draft, options }: Job): Translated {
  if (options.ownsKey === undefined)
    return draft.finish(draft.send(randomKeyCommand(reservedPrefix)));
  return draft.finish(draft.send(commandText(['KEYS', '*'])), (reply) => {
    const own = visibleKeys(options, reply);
    if (own === undefined) return reply;
    return own[randomInteger(options.random, 0, own.length - 1)] ?? nullBulk;
  });
}

function dbsize({ draft, options }: Job): Translated {
  if (options.ownsKey !== undefined) {
    return draft.finish(draft.send(commandText(['KEYS', '*'])), (reply) => {
      const own = visibleKeys(options, reply);
      return own === undefined ? reply : integer(own.length);
    });
  }
  const all = draft.send(commandText(['DBSIZE']));
  if (options.reservedKeys.length === 0) return draft.finish(all);
  const ours = draft.send(commandText(['EXISTS', ...options.reservedKeys]));
  return draft.finishWith((replies) => {
    const reply = replies[all] ?? '';
    const count = integerOf(reply);
    return count === undefined ? reply : integer(count - (integerOf(replies[ours] ?? '') ?? 0));
  });
}
