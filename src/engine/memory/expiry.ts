/**
 * EXPIRE, TTL, PERSIST and their forms: deadlines as clients see them.
 */

import type { Reply } from '../engine.ts';
import type { Call, CommandRow } from './call.ts';
import { parseExpire, ttlReply } from '../expire-options.ts';
import type { ExpireCommand, ExpireConditions, TtlCommand } from '../expire-options.ts';
import type { Int64 } from '../int64.ts';
import { one, zero } from '../replies.ts';

export const expiryRows: readonly CommandRow[] = [
  expireRow('expire'),
  expireRow('pexpire'),
  expireRow('expireat'),
  expireRow('pexpireat'),
  ttlRow('ttl'),
  ttlRow('pttl'),
  ttlRow('expiretime'),
  ttlRow('pexpiretime'),
  { name: 'persist', kind: 'write', run: persist },
];

const noKey: Reply = ':-2\r\n';
const noDeadline: Reply = ':-1\r\n';

function expireRow(name: ExpireCommand): CommandRow {
  return { name, kind: 'write', run: (call, args) => expire(call, args, name) };
}

function ttlRow(name: TtlCommand): CommandRow {
  return { name, kind: 'read', run: (call, args) => remaining(call, args[1] ?? '', name) };
}

function expire(call: Call, args: readonly string[], name: ExpireCommand): Reply {
  const wanted = parseExpire(args, name, call.timeMs);
  if (typeof wanted === 'string') return wanted;
  const { conditions, atMs } = wanted;
  const item = call.find(args[1] ?? '');
  if (item === undefined || !isAllowed(conditions, item.deadline?.atMs, atMs)) return zero;
  call.touch(item);
  call.expireAt(item, atMs);
  return one;
}

/** A key without a deadline counts as one that lives for ever. */
function isAllowed(conditions: ExpireConditions, now: Int64 | undefined, next: Int64): boolean {
  if (conditions.nx && now !== undefined) return false;
  if (conditions.xx && now === undefined) return false;
  if (conditions.gt && (now === undefined || next <= now)) return false;
  return !(conditions.lt && now !== undefined && next >= now);
}

function remaining(call: Call, key: string, command: TtlCommand): Reply {
  const item = call.look(key);
  if (item === undefined) return noKey;
  if (item.deadline === undefined) return noDeadline;
  return ttlReply(command, item.deadline.atMs, call.timeMs);
}

function persist(call: Call, args: readonly string[]): Reply {
  const item = call.find(args[1] ?? '');
  if (item?.deadline === undefined) return zero;
  call.touch(item);
  call.keyspace.clearDeadline(item);
  return one;
}
