/**
 * Goal: what a client of any sidecar gets is, byte for byte, what Redis answers, with one shard and with several.
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
import { startRedis } from '../support/redis-server.ts';

const timeout = 120_000;

const clusters: readonly { readonly count: number; readonly shards: Shards }[] = [
  { count: 1, shards: 'one' },
  { count: 16, shards: 'several' },
];

for (const { count, shards } of clusters) {
  test(`a cluster of ${count} shards answers as Redis does`, { timeout }, async (t) => {
    const flags = ['--shards', `${count}`, '--storage', 'memory'];
    const [redis, dev] = await Promise.all([startRedis(), startDev(t, { flags })]);
    t.after(() => redis.stop());
    await dev.printed(/^ready/m);
    for (const protocol of [2, 3] as const) {
      const theirs = await connectTarget(redis.port, protocol);
      const ours = await connectTarget(dev.port + 1, protocol);
      for (const [name, lines] of Object.entries(casesOf('memory'))) {
        if (shards === 'several' && name === oddCursors) continue;
        await t.test(`RESP${protocol}: ${name}`, () =>
          compareCase(lines, { ours, theirs }, shards),
        );
      }
      await Promise.all([ours.close(), theirs.close()]);
    }
    dev.kill('SIGTERM');
    await dev.ended();
  });
}
