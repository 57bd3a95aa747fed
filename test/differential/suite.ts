/**
 * The tables of cases against a real redis-server, for any target: the same commands, the same bytes.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { words } from '../support/commands.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { cases } from './cases.ts';
import { isEqual } from './compare.ts';
import { connectTarget } from './target.ts';
import type { Target } from './target.ts';

/** @param open - a target without data, or with data that FLUSHALL may remove */
export function differentialSuite(name: string, open: () => Promise<Target>): void {
  describe(`${name} answers as Redis does`, () => {
    let redis: RedisServer;
    let theirs: Target;
    let ours: Target;

    before(async () => {
      redis = await startRedis();
      theirs = await connectTarget(redis.port);
      ours = await open();
    });

    after(async () => {
      await ours.close();
      await theirs.close();
      await redis.stop();
    });

    for (const [title, lines] of Object.entries(cases)) {
      test(title, async () => {
        for (const line of ['FLUSHALL', 'SELECT 0', ...lines]) {
          const args = words(line);
          const [our, their] = [await ours.execute(args), await theirs.execute(args)];
          if (!isEqual(args, our, their)) {
            assert.equal(our.toString('latin1'), their.toString('latin1'), line);
          }
        }
      });
    }
  });
}
