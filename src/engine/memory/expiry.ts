/**
 * EXPIRE, TTL, PERSIST and their forms: deadlines as clients see them.
 *
 * Order of checks as in Redis 7's expire.c: options, then the number, then overflow, then the key.
 */

import type { Reply } from '../engine.ts';
import { option } from './call.ts';
import type { Call, CommandRow } from './call.ts';
import { addInt64, multiplyInt64, parseInt64 } from './int64.ts';
import type { Int64 } from './int64.ts';
import { error, integer, invalidExpireTime, notAnInteger, one, zero } from './replies.ts';

interface ExpireForm {
  readonly command: string;
  readonly unitMs: number;
  readonly isAbsolute: boolean;
}

interface TtlForm {
  readonly isMilliseconds: boolean;
  readonly isAbsolute: boolean;
}

export const expiryRows: readonly CommandRow[] = [
  expireRow({ command: 'expire', unitMs: 1000, isAbsolute: false }),
  expireRow({ command: 'pexpire', unitMs: 1, isAbsolute: false }),
  expireRow({ command: 'expireat', unitMs: 1000, isAbsolute: true }),
  expireRow({ command: 'pexpireat', unitMs: 1, isAbsolute: true }),
  ttlRow('ttl', { isMilliseconds: false, isAbsolute: false }),
  ttlRow('pttl', { isMilliseconds: true, isAbsolute: false }),
  ttlRow('expiretime', { isMilliseconds: false, isAbsolute: true }),
  ttlRow('pexpiretime', { isMilliseconds: true, isAbsolute: true }),
  { name: 'persist', kind: 'write', run: persist },
];

const noKey: Reply = ':-2\r\n';
const noDeadline: Reply = ':-1\r\n';
const nxWithOthers = error('ERR NX and XX, GT or LT options at the same time are not compatible');
const gtWithLt = error('ERR GT and LT options at the same time are not compatible');

interface ExpireConditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

function expireRow(form: ExpireForm): CommandRow {
  return { name: form.command, kind: 'write', run: (call, args) => expire(call, args, form) };
}

function ttlRow(name: string, form: TtlForm): CommandRow {
  return { name, kind: 'read', run: (call, args) => remaining(call, args[1] ?? '', form) };
}

function expire(call: Call, args: readonly string[], form: ExpireForm): Reply {
  const conditions = parseConditions(args);
  if (typeof conditions === 'string') return conditions;
  const amount = parseInt64(args[2] ?? '');
  if (amount === undefined) return notAnInteger;
  const milliseconds = multiplyInt64(amount, form.unitMs);
  if (milliseconds === undefined) return invalidExpireTime(form.command);
  const atMs = addInt64(milliseconds, form.isAbsolute ? 0 : call.timeMs);
  if (atMs === undefined) return invalidExpireTime(form.command);
  const item = call.find(args[1] ?? '');
  if (item === undefined || !isAllowed(conditions, item.deadline?.atMs, atMs)) return zero;
  call.touch(item);
  call.expireAt(item, atMs);
  return one;
}

function parseConditions(args: readonly string[]): ExpireConditions | Reply {
  const found: ExpireConditions = { nx: false, xx: false, gt: false, lt: false };
  for (const arg of args.slice(3)) {
    const name = option(arg);
    if (name !== 'nx' && name !== 'xx' && name !== 'gt' && name !== 'lt') {
      return error(`ERR Unsupported option ${printable(arg)}`);
    }
    found[name] = true;
  }
  if (found.nx && (found.xx || found.gt || found.lt)) return nxWithOthers;
  return found.gt && found.lt ? gtWithLt : found;
}

/** An argument as Redis puts it into an error: up to a NUL, without line ends. */
function printable(arg: string): string {
  const [text = ''] = arg.split('\0');
  return text.replace(/[\r\n]+$/, '').replaceAll(/[\r\n]/g, ' ');
}

/** A key without a deadline counts as one that lives for ever. */
function isAllowed(conditions: ExpireConditions, now: Int64 | undefined, next: Int64): boolean {
  if (conditions.nx && now !== undefined) return false;
  if (conditions.xx && now === undefined) return false;
  if (conditions.gt && (now === undefined || next <= now)) return false;
  return !(conditions.lt && now !== undefined && next >= now);
}

function remaining(call: Call, key: string, form: TtlForm): Reply {
  const item = call.look(key);
  if (item === undefined) return noKey;
  if (item.deadline === undefined) return noDeadline;
  const { atMs } = item.deadline;
  const shownMs = form.isAbsolute ? atMs : (addInt64(atMs, -call.timeMs) ?? 0);
  return integer(form.isMilliseconds ? shownMs : toSeconds(shownMs));
}

/** Rounded to the nearest, as Redis does. */
function toSeconds(milliseconds: Int64): Int64 {
  if (typeof milliseconds === 'number') return Math.floor((milliseconds + 500) / 1000);
  return (milliseconds + 500n) / 1000n;
}

function persist(call: Call, args: readonly string[]): Reply {
  const item = call.find(args[1] ?? '');
  if (item?.deadline === undefined) return zero;
  call.touch(item);
  call.keyspace.clearDeadline(item);
  return one;
}
