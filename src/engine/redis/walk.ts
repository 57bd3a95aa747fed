/**
 * Walks over all keys of a fronted Redis, on its read connection, in slices that leave room for others.
 *
 * SCAN shows every key that stays during the walk, some more than once.
 */

import { bulkOf, elementsOf } from '../../resp/reply-framer.ts';
import type { Reply } from '../engine.ts';
import { reservedPrefix } from '../../command/reserved.ts';
import type { Connections } from './connections.ts';
import { request, selectRequest } from './request.ts';
import { Unwell } from './unwell.ts';

/** Keys that one step looks at, about. */
const stepKeys = '512';

export interface KeysOf {
  readonly database: number;
  /** Latin1; ours are left out. */
  readonly keys: readonly string[];
}

/** Steps through a database; rejects with `Unwell` where the connections end. */
export async function* walkKeys(
  connections: Connections,
  database: number,
): AsyncGenerator<KeysOf> {
  let cursor = '0';
  do {
    // Reads of clients use the connection in between, and expect database 0.
    const text =
      selectRequest(database) + request('SCAN', cursor, 'COUNT', stepKeys) + selectRequest(0);
    const [, reply = ''] = await connections.askAll(connections.read, text, 3);
    const [next, found] = elementsOf(reply) ?? [];
    if (next === undefined || found === undefined) throw new Unwell(`SCAN: ${reply.slice(0, 200)}`);
    cursor = bulkOf(next) ?? '0';
    const keys = (elementsOf(found) ?? []).map((key) => bulkOf(key) ?? '');
    yield { database, keys: keys.filter((key) => !key.startsWith(reservedPrefix)) };
  } while (cursor !== '0');
}

/** One request a key, and their replies, in the keys' order. */
export async function askOfKeys(
  connections: Connections,
  { database, keys }: KeysOf,
  make: (key: string) => string,
): Promise<readonly Reply[]> {
  if (keys.length === 0) return [];
  const text = selectRequest(database) + keys.map(make).join('') + selectRequest(0);
  const replies = await connections.askAll(connections.read, text, keys.length + 2);
  return replies.slice(1, -1);
}
