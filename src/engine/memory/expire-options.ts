/**
 * The options that SET and GETEX share, and TTLs made deadlines.
 *
 * Rules as in Redis: https://redis.io/docs/latest/commands/set and /getex. EX and PX count from the entry's time.
 */

import { option } from './call.ts';
import type { Call } from './call.ts';
import { addInt64, multiplyInt64, parseInt64 } from './int64.ts';
import type { Int64 } from './int64.ts';
import { invalidExpireTime, notAnInteger } from './replies.ts';
import type { Reply } from '../engine.ts';

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
  call: Call,
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
  const atMs = isRelative ? addInt64(milliseconds, call.timeMs) : milliseconds;
  if (atMs === undefined) return { error: invalidExpireTime(command) };
  return { atMs };
}
