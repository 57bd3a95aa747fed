/**
 * SET, GET and their relatives: whole strings.
 *
 * Order of checks as in Redis 7's t_string.c, since it decides which of two errors a client sees.
 */

import type { Reply } from '../engine.ts';
import type { Call, CommandRow } from './call.ts';
import { deadlineOf, parseExpireOptions } from '../expire-options.ts';
import type { TtlUnit } from '../expire-options.ts';
import type { Int64 } from '../int64.ts';
import {
  array,
  bulk,
  nullBulk,
  ok,
  one,
  syntaxError,
  wrongArity,
  wrongType,
  zero,
} from '../replies.ts';

export const stringRows: readonly CommandRow[] = [
  { name: 'get', kind: 'read', run: get },
  { name: 'mget', kind: 'read', run: mget },
  { name: 'set', kind: 'write', run: set },
  { name: 'setnx', kind: 'write', run: setnx },
  {
    name: 'setex',
    kind: 'write',
    run: (call, args) => setWithTtl(call, args, { unit: 'ex', command: 'setex' }),
  },
  {
    name: 'psetex',
    kind: 'write',
    run: (call, args) => setWithTtl(call, args, { unit: 'px', command: 'psetex' }),
  },
  { name: 'mset', kind: 'write', run: mset },
  { name: 'msetnx', kind: 'write', run: msetnx },
  { name: 'getset', kind: 'write', run: getset },
  { name: 'getdel', kind: 'write', run: getdel },
  { name: 'getex', kind: 'write', run: getex },
];

function get(call: Call, args: readonly string[]): Reply {
  return valueOf(call, args[1] ?? '');
}

/** GET's reply, which is also the first half of several other commands. */
function valueOf(call: Call, key: string): Reply {
  const item = call.use(key);
  if (item === undefined) return nullBulk;
  return item.kind === 'string' ? bulk(item.text) : wrongType;
}

/** Other types count as absent. */
function mget(call: Call, args: readonly string[]): Reply {
  const values: Reply[] = [];
  for (let at = 1; at < args.length; at += 1) {
    const item = call.use(args[at] ?? '');
    values.push(item?.kind === 'string' ? bulk(item.text) : nullBulk);
  }
  return array(values);
}

function set(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  const value = args[2] ?? '';
  if (args.length === 3) {
    call.store(key, value, false);
    return ok;
  }
  const options = parseExpireOptions(args, 3, 'set');
  if (options === undefined) return syntaxError;
  const { lifetime, condition } = options;
  let atMs: Int64 | undefined;
  if (lifetime !== undefined && lifetime !== 'keepttl' && lifetime !== 'persist') {
    const deadline = deadlineOf(call.timeMs, options.ttl, lifetime, 'set');
    if ('error' in deadline) return deadline.error;
    atMs = deadline.atMs;
  }
  const before = options.get ? valueOf(call, key) : undefined;
  if (before === wrongType) return before;
  const isThere = call.find(key) !== undefined;
  if ((condition === 'nx' && isThere) || (condition === 'xx' && !isThere)) {
    return before ?? nullBulk;
  }
  const item = call.store(key, value, lifetime === 'keepttl' || atMs !== undefined);
  if (atMs !== undefined) call.expireAt(item, atMs);
  return before ?? ok;
}

function setnx(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  if (call.find(key) !== undefined) return zero;
  call.store(key, args[2] ?? '', false);
  return one;
}

function setWithTtl(
  call: Call,
  args: readonly string[],
  how: { readonly unit: TtlUnit; readonly command: string },
): Reply {
  const deadline = deadlineOf(call.timeMs, args[2] ?? '', how.unit, how.command);
  if ('error' in deadline) return deadline.error;
  call.expireAt(call.store(args[1] ?? '', args[3] ?? '', true), deadline.atMs);
  return ok;
}

function mset(call: Call, args: readonly string[]): Reply {
  if (args.length % 2 === 0) return wrongArity('mset');
  storeAll(call, args);
  return ok;
}

function msetnx(call: Call, args: readonly string[]): Reply {
  if (args.length % 2 === 0) return wrongArity('msetnx');
  for (let at = 1; at < args.length; at += 2) {
    if (call.find(args[at] ?? '') !== undefined) return zero;
  }
  storeAll(call, args);
  return one;
}

function storeAll(call: Call, args: readonly string[]): void {
  for (let at = 1; at < args.length; at += 2) {
    call.store(args[at] ?? '', args[at + 1] ?? '', false);
  }
}

function getset(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  const before = valueOf(call, key);
  if (before !== wrongType) call.store(key, args[2] ?? '', false);
  return before;
}

function getdel(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  const before = valueOf(call, key);
  const item = call.find(key);
  if (before !== wrongType && item !== undefined) call.keyspace.remove(item);
  return before;
}

function getex(call: Call, args: readonly string[]): Reply {
  const options = parseExpireOptions(args, 2, 'getex');
  if (options === undefined) return syntaxError;
  const key = args[1] ?? '';
  const value = valueOf(call, key);
  const item = call.find(key);
  if (value === wrongType || item === undefined) return value;
  const { lifetime } = options;
  if (lifetime === 'persist') {
    call.keyspace.clearDeadline(item);
  } else if (lifetime !== undefined && lifetime !== 'keepttl') {
    const deadline = deadlineOf(call.timeMs, options.ttl, lifetime, 'getex');
    if ('error' in deadline) return deadline.error;
    call.expireAt(item, deadline.atMs);
  }
  return value;
}
