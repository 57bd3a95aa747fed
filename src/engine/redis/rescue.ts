/**
 * Saves what a Redis holds before it is cleared, where some of it may be somebody's.
 *
 * The file is for people: a JSON line a key, `{"database":0,"key":"…","ttlMs":-1,"dump":"…"}`, key and dump in base64; `RESTORE key ttl dump` puts one back.
 */

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { NodeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { bulkOf, integerOf } from '../../resp/reply-framer.ts';
import type { Connections } from './connections.ts';
import type { Memo } from './memo.ts';
import { request } from './request.ts';
import { askOfKeys, walkKeys, type KeysOf } from './walk.ts';

const databases = 16;

/** Rejects with `storage-failed` where the file cannot be written: nothing may be cleared then. */
export async function rescue(connections: Connections, memo: Memo, logger: Logger): Promise<void> {
  const { directory, generation } = memo;
  if (directory === undefined) return;
  const path = join(directory, `rescued-from-redis-${generation ?? 'unknown'}.jsonl`);
  const file = await open(path, 'w').catch((cause: unknown) => {
    throw new NodeError('storage-failed', `${path} cannot be written: ${String(cause)}`, cause);
  });
  let count = 0;
  try {
    for (let database = 0; database < databases; database += 1)
      for await (const found of walkKeys(connections, database)) {
        const lines = await linesOf(connections, found);
        count += lines.length;
        await file.appendFile(lines.join(''), 'latin1');
      }
    await file.sync();
  } finally {
    await file.close();
  }
  logger.error(
    { file: path, keys: count },
    'what the fronted Redis held was saved before it is cleared',
  );
}

async function linesOf(connections: Connections, found: KeysOf): Promise<string[]> {
  const { database, keys } = found;
  const ttls = await askOfKeys(connections, found, (key) => request('PTTL', key));
  const dumps = await askOfKeys(connections, found, (key) => request('DUMP', key));
  return keys.flatMap((key, at) => {
    const dump = bulkOf(dumps[at] ?? '');
    if (dump === undefined) return [];
    const ttlMs = integerOf(ttls[at] ?? '') ?? -1;
    const line = { database, key: base64(key), ttlMs, dump: base64(dump) };
    return [`${JSON.stringify(line)}\n`];
  });
}

const base64 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('base64');
