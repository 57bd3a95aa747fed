/**
 * One number for everything of a shard that clients could see in a fronted Redis, the same for equal data whatever its history.
 *
 * Every key is hashed with its database, type, value in an order of its own and deadline, and the hashes are added up, so that keys need no order. What Redis
 * takes from its own clock (a consumer's idle time) or from its history (encodings, the nodes of a stream) does not count.
 */

import { createHash } from 'node:crypto';
import { bulkOf, elementsOf, integerOf, isErrorReply } from '../../resp/reply-framer.ts';
import type { Reply } from '../engine.ts';
import type { Connections } from './connections.ts';
import { request } from './request.ts';
import { shownError, Unwell } from './unwell.ts';
import { askOfKeys, walkKeys, type KeysOf } from './walk.ts';

const databases = 16;
const hashBits = 256n;

export interface DigestOptions {
  /** Keys whose deadline is not after it do not count. */
  readonly timeMs: number;
  /** By how much deadlines in Redis are later than they are. */
  readonly shiftMs: number;
  /** Whether a key (latin1) is the shard's. */
  readonly isOwn: (key: string) => boolean;
}

/** Rejects with `Unwell` where the connections end. Nothing may be written meanwhile. */
export async function digestOf(connections: Connections, options: DigestOptions): Promise<string> {
  let sum = 0n;
  for (let database = 0; database < databases; database += 1) {
    const seen = new Set<string>();
    for await (const { keys } of walkKeys(connections, database)) {
      const own = keys.filter((key) => options.isOwn(key) && !seen.has(key));
      for (const key of own) seen.add(key);
      const found = { database, keys: [...new Set(own)] };
      for (const hash of await hashesOf(connections, found, options)) sum += hash;
    }
  }
  return BigInt.asUintN(Number(hashBits), sum).toString(16).padStart(64, '0');
}

async function hashesOf(
  connections: Connections,
  found: KeysOf,
  { timeMs, shiftMs }: DigestOptions,
): Promise<readonly bigint[]> {
  const { database, keys } = found;
  const types = await askOfKeys(connections, found, (key) => request('TYPE', key));
  const deadlines = await askOfKeys(connections, found, (key) => request('PEXPIRETIME', key));
  const typed = new Map(keys.map((key, at) => [key, (types[at] ?? '').slice(1, -2)]));
  const values = await askOfKeys(connections, found, (key) => valueRequest(key, typed.get(key)));
  return keys.flatMap((key, at) => {
    const deadline = deadlines[at] ?? '';
    const stored = integerOf(deadline) ?? -1;
    if (stored >= 0 && stored - shiftMs <= timeMs) return [];
    const type = typed.get(key) ?? '';
    const value = canonical(type, values[at] ?? '');
    return [hashOf([String(database), key, type, deadline, value])];
  });
}

function valueRequest(key: string, type: string | undefined): string {
  switch (type) {
    case 'hash':
      return request('HGETALL', key);
    case 'list':
      return request('LRANGE', key, '0', '-1');
    case 'set':
      return request('SMEMBERS', key);
    case 'zset':
      return request('ZRANGE', key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return request('XINFO', 'STREAM', key, 'FULL', 'COUNT', '0');
    default:
      return request('GET', key);
  }
}

/** The reply with what has no order put into one. */
function canonical(type: string, reply: Reply): string {
  if (isErrorReply(reply)) throw new Unwell(`digest: ${shownError(reply)}`);
  switch (type) {
    case 'set':
      return (elementsOf(reply) ?? []).sort().join('');
    case 'hash':
      return pairsOf(reply).sort().join('');
    case 'stream':
      return streamText(reply);
    default:
      return reply;
  }
}

function pairsOf(reply: Reply): string[] {
  const elements = elementsOf(reply) ?? [];
  return Array.from({ length: elements.length / 2 }, (_, at) =>
    elements.slice(2 * at, 2 * at + 2).join(''),
  );
}

/** Parts of XINFO STREAM FULL that do not depend on the machine. */
const streamFields = [
  'last-generated-id',
  'max-deleted-entry-id',
  'entries-added',
  'entries',
  'groups',
];
const groupFields = ['name', 'last-delivered-id', 'entries-read', 'pel', 'consumers'];
const consumerFields = ['name', 'pel'];

function streamText(reply: Reply): string {
  return fieldsText(reply, streamFields, (field, value) =>
    field === 'groups' ? listText(value, groupText) : value,
  );
}

const groupText = (reply: Reply): string =>
  fieldsText(reply, groupFields, (field, value) =>
    field === 'consumers' ? listText(value, consumerText) : value,
  );

const consumerText = (reply: Reply): string =>
  fieldsText(reply, consumerFields, (_field, value) => value);

const listText = (reply: Reply, text: (element: Reply) => string): string =>
  (elementsOf(reply) ?? []).map(text).join('|');

function fieldsText(
  reply: Reply,
  fields: readonly string[],
  text: (field: string, value: Reply) => string,
): string {
  const elements = elementsOf(reply) ?? [];
  const found = new Map<string, Reply>();
  for (let at = 0; at + 1 < elements.length; at += 2)
    found.set(bulkOf(elements[at] ?? '') ?? '', elements[at + 1] ?? '');
  return fields.map((field) => text(field, found.get(field) ?? '')).join(';');
}

function hashOf(fields: readonly string[]): bigint {
  const hash = createHash('sha256');
  // The length goes first, so that no two lists of fields run together.
  for (const field of fields) hash.update(`${field.length}:`).update(field, 'latin1');
  return BigInt(`0x${hash.digest('hex')}`);
}
