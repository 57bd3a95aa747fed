/**
 * One connection's plain requests: what a benchmark asks or stores outside of what it measures.
 */

import { randomBytes } from 'node:crypto';
import { ErrorReply, RawClient } from '../test/support/raw-client.ts';
import { keyCount, valueBytes } from './redis-benchmark.ts';

const batch = 1_000;

/** Stores every key that redis-benchmark reads, each with random bytes of its own. */
export async function preload(port: number): Promise<void> {
  const client = await RawClient.connect(port);
  try {
    for (let from = 0; from < keyCount; from += batch) {
      const commands = Array.from({ length: batch }, (_, at) => [
        'SET',
        keyName(from + at),
        randomBytes(valueBytes).toString('latin1'),
      ]);
      const replies = await client.pipeline(commands);
      const wrong = replies.find((reply) => reply !== 'OK');
      if (replies.length < batch || wrong !== undefined)
        throw new Error(`the keys could not be stored: ${describe(wrong)}`);
    }
  } finally {
    client.close();
  }
}

const describe = (reply: unknown): string =>
  reply instanceof ErrorReply ? reply.text : 'the connection ended';

/** As redis-benchmark names them. */
export const keyName = (at: number): string => `key:${String(at).padStart(12, '0')}`;

export async function redisPid(port: number): Promise<number> {
  const client = await RawClient.connect(port);
  try {
    const info = String(await client.must('INFO', 'server'));
    const pid = Number(/^process_id:(\d+)\r$/m.exec(info)?.[1]);
    if (!(pid > 0)) throw new Error(`the server on port ${port} does not tell its process id`);
    return pid;
  } finally {
    client.close();
  }
}
