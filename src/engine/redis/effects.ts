/**
 * What a leader logs in place of a command that no replica could compute alone: because of chance (SPOP), or because it compares times that
 * a Redis took by its own clock (XCLAIM, XAUTOCLAIM).
 *
 * The leader looks at its Redis while nothing is in flight, so what it finds is what every replica will have when the entry is applied. It logs
 * - the command itself where Redis refuses it or it changes nothing, since that is the same everywhere;
 * - for XCLAIM: an XCLAIM of those entries that were idle long enough, with the time given;
 * - else `OUTRIGGER.EFFECT reply command…`: what the client gets, and what every replica executes instead.
 *
 * How long an entry was idle is counted on the cluster's clock: Redis tells it by its own, and TIME tells how far that is off.
 */

import { arrayReply, bulkReply } from '../../resp/encoder.ts';
import { bulkOf, elementsOf, integerOf, isErrorReply } from '../../resp/reply-framer.ts';
import type { EngineCommand, Reply } from '../engine.ts';
import { addInt64, parseInt64 } from '../int64.ts';
import type { Int64 } from '../int64.ts';
import { option } from '../option.ts';
import { replyTooLong } from '../replies.ts';
import { commandText, CommandText } from './command-text.ts';
import { deadlineIn } from './shift.ts';

/** What a command that is resolved may take or claim at once; an entry holds it twice. Beyond, it is answered with an error and does nothing. */
const effectBytesMax = 64 << 20;
const tooLargeReply = '-ERR what this command would take is larger than 64 MB; ask for less\r\n';

/** No client can send it: the command table does not have it. */
export const effectName = 'OUTRIGGER.EFFECT';

/** Runs reads in a database of the leader's Redis; undefined: it cannot now. */
export type RunReads = (
  database: number,
  commands: readonly string[],
  done: (replies: readonly Reply[] | undefined) => void,
) => void;

/** Pending entries that one XAUTOCLAIM looks at; where there are more, its cursor leads on, as it may with Redis. */
export const examinedMax = 1000;
/** XAUTOCLAIM looks at so many pending entries for each that it was asked for. */
const examinedPerClaim = 10;
const claimsDefault = 100;

const neverThere = '0-0';

/** One command that waits for its effect. */
interface Resolution {
  /** The command. */
  readonly text: string;
  readonly args: readonly string[];
  readonly timeMs: number;
  /** Reads; where that fails, the resolution is over. */
  readonly run: (
    commands: readonly (readonly string[])[],
    done: (replies: readonly Reply[]) => void,
  ) => void;
  /** Ends the resolution. */
  readonly log: (text: string) => void;
}

/** See `Engine.resolve`. */
export function resolveCommand(
  { database, bytes }: EngineCommand,
  timeMs: number,
  run: RunReads,
  done: (logged: EngineCommand | undefined) => void,
): void {
  const command = new CommandText();
  command.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
  const resolution: Resolution = {
    text: command.text,
    args: command.args(),
    timeMs,
    run: (commands, whenRead) => {
      run(database, commands.map(commandText), (replies) => {
        if (replies === undefined) done(undefined);
        // What it would log holds the reply and, for a pop, its elements once more.
        else if (isTooLarge(replies)) resolution.log(effect(tooLargeReply, []));
        else whenRead(replies);
      });
    },
    log: (text) => done({ database, bytes: Buffer.from(text, 'latin1') }),
  };
  const name = command.argLatin1(0).toLowerCase();
  if (name === 'spop') resolvePop(resolution);
  else if (name === 'xclaim') resolveClaim(resolution);
  else if (name === 'xautoclaim') resolveAutoClaim(resolution);
  else resolution.log(command.text);
}

function isTooLarge(replies: readonly Reply[]): boolean {
  let bytes = 0;
  for (const reply of replies) {
    if (reply === replyTooLong) return true;
    bytes += reply.length;
  }
  return bytes > effectBytesMax;
}

const effect = (reply: Reply, commands: readonly (readonly string[])[]): string =>
  commandText([effectName, reply, ...commands.map(commandText)]);

function resolvePop({ text, args, timeMs, run, log }: Resolution): void {
  const [, key = '', countText] = args;
  const count = countText === undefined ? undefined : parseInt64(countText);
  const isWrong = args.length > 3 || (countText !== undefined && count === undefined);
  if (isWrong || (count !== undefined && count <= 0)) {
    log(text);
    return;
  }
  const draw = ['SRANDMEMBER', ...args.slice(1)];
  run([['PEXPIRETIME', key], draw], ([deadline = '', drawn = '']) => {
    const elements = count === undefined ? [drawn] : (elementsOf(drawn) ?? []);
    const members = elements.map(bulkOf).filter((member) => member !== undefined);
    if (members.length === 0 || isDue(deadline, timeMs)) {
      log(text);
      return;
    }
    const isAll = count !== undefined && members.length < count;
    log(effect(drawn, [isAll ? ['UNLINK', key] : ['SREM', key, ...members]]));
  });
}

interface Claim {
  readonly ids: readonly string[];
  readonly minIdleMs: Int64;
  /** When the entries shall count as delivered. */
  readonly deliveredMs: Int64;
  /** All options but IDLE and TIME. */
  readonly options: readonly string[];
}

function resolveClaim({ text, args, timeMs, run, log }: Resolution): void {
  const [, key = '', group = '', consumer = ''] = args;
  const claim = parseClaim(args, timeMs);
  if (claim === undefined) {
    log(text);
    return;
  }
  const logClaim = (ids: readonly string[]): void => {
    const wanted = ids.length === 0 ? [neverThere] : ids;
    const { options, deliveredMs } = claim;
    const given = ['XCLAIM', key, group, consumer, '0', ...wanted, ...options];
    log(commandText([...given, 'TIME', String(deliveredMs)]));
  };
  if (claim.minIdleMs <= 0) {
    logClaim(claim.ids);
    return;
  }
  const looks = claim.ids.flatMap((id) => {
    const whole = wholeId(id);
    return [
      ['XPENDING', key, group, whole, whole, '1'],
      ['XRANGE', key, whole, whole],
    ];
  });
  run([['PEXPIRETIME', key], ['TIME'], ...looks], ([deadline = '', time = '', ...found]) => {
    if (isDue(deadline, timeMs) || found.some(isErrorReply)) log(text);
    else logClaim(idleIds(claim, found, clockAt(timeMs, time)));
  });
}

/** Undefined: Redis refuses it. */
function parseClaim(args: readonly string[], timeMs: number): Claim | undefined {
  const minIdleMs = parseInt64(args[4] ?? '');
  if (minIdleMs === undefined) return undefined;
  let at = 5;
  while (at < args.length && mayBeId(args[at] ?? '')) at += 1;
  const ids = args.slice(5, at);
  const options: string[] = [];
  let deliveredMs: Int64 = timeMs;
  for (; at < args.length; at += 1) {
    const word = args[at] ?? '';
    const next = args[at + 1];
    const name = option(word);
    if (name === 'force' || name === 'justid') {
      options.push(word);
      continue;
    }
    if (next === undefined) return undefined;
    at += 1;
    if (name === 'idle' || name === 'time') {
      const amount = parseInt64(next);
      if (amount === undefined) return undefined;
      deliveredMs = name === 'time' ? amount : (addInt64(timeMs, -amount) ?? timeMs);
    } else if (name === 'retrycount' || name === 'lastid') options.push(word, next);
    else return undefined;
  }
  // As Redis has it: what cannot be means now.
  if (deliveredMs < 0 || deliveredMs > timeMs) deliveredMs = timeMs;
  return { ids, minIdleMs, deliveredMs, options };
}

/** Redis reads numbers with blanks and a plus before them, too. */
const mayBeId = (word: string): boolean => /^[\s+]*\d+(?:-[\s+]*\d+)?$/u.test(word);

/** XCLAIM takes a missing second half for 0, a range for all. */
const wholeId = (id: string): string => (id.includes('-') ? id : `${id}-0`);

/** The ids that XCLAIM would not pass over: idle long enough, not pending, or of deleted entries, which it drops. */
function idleIds(claim: Claim, found: readonly Reply[], clock: Clock): string[] {
  const { ids, minIdleMs, deliveredMs } = claim;
  const claimedIdleMs = clock.timeMs - Number(deliveredMs);
  const claimed = new Set<string>();
  return ids.filter((id, place) => {
    const [pending] = elementsOf(found[2 * place] ?? '') ?? [];
    const isThere = (elementsOf(found[2 * place + 1] ?? '') ?? []).length > 0;
    const isPending = pending !== undefined;
    if (!isThere) return true;
    const idleMs = claimed.has(wholeId(id))
      ? claimedIdleMs
      : isPending
        ? idleOf(pending, clock)
        : Infinity;
    if (idleMs < minIdleMs) return false;
    claimed.add(wholeId(id));
    return true;
  });
}

function resolveAutoClaim({ text, args, timeMs, run, log }: Resolution): void {
  const [, key = '', group = '', , , start = ''] = args;
  const wanted = parseAutoClaim(args);
  if (wanted === undefined) {
    log(text);
    return;
  }
  const examined = Math.min(Number(wanted.count) * examinedPerClaim, examinedMax);
  // One more, for the cursor.
  const look = ['XPENDING', key, group, start, '+', String(examined + 1)];
  run([['PEXPIRETIME', key], ['TIME'], look], ([deadline = '', time = '', found = '']) => {
    const pending = elementsOf(found);
    if (pending === undefined || isDue(deadline, timeMs)) {
      log(text);
      return;
    }
    const ids = pending.map(idOf);
    const ranges = ids.map((id) => ['XRANGE', key, id, id]);
    const clock = clockAt(timeMs, time);
    const finish = (entries: readonly Reply[]): void => {
      log(autoClaimEffect(args, wanted, { pending, entries, clock, examined }));
    };
    if (ranges.length === 0) finish([]);
    else run(ranges, finish);
  });
}

interface AutoClaim {
  readonly minIdleMs: Int64;
  readonly count: Int64;
  readonly isJustId: boolean;
}

/** Undefined: Redis refuses it. */
function parseAutoClaim(args: readonly string[]): AutoClaim | undefined {
  const minIdleMs = parseInt64(args[4] ?? '');
  let count: Int64 | undefined = claimsDefault;
  let isJustId = false;
  for (let at = 6; at < args.length; at += 1) {
    const name = option(args[at] ?? '');
    if (name === 'justid') isJustId = true;
    else if (name === 'count' && at + 1 < args.length) {
      at += 1;
      count = parseInt64(args[at] ?? '');
      if (count === undefined || count < 1) return undefined;
    } else return undefined;
  }
  return minIdleMs === undefined ? undefined : { minIdleMs, count, isJustId };
}

interface Found {
  /** XPENDING's elements. */
  readonly pending: readonly Reply[];
  /** XRANGE's reply for each. */
  readonly entries: readonly Reply[];
  readonly clock: Clock;
  /** How many may be looked at. */
  readonly examined: number;
}

/** As XAUTOCLAIM walks: deleted entries are dropped and count, those that are not idle long enough are passed over. */
function autoClaimEffect(args: readonly string[], wanted: AutoClaim, found: Found): string {
  const { pending, entries, clock, examined } = found;
  const taken: string[] = [];
  const deleted: string[] = [];
  const shown: Reply[] = [];
  let at = 0;
  for (; at < Math.min(pending.length, examined) && taken.length < wanted.count; at += 1) {
    const one = pending[at] ?? '';
    const id = idOf(one);
    const [entry] = elementsOf(entries[at] ?? '') ?? [];
    if (entry !== undefined && idleOf(one, clock) < wanted.minIdleMs) continue;
    taken.push(id);
    if (entry === undefined) deleted.push(id);
    else shown.push(wanted.isJustId ? bulkReply(id) : entry);
  }
  const next = pending[at];
  const cursor = bulkReply(next === undefined ? neverThere : idOf(next));
  const reply = arrayReply([cursor, arrayReply(shown), arrayReply(deleted.map(bulkReply))]);
  if (taken.length === 0) return effect(reply, []);
  const [, key = '', group = '', consumer = ''] = args;
  const justId = wanted.isJustId ? ['JUSTID'] : [];
  const claim = ['XCLAIM', key, group, consumer, '0', ...taken, ...justId];
  return effect(reply, [[...claim, 'TIME', String(clock.timeMs)]]);
}

interface Clock {
  readonly timeMs: number;
  /**
   * How far Redis's clock is ahead of the cluster's. Where it is behind, this is 0: Redis noted no delivery later than its own time then,
   * so what it tells is right, or too little for what was replayed.
   */
  readonly aheadMs: number;
}

/** How long an element of XPENDING's reply was idle on the cluster's clock. */
function idleOf(pending: Reply, { aheadMs }: Clock): number {
  return (integerOf(elementsOf(pending)?.[2] ?? '') ?? 0) - aheadMs;
}

const idOf = (pending: Reply): string => bulkOf(elementsOf(pending)?.[0] ?? '') ?? '';

/** @param time - TIME's reply */
function clockAt(timeMs: number, time: Reply): Clock {
  const [seconds = '', microseconds = ''] = (elementsOf(time) ?? []).map(bulkOf);
  const redisMs = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
  return { timeMs, aheadMs: Math.max(0, redisMs - timeMs) };
}

/** By a PEXPIRETIME's reply. */
function isDue(reply: Reply, timeMs: number): boolean {
  const deadlineMs = deadlineIn(reply);
  return deadlineMs !== undefined && deadlineMs <= timeMs;
}
