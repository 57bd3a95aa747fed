/**
 * A scenario for clusters of any size: the leader of shard 0 dies under load, comes back, and the next one dies.
 */

import assert from 'node:assert/strict';
import type { TestCluster } from './cluster.ts';
import type { Load } from './load.ts';

/** What a client of a surviving sidecar waits at most, from the kill to the reply. */
const pauseMsMax = 2_000;

export async function killLeaderAgainAndAgain(options: {
  readonly cluster: TestCluster;
  readonly load: Load;
  readonly rounds: number;
  readonly note: (text: string) => void;
}): Promise<void> {
  const { cluster, load, rounds, note } = options;
  const pausesMs: number[] = [];
  try {
    for (const node of cluster.nodes) await load.join(node);
    await load.progress(cluster.nodes, 20);
    for (let round = 1; round <= rounds; round += 1) {
      const leader = await cluster.leader();
      const survivors = cluster.others(leader);
      load.resetLongest();
      load.expectLoss(leader);
      leader.kill('SIGKILL');
      await load.progress(survivors, 30);
      pausesMs.push(Math.round(load.longestMs(survivors)));
      await leader.restart();
      await load.join(leader);
      await load.progress(cluster.nodes, 10);
    }
  } finally {
    await load.stop();
    note(`longest pauses of surviving clients: ${pausesMs.join(', ')} ms`);
  }
  note(`${load.acknowledged} INCRs acknowledged, ${load.inDoubt} lost with their connection`);
  for (const node of cluster.nodes) await load.verify(node);
  assert(Math.max(...pausesMs) < pauseMsMax, `writes flow again within ${pauseMsMax} ms`);
}
