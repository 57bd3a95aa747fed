/**
 * Goal: in front of Redis a client of any sidecar gets what a Redis of its own would answer, for every type, and all Redis end equal.
 * Method: three nodes, each with a real redis-server; the tables of cases and random sequences by way of one of them, in both versions of
 * the protocol, beside one more redis-server; then the three are compared, key by key.
 */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { nodeDefaults, openNode, type OutriggerNode } from '../../src/index.ts';
import { allCases } from '../differential/cases.ts';
import { oddCursors } from '../differential/cases/keys.ts';
import { compareSequence, sequenceOf } from '../differential/sequence.ts';
import { compareCase } from '../differential/suite.ts';
import { connectTarget } from '../differential/target.ts';
import type { Target } from '../differential/target.ts';
import { anyCommand } from '../differential/typed-generator.ts';
import { freePortBlock } from '../support/free-ports.ts';
import { dataOf } from '../support/redis-data.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const timeout = 180_000;
const equalWithinMs = 10_000;
/** How many random sequences are run in each version. */
const sequences = 20;

/** Deadlines end 2^42 ms earlier than Redis's own (docs/decisions/0009). */
const tooLate: ReadonlySet<string> = new Set([
  'EXPIREAT a 9223372036854775',
  'PEXPIREAT a 9223372036854775807',
  'SET a 1 EXAT 9223372036854775',
  'SET a 1 PXAT 9223372036854775807',
]);

async function openNodes(
  t: TestContext,
  servers: readonly RedisServer[],
  shards: number,
): Promise<OutriggerNode[]> {
  const port = await freePortBlock(servers.map((_, at) => at));
  const members = servers.map((_, at) => ({ id: at + 1, host: '127.0.0.1', port: port + at }));
  const nodes = await Promise.all(
    members.map(({ id, port }, at) =>
      openNode({
        ...nodeDefaults,
        nodeId: id,
        members,
        peerPort: port,
        clientPort: 0,
        shards,
        storage: 'memory',
        engine: 'redis',
        redisUrl: `redis://127.0.0.1:${servers[at]?.port}`,
      }),
    ),
  );
  t.after(() => Promise.all(nodes.map((node) => node.stop())));
  return nodes;
}

/** Followers may be behind for a moment. */
async function assertEqual(servers: readonly Target[]): Promise<void> {
  let data: string[][] = [];
  await until('they are equal', equalWithinMs, async () => {
    data = await Promise.all(servers.map(dataOf));
    return data.every((each) => each.join('\n') === data[0]?.join('\n'));
  }).catch(() => undefined);
  for (const each of data) assert.deepEqual(each, data[0]);
}

for (const shards of [1, 4]) {
  test(`with ${shards} shards all types answer as in Redis`, { timeout }, async (t) => {
    const servers = await Promise.all(Array.from({ length: 4 }, () => startRedis()));
    t.after(() => Promise.all(servers.map((server) => server.stop())));
    const [plain, ...fronted] = servers;
    const nodes = await openNodes(t, fronted, shards);
    const direct = await Promise.all(fronted.map(({ port }) => connectTarget(port)));
    t.after(() => Promise.all(direct.map((target) => target.close())));
    for (const protocol of [2, 3] as const) {
      const [ours, theirs] = await Promise.all([
        connectTarget(nodes[1]?.clientPort ?? 0, protocol),
        connectTarget(plain?.port ?? 0, protocol),
      ]);
      for (const [name, lines] of Object.entries(allCases)) {
        if (shards > 1 && name === oddCursors) continue;
        const possible = lines.filter((line) => !tooLate.has(line));
        await t.test(`RESP${protocol}: ${name}`, async () => {
          await compareCase(possible, { ours, theirs }, shards === 1 ? 'one' : 'several');
          await assertEqual(direct);
        });
      }
      // Its keys have no tag, so they would lie in several shards.
      if (shards === 1) {
        await t.test(`RESP${protocol}: random sequences`, async (sub) => {
          const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);
          sub.diagnostic(`seed ${seed}`);
          await fc.assert(
            fc.asyncProperty(sequenceOf(anyCommand), async (commands) => {
              await compareSequence(commands, { ours, theirs }, 'redis');
              await assertEqual(direct);
            }),
            { seed, numRuns: sequences },
          );
        });
      }
      await Promise.all([ours.close(), theirs.close()]);
    }
  });
}
