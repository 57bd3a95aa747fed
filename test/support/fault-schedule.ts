/**
 * Random trouble for a `VirtualCluster`: crashes, pauses, cuts, slow networks and disks, clocks that jump, transfers.
 */

import assert from 'node:assert/strict';
import { randomInteger } from '../../src/base/random.ts';
import type { VirtualCluster } from './virtual-cluster.ts';
import type { VirtualNode } from './virtual-node.ts';

type Fault = (cluster: VirtualCluster, node: VirtualNode) => void | Promise<void>;

const other = (cluster: VirtualCluster, node: VirtualNode): VirtualNode => {
  const others = cluster.others(node);
  const found = others[randomInteger(cluster.random, 0, others.length - 1)];
  assert.ok(found !== undefined);
  return found;
};

/** Between a node and a proxy, if there is one. */
const proxyFaults: readonly Fault[] = [
  (cluster, node) => {
    for (const { id } of cluster.proxies) cluster.network.cut(node.id, id);
  },
  (cluster, node) => {
    for (const { id } of cluster.proxies) cluster.network.cut(id, node.id);
  },
  (cluster, node) => {
    for (const { id } of cluster.proxies) cluster.network.disconnect(node.id, id);
  },
  (cluster) => {
    for (const proxy of cluster.proxies) if (cluster.random.next() < 0.5) proxy.crash();
  },
];

const nodeFaults: readonly Fault[] = [
  (_cluster, node) => node.crash(),
  (_cluster, node) => node.crashAfterWrite(),
  (_cluster, node) => node.pause(),
  (cluster, node) => cluster.isolate(node),
  (cluster, node) => cluster.network.cut(node.id, other(cluster, node).id),
  (cluster, node) => cluster.network.cut(node.id, other(cluster, node).id, 'data'),
  (cluster, node) => cluster.network.cut(node.id, other(cluster, node).id, 'control'),
  (cluster, node) => cluster.network.disconnect(node.id, other(cluster, node).id),
  (cluster) => {
    const delayMs = randomInteger(cluster.random, 0, 40);
    cluster.delayMs = () => cluster.random.next() * delayMs;
  },
  (cluster) => {
    const writeMs = randomInteger(cluster.random, 0, 60);
    cluster.diskMs = () => cluster.random.next() * writeMs;
  },
  (cluster, node) => {
    node.wallOffsetMs = randomInteger(cluster.random, -90_000, 90_000);
  },
  (_cluster, node) => {
    if (node.isReady && !node.isPaused) node.member.handOver();
  },
  (_cluster, node) => {
    node.isDiskBroken = true;
  },
];

/** Does something bad, somewhere; leaders are hit more often than chance would have it. */
export async function harm(cluster: VirtualCluster): Promise<void> {
  const { random, nodes } = cluster;
  const leader = cluster.findLeader();
  const anyNode = nodes[randomInteger(random, 0, nodes.length - 1)];
  const node = leader !== undefined && random.next() < 0.5 ? leader : anyNode;
  const faults = cluster.proxies.length > 0 ? [...nodeFaults, ...proxyFaults] : nodeFaults;
  const fault = faults[randomInteger(random, 0, faults.length - 1)];
  assert.ok(node !== undefined && fault !== undefined);
  await fault(cluster, node);
}

/** Mends some of it. A node may have stopped by itself only because its disk failed. */
export function mend(cluster: VirtualCluster, share: number): void {
  const { random } = cluster;
  for (const node of cluster.nodes) {
    const code = node.failure?.code;
    assert.ok(code === undefined || code === 'storage-failed', node.failure?.message);
    if (random.next() > share) continue;
    node.isDiskBroken = false;
    // Where no clocks agree a new leader waits long before it serves, by when the former one has given up.
    node.wallOffsetMs = 0;
    if (!node.isUp) node.start();
    node.resume();
  }
  for (const proxy of cluster.proxies) {
    if (!proxy.isUp && random.next() < share) proxy.start();
  }
  if (random.next() < share) cluster.heal();
}
