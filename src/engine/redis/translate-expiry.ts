/**
 * Commands that set or show deadlines. TTLs become points in the entry's time, shifted as Redis stores them.
 *
 * A deadline that is not after the entry's time is set all the same, for Redis to decide about NX, XX, GT and LT and to reply. The key is due then:
 * whatever meets it removes it first, and so does reclaiming. What Redis would refuse by its own clock is refused here.
 */

import type { Reply } from '../engine.ts';
import { deadlineOf, parseExpire, parseExpireOptions, ttlReply } from '../expire-options.ts';
import type { ExpireCommand, ExpireOptions, TtlCommand } from '../expire-options.ts';
import { addInt64, parseInt64 } from '../int64.ts';
import type { Int64 } from '../int64.ts';
import { option } from '../option.ts';
import { invalidExpireTime, notAnInteger, nullBulk, ok, one, syntaxError } from '../replies.ts';
import { commandText } from './command-text.ts';
import { answer, asIs, refusedAt, sendAsIs } from './job.ts';
import type { Job, Special } from './job.ts';
import { deadlineIn, shifted } from './shift.ts';
import type { Translated } from './translation.ts';

/** By name; `from`: shorter commands are plain. */
export const expirySpecials: ReadonlyMap<
  string,
  { readonly special: Special; readonly from: number }
> = new Map([
  ['set', { special: set, from: 4 }],
  ['setex', { special: setWithTtl('ex', 'setex'), from: 0 }],
  ['psetex', { special: setWithTtl('px', 'psetex'), from: 0 }],
  ['getex', { special: getex, from: 3 }],
  ['expire', { special: expire('expire'), from: 0 }],
  ['pexpire', { special: expire('pexpire'), from: 0 }],
  ['expireat', { special: expire('expireat'), from: 0 }],
  ['pexpireat', { special: expire('pexpireat'), from: 0 }],
  ['restore', { special: restore, from: 0 }],
  ['ttl', { special: ttl('ttl'), from: 0 }],
  ['pttl', { special: ttl('pttl'), from: 0 }],
  ['expiretime', { special: ttl('expiretime'), from: 0 }],
  ['pexpiretime', { special: ttl('pexpiretime'), from: 0 }],
]);

const isRefused = (reply: Reply): boolean => reply.startsWith('-');

function set(job: Job): Translated {
  const { args, draft } = job;
  const [, key = '', value = ''] = args;
  const options = parseExpireOptions(args, 3, 'set');
  if (options === undefined) return answer(job, syntaxError);
  const { lifetime, condition, get } = options;
  if (lifetime === 'keepttl' || lifetime === 'persist') return asIs(job);
  if (lifetime === undefined) {
    const at = sendAsIs(job);
    const outcome = (reply: Reply): number | undefined =>
      wasSet(options, reply) ? Infinity : undefined;
    draft.touch({ database: draft.database, key, at }, outcome);
    return draft.finish(at);
  }
  const deadline = deadlineOf(draft.timeMs, options.ttl, lifetime, 'set');
  if ('error' in deadline) return answer(job, deadline.error);
  const flags = [...(condition === undefined ? [] : [condition]), ...(get ? ['get'] : [])];
  return withDeadline(job, {
    atMs: deadline.atMs,
    request: (stored) => ['SET', key, value, 'PXAT', stored, ...flags],
    refused: () => answer(job, invalidExpireTime('set')),
    isSet: (reply) => wasSet(options, reply),
  });
}

/** With GET the reply is what was there before. */
function wasSet({ condition, get }: ExpireOptions, reply: Reply): boolean {
  if (!get) return reply === ok;
  if (condition === undefined) return !isRefused(reply);
  return condition === 'nx' ? reply === nullBulk : reply.startsWith('$') && reply !== nullBulk;
}

function setWithTtl(unit: 'ex' | 'px', command: string): Special {
  return (job) => {
    const [, key = '', ttlText = '', value = ''] = job.args;
    const deadline = deadlineOf(job.draft.timeMs, ttlText, unit, command);
    if ('error' in deadline) return answer(job, deadline.error);
    return withDeadline(job, {
      atMs: deadline.atMs,
      request: (stored) => ['SET', key, value, 'PXAT', stored],
      refused: () => answer(job, invalidExpireTime(command)),
      isSet: (reply) => reply === ok,
    });
  };
}

/** Redis looks at the key before it looks at the TTL, so a bad one must reach it, in a form that is bad by any clock. */
function getex(job: Job): Translated {
  const { args, draft } = job;
  const key = args[1] ?? '';
  const options = parseExpireOptions(args, 2, 'getex');
  if (options === undefined) return answer(job, syntaxError);
  const { lifetime } = options;
  if (lifetime === undefined || lifetime === 'keepttl') return asIs(job);
  if (lifetime === 'persist') {
    const at = sendAsIs(job);
    const outcome = (reply: Reply): number | undefined => (isRefused(reply) ? undefined : Infinity);
    draft.touch({ database: draft.database, key, at }, outcome);
    return draft.finish(at);
  }
  const deadline = deadlineOf(draft.timeMs, options.ttl, lifetime, 'getex');
  if ('error' in deadline && deadline.error === notAnInteger) return asIs(job);
  const refused = (): Translated =>
    draft.finish(draft.send(commandText(['GETEX', key, 'EX', '0'])));
  if ('error' in deadline) return refused();
  return withDeadline(job, {
    atMs: deadline.atMs,
    request: (stored) => ['GETEX', key, 'PXAT', stored],
    refused,
    isSet: (reply) => reply.startsWith('$') && reply !== nullBulk,
  });
}

function expire(command: ExpireCommand): Special {
  return (job) => {
    const { args, draft } = job;
    const wanted = parseExpire(args, command, draft.timeMs);
    if (typeof wanted === 'string') return answer(job, wanted);
    return withDeadline(job, {
      atMs: wanted.atMs,
      request: (stored) => ['PEXPIREAT', args[1] ?? '', stored, ...args.slice(3)],
      refused: () => answer(job, invalidExpireTime(command)),
      isSet: (reply) => reply === one,
    });
  };
}

/** Redis looks at the key before it looks at the TTL. */
function restore(job: Job): Translated {
  const { args, draft } = job;
  const [, key = '', ttlText = '', payload = ''] = args;
  const isAbsolute = hasAbsTtl(args);
  const amount = parseInt64(ttlText);
  if (amount === undefined || amount < 0) return asIs(job);
  if (typeof isAbsolute === 'number') return refusedAt(job, isAbsolute);
  if (amount === 0) {
    const at = sendAsIs(job);
    const outcome = (reply: Reply): number | undefined => (reply === ok ? Infinity : undefined);
    draft.touch({ database: draft.database, key, at }, outcome);
    return draft.finish(at);
  }
  const request = (stored: string): string[] => {
    const absolute = isAbsolute ? [] : ['ABSTTL'];
    return ['RESTORE', key, stored, payload, ...absolute, ...args.slice(4)];
  };
  const refused = (): Translated => draft.finish(draft.send(commandText(request('-1'))));
  const atMs = isAbsolute ? amount : addInt64(amount, draft.timeMs);
  if (atMs === undefined) return refused();
  return withDeadline(job, { atMs, request, refused, isSet: (reply) => reply === ok });
}

/** A number: the place of an unknown option of RESTORE. */
function hasAbsTtl(args: readonly string[]): boolean | number {
  let found = false;
  for (let at = 4; at < args.length; at += 1) {
    const name = option(args[at] ?? '');
    if (name === 'absttl') found = true;
    else if (name === 'idletime' || name === 'freq') at += 1;
    else if (name !== 'replace') return at;
  }
  return found;
}

interface WithDeadline {
  readonly atMs: Int64;
  /** @param stored - the deadline as Redis stores it */
  request(stored: string): readonly string[];
  /** The deadline is too far away to be stored. */
  refused(): Translated;
  /** Whether the key has the deadline now. */
  isSet(reply: Reply): boolean;
}

/** A command on the key that is argument 1. */
function withDeadline({ args, draft }: Job, wanted: WithDeadline): Translated {
  const { database } = draft;
  const key = args[1] ?? '';
  const stored = shifted(wanted.atMs);
  if (stored === undefined) return wanted.refused();
  const at = draft.send(commandText(wanted.request(String(stored))));
  const deadlineMs = Number(wanted.atMs);
  draft.lower({ database, key, deadlineMs, at }, (reply) =>
    wanted.isSet(reply) ? deadlineMs : undefined,
  );
  return draft.finish(at);
}

function ttl(command: TtlCommand): Special {
  return ({ args, draft }) => {
    const at = draft.send(commandText(['PEXPIRETIME', args[1] ?? '']));
    return draft.finish(at, (reply) => {
      const atMs = deadlineIn(reply);
      if (atMs === undefined) return reply;
      // A read that was overtaken by an entry may see a deadline that is before its own time; nothing is shown that is less than none.
      const isLeft = atMs > draft.timeMs || command.endsWith('time');
      return ttlReply(command, isLeft ? atMs : draft.timeMs, draft.timeMs);
    });
  };
}
