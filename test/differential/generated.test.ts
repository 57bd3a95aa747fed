/**
 * Random sequences of commands on the memory engine and a real redis-server. A failure prints seed and path; FAST_CHECK_SEED repeats a run.
 */

import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { plainCommand } from './generator.ts';
import { compareSequence, sequenceOf } from './sequence.ts';
import { connectTarget, engineTarget } from './target.ts';
import type { Target } from './target.ts';

const runs = 250;

let redis: RedisServer;
let theirs: Target;

before(async () => {
  redis = await startRedis();
  theirs = await connectTarget(redis.port);
});

after(async () => {
  await theirs.close();
  await redis.stop();
});

test('any sequence of commands gets the same replies and leaves the same data', async (t) => {
  const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(sequenceOf(plainCommand), async (commands) => {
      await compareSequence(commands, { ours: engineTarget(), theirs }, 'memory');
    }),
    { seed, numRuns: runs },
  );
});
