/**
 * Goal: a node that was away, and a cluster that was down, come back to the same data, and all replicas to the same.
 *
 * Method: under load, one node after the other is stopped, by turns asked to and killed, and started again; then all are
 * stopped at once, in an order and started in another. When the load has ended and every replica has applied the same
 * index, each node in turn is made the leader of all shards and must show every key alike.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCluster, type TestCluster, type TestNode } from '../support/cluster.ts';
import { Load } from '../support/load.ts';
import { until, within } from '../support/until.ts';

const stopDeadlineMs = 5_000;
const leadDeadlineMs = 40_000;
const signals = ['SIGTERM', 'SIGKILL'] as const;

test(
  'nodes that restart one after the other under load catch up, and all agree',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t, { shards: 2 });
    const load = new Load({ sharedKeys: 8 });
    for (const node of cluster.nodes) await load.join(node);
    for (const [at, node] of cluster.nodes.entries()) {
      await load.progress(cluster.nodes, 10);
      load.expectLoss(node);
      node.kill(signals[at % 2] ?? 'SIGKILL');
      await within(`node ${node.id} stops`, stopDeadlineMs, node.ended);
      // What the others write meanwhile has to be caught up with.
      await load.progress(cluster.others(node), 10);
      await node.restart();
      await load.join(node);
    }
    await load.progress(cluster.nodes, 10);
    await load.stop();
    await sameEverywhere(cluster, load);
  },
);

test(
  'a cluster that was stopped as a whole finds its data, in whatever order it starts',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t, { shards: 2 });
    const load = new Load({ sharedKeys: 8 });
    const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode];
    for (const order of [
      [first, second, third],
      [third, first, second],
    ]) {
      for (const node of cluster.nodes) await load.join(node);
      await load.progress(cluster.nodes, 10);
      for (const node of cluster.nodes) load.expectLoss(node);
      for (const node of order) {
        node.kill('SIGTERM');
        await within(`node ${node.id} stops`, stopDeadlineMs, node.ended);
      }
      for (const node of order.toReversed()) node.start();
      await cluster.ready();
      await load.verify(second);
    }
    await load.stop();
    await sameEverywhere(cluster, load);
  },
);

/** Compares all replicas: first how far they have applied, then, with each node leading, every key. */
async function sameEverywhere(cluster: TestCluster, load: Load): Promise<void> {
  await cluster.settled();
  for (const node of cluster.nodes) await load.verify(node);
  const dumps: string[] = [];
  for (const node of cluster.nodes) {
    await makeLeader(cluster, node);
    dumps.push(await dump(node));
  }
  for (const dumped of dumps) assert.equal(dumped, dumps[0]);
}

/** Restarts whoever else leads a shard, until `node` leads all. */
async function makeLeader(cluster: TestCluster, node: TestNode): Promise<void> {
  await until(`node ${node.id} leads all shards`, leadDeadlineMs, async () => {
    const other = (await node.shardLines()).find(({ leader }) => leader !== node.id)?.leader;
    if (other === undefined) return true;
    // The leader gives its shards to one of the others; after a few times all are with `node`.
    const leader = cluster.node(other);
    leader.kill('SIGTERM');
    await leader.ended;
    await leader.restart();
    await cluster.ready();
    return false;
  });
}

/** Every key with its value and deadline, as the leaders have them. */
async function dump(node: TestNode): Promise<string> {
  const client = await node.connect();
  const keys = ((await client.must('KEYS', '*')) as readonly string[]).toSorted();
  const values = await client.pipeline(
    keys.flatMap((key) => [
      ['GET', key],
      ['PEXPIRETIME', key],
    ]),
  );
  client.close();
  assert(keys.length > 0 && values.length === 2 * keys.length);
  return JSON.stringify([keys, values]);
}
