/**
 * Goal: what a client of any sidecar gets is, byte for byte, what Redis answers, with one shard and with several, on both engines; and the
 * members' Redis hold the same afterwards.
 * Method: the tables of cases of `test/differential` through three real nodes, by way of the second one's client port, in both versions
 * of the protocol.
 */

import { test } from 'node:test';
import { casesOf } from '../differential/cases.ts';
import { oddCursors } from '../differential/cases/keys.ts';
import { compareCase } from '../differential/suite.ts';
import type { Shards } from '../differential/suite.ts';
import { connectTarget } from '../differential/target.ts';
import { startDev } from '../support/dev-process.ts';
import { dataOf } from '../support/redis-data.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const timeout = 240_000;
const deadlineMs = 10_000;
const redisOffset = 4_000;

interface Cluster {
  readonly engine: 'memory' | 'redis';
  readonly count: number;
  readonly shards: Shards;
}

const clusters: readonly Cluster[] = [
  { engine: 'memory', count: 1, shards: 'one' },
  { engine: 'memory', count: 16, shards: 'several' },
  { engine: 'redis', count: 1, shards: 'one' },
  { engine: 'redis', count: 16, shards: 'several' },
];

async function dataAt(port: number): Promise<string> {
  const redis = await connectTarget(port);
  try {
    return (await dataOf(redis)).join('\n');
  } finally {
    await redis.close();
  }
}

for (const { engine, count, shards } of clusters) {
  const name = `a cluster of ${count} shards, engine ${engine}, answers as Redis does`;
  test(name, { timeout }, async (t) => {
    const flags = ['--engine', engine, '--shards', `${count}`, '--storage', 'memory'];
    const [redis, dev] = await Promise.all([startRedis(), startDev(t, { flags })]);
    t.after(() => redis.stop());
    await dev.printed(/^ready/m);
    for (const protocol of [2, 3] as const) {
      const theirs = await connectTarget(redis.port, protocol);
      const ours = await connectTarget(dev.port + 1, protocol);
      for (const [caseName, lines] of Object.entries(casesOf(engine))) {
        if (shards === 'several' && caseName === oddCursors) continue;
        await t.test(`RESP${protocol}: ${caseName}`, () =>
          compareCase(lines, { ours, theirs }, shards),
        );
      }
      await Promise.all([ours.close(), theirs.close()]);
    }
    if (engine === 'redis')
      await until('the three Redis hold the same', deadlineMs, async () => {
        const ports = [0, 1, 2].map((at) => dev.port + redisOffset + at);
        return new Set(await Promise.all(ports.map(dataAt))).size === 1;
      });
    dev.kill('SIGTERM');
    await dev.ended();
  });
}
