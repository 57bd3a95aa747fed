/**
 * What a Redis holds for clients, in a form that is equal where the data is: database, key, type, deadline, value.
 */

import { bulkOf, elementsOf } from '../../src/resp/reply-framer.ts';
import type { Target } from '../differential/target.ts';

const databases = 16;
/** Keys that an engine keeps for itself. */
const reserved = 'outrigger:';

type Ask = (...words: readonly string[]) => Promise<string>;

/** Ascending. */
export async function dataOf(redis: Target): Promise<string[]> {
  const ask: Ask = async (...words) =>
    (await redis.execute(words.map((word) => Buffer.from(word, 'latin1')))).toString('latin1');
  const found: string[] = [];
  for (let database = 0; database < databases; database += 1) {
    await ask('SELECT', String(database));
    for (const element of elementsOf(await ask('KEYS', '*')) ?? []) {
      const key = bulkOf(element) ?? '';
      if (key.startsWith(reserved)) continue;
      const type = (await ask('TYPE', key)).slice(1, -2);
      const value = await valueOf(ask, type, key);
      found.push([database, key, type, await ask('PEXPIRETIME', key), value].join(' '));
    }
  }
  return found.sort();
}

async function valueOf(ask: Ask, type: string, key: string): Promise<string> {
  switch (type) {
    case 'string':
      return await ask('GET', key);
    case 'list':
      return await ask('LRANGE', key, '0', '-1');
    case 'set':
      return (elementsOf(await ask('SMEMBERS', key)) ?? []).toSorted().join('');
    case 'zset':
      return await ask('ZRANGE', key, '0', '-1', 'WITHSCORES');
    case 'hash': {
      const parts = elementsOf(await ask('HGETALL', key)) ?? [];
      const fields = parts.flatMap((field, at) =>
        at % 2 === 0 ? [`${field}${parts[at + 1] ?? ''}`] : [],
      );
      return fields.toSorted().join('');
    }
    case 'stream':
      // When a consumer was last seen is each Redis's own.
      return (await ask('XINFO', 'STREAM', key, 'FULL')).replaceAll(/(seen-time\r\n):\d+/g, '$1');
    default:
      throw new Error(`no such type: ${type}`);
  }
}
