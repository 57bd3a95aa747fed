/**
 * Goal: client libraries connect with their defaults and work, unchanged.
 * Method: each against a front over a fake cluster of one and of four shards.
 *
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Redis as Ioredis6 } from 'ioredis';
import { Redis as Ioredis5 } from 'ioredis5';
import { createClient as createRedis6 } from 'redis';
import { createClient as createRedis5 } from 'redis5';
import { createClient as createRedis4 } from 'redis4';
import { FakeCluster } from '../support/fake-cluster.ts';
import { startFront } from '../support/test-front.ts';

/** What the test uses of a client. */
interface Connected {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
  readonly mget: (keys: string[]) => Promise<unknown>;
  readonly close: () => Promise<unknown>;
}

function overIoredis(client: Ioredis5 | Ioredis6): Connected {
  return {
    set: (key, value) => client.set(key, value),
    get: (key) => client.get(key),
    mget: (keys) => client.mget(keys),
    close: () => client.quit(),
  };
}

interface NodeRedis {
  connect(): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
  mGet(keys: string[]): Promise<unknown>;
  quit(): Promise<unknown>;
}

async function overNodeRedis(client: NodeRedis): Promise<Connected> {
  await client.connect();
  return {
    set: (key, value) => client.set(key, value),
    get: (key) => client.get(key),
    mget: (keys) => client.mGet(keys),
    close: () => client.quit(),
  };
}

const libraries: Readonly<Record<string, (port: number) => Connected | Promise<Connected>>> = {
  'ioredis 6': (port) => overIoredis(new Ioredis6(port)),
  'ioredis 5': (port) => overIoredis(new Ioredis5(port)),
  'node-redis 6': (port) => overNodeRedis(createRedis6({ url: `redis://127.0.0.1:${port}` })),
  'node-redis 5': (port) => overNodeRedis(createRedis5({ url: `redis://127.0.0.1:${port}` })),
  'node-redis 4': (port) => overNodeRedis(createRedis4({ url: `redis://127.0.0.1:${port}` })),
};

describe('a client library with its defaults connects and works:', () => {
  for (const [name, open] of Object.entries(libraries)) {
    for (const shards of [1, 4]) {
      test(`${name}, shards: ${shards}`, async () => {
        await using server = await startFront(new FakeCluster({ shards }));
        const client = await open(server.port);
        const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
        const written = await Promise.all(keys.map((key) => client.set(key, `${key} value`)));
        assert.deepEqual(new Set(written), new Set(['OK']));
        assert.equal(await client.get('key-7'), 'key-7 value');
        assert.equal(await client.get('none'), null);
        assert.deepEqual(
          await client.mget(keys),
          keys.map((key) => `${key} value`),
        );
        assert.equal(await client.close(), 'OK');
      });
    }
  }
});
