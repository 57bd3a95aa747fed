/**
 * Goal: all nodes are killed at once during load and started again with the same data: whatever was acknowledged is there,
 * and nothing that was sent is there twice.
 *
 * Method: the load of kill-leader with counters on every node; SIGKILL to all processes in one turn, each time
 * after some load; new clients count on. In the end every counter, seen through every node, lies between what was
 * acknowledged and what was sent.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCluster } from '../support/cluster.ts';
import { Load } from '../support/load.ts';

for (const { shards, rounds } of [
  { shards: 1, rounds: 3 },
  { shards: 4, rounds: 1 },
]) {
  test(
    `every acknowledged write outlives the death of all nodes, with shards: ${shards}`,
    { timeout: 120_000 },
    async (t) => {
      const cluster = await startCluster(t, { shards });
      const load = new Load({ sharedKeys: shards * 4 });
      for (let round = 1; round <= rounds; round += 1) {
        for (const node of cluster.nodes) await load.join(node);
        await load.progress(cluster.nodes, 15);
        for (const node of cluster.nodes) load.expectLoss(node);
        for (const node of cluster.nodes) node.kill('SIGKILL');
        await Promise.all(cluster.nodes.map((node) => node.ended));
        for (const node of cluster.nodes) node.start();
        await cluster.ready();
        await load.verify(cluster.node(round));
      }
      await load.stop();
      t.diagnostic(
        `${load.acknowledged} INCRs acknowledged, ${load.inDoubt} lost with their connection`,
      );
      assert(load.inDoubt > 0, 'the nodes died while clients waited for replies');
      for (const node of cluster.nodes) await load.verify(node);
    },
  );
}
