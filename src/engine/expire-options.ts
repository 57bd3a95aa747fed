/**
 * What SET, GETEX, EXPIRE and TTL in all forms say of a key's deadline: options read, TTLs made deadlines, and back.
 *
 * Rules and order of checks as in Redis: https://redis.io/docs/latest/commands/set and /getex; EXPIRE as in Redis 7's expire.c. TTLs count
 * from the entry's time.
 */

import { addInt64, multiplyInt64, parseInt64 } from './int64.ts';
import type { Int64 } from './int64.ts';
import { option } from './option.ts';
import { error, integer, invalidExpireTime, notAnInteger } from './replies.ts';
import type { Reply } from './engine.ts';

export type TtlUnit = 'ex' | 'px' | 'exat' | 'pxat';

export interface ExpireOptions {
  condition: 'nx' | 'xx' | undefined;
  /** SET's GET. */
  get: boolean;
  lifetime: 'keepttl' | 'persist' | TtlUnit | undefined;
  /** The argument behind the unit. */
  ttl: string;
}

/**
 * Reads the options from `start` on; undefined is a syntax error. The same unit twice is allowed, and the last
 * counts; two different ones are not.
 */
export function parseExpireOptions(
  args: readonly string[],
  start: number,
  command: 'set' | 'getex',
): ExpireOptions | undefined {
  const found: ExpireOptions = { condition: undefined, get: false, lifetime: undefined, ttl: '' };
  for (let at = start; at < args.length; at += 1) {
    const name = option(args[at] ?? '');
    const next = args[at + 1];
    if (command === 'set' && takeSetOption(found, name)) continue;
    if (command === 'getex' && name === 'persist' && isFree(found, name)) {
      found.lifetime = name;
    } else if (isUnit(name) && next !== undefined && isFree(found, name)) {
      found.lifetime = name;
      found.ttl = next;
      at += 1;
    } else {
      return undefined;
    }
  }
  return found;
}

function takeSetOption(found: ExpireOptions, name: string): boolean {
  if (name === 'nx' || name === 'xx') {
    if (found.condition !== undefined && found.condition !== name) return false;
    found.condition = name;
    return true;
  }
  if (name === 'get') {
    found.get = true;
    return true;
  }
  if (name === 'keepttl' && isFree(found, name)) {
    found.lifetime = name;
    return true;
  }
  return false;
}

function isFree(found: ExpireOptions, lifetime: string): boolean {
  return found.lifetime === undefined || found.lifetime === lifetime;
}

function isUnit(name: string): name is TtlUnit {
  return name === 'ex' || name === 'px' || name === 'exat' || name === 'pxat';
}

/**
 * The deadline that a TTL argument means, in ms since 1970, or the error.
 *
 * @param command - its name for the error text
 */
export function deadlineOf(
  timeMs: number,
  ttl: string,
  unit: TtlUnit,
  command: string,
): { readonly atMs: Int64 } | { readonly error: Reply } {
  const amount = parseInt64(ttl);
  if (amount === undefined) return { error: notAnInteger };
  if (amount <= 0) return { error: invalidExpireTime(command) };
  const isSeconds = unit === 'ex' || unit === 'exat';
  const milliseconds = isSeconds ? multiplyInt64(amount, 1000) : amount;
  if (milliseconds === undefined) return { error: invalidExpireTime(command) };
  const isRelative = unit === 'ex' || unit === 'px';
  const atMs = isRelative ? addInt64(milliseconds, timeMs) : milliseconds;
  if (atMs === undefined) return { error: invalidExpireTime(command) };
  return { atMs };
}

export type ExpireCommand = 'expire' | 'pexpire' | 'expireat' | 'pexpireat';

export interface ExpireConditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

const nxWithOthers = error('ERR NX and XX, GT or LT options at the same time are not compatible');
const gtWithLt = error('ERR GT and LT options at the same time are not compatible');

/** What an EXPIRE in one of its forms asks for, or the error: options first, then the number, then overflow. */
export function parseExpire(
  args: readonly string[],
  command: ExpireCommand,
  timeMs: number,
): { readonly conditions: ExpireConditions; readonly atMs: Int64 } | Reply {
  const conditions = parseConditions(args);
  if (typeof conditions === 'string') return conditions;
  const amount = parseInt64(args[2] ?? '');
  if (amount === undefined) return notAnInteger;
  const milliseconds = multiplyInt64(amount, command.startsWith('p') ? 1 : 1000);
  if (milliseconds === undefined) return invalidExpireTime(command);
  const atMs = addInt64(milliseconds, command.endsWith('at') ? 0 : timeMs);
  if (atMs === undefined) return invalidExpireTime(command);
  return { conditions, atMs };
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

export type TtlCommand = 'ttl' | 'pttl' | 'expiretime' | 'pexpiretime';

/** What TTL and its forms answer for a key with a deadline: whole seconds are rounded to the nearest. */
export function ttlReply(command: TtlCommand, atMs: Int64, timeMs: number): Reply {
  const shownMs = command.endsWith('ttl') ? (addInt64(atMs, -timeMs) ?? 0) : atMs;
  return integer(command.startsWith('p') ? shownMs : toSeconds(shownMs));
}

function toSeconds(milliseconds: Int64): Int64 {
  if (typeof milliseconds === 'number') return Math.floor((milliseconds + 500) / 1000);
  return (milliseconds + 500n) / 1000n;
}
