/**
 * Random trouble for a simulated cluster: everything that may go wrong with a process, its disk, its clocks and its network.
 */

import assert from 'node:assert/strict';
import { nodeId } from '../../src/base/ids.ts';
import type { ConfChangeSingle } from '../../src/raft/membership.ts';
import { randomInteger, type Random } from '../../src/base/random.ts';
import { groupId } from '../../src/base/ids.ts';
import type { VirtualCluster } from '../support/virtual-cluster.ts';
import type { RaftFrame, VirtualNode } from '../support/virtual-node.ts';

interface Trouble {
  readonly share: number;
  readonly name: string;
  readonly harm: (cluster: VirtualCluster, node: VirtualNode) => void | Promise<void>;
}

/** A node dies in one of so many writes from now. */
const writesToDeathMax = 4;
const mostDelayedMs = 40;
/** Later than an election. */
const lateFrameMsMax = 900;
const writeMsMax = 60;
const wallStepMsMax = 90_000;
/** Fewer could be down together for good. */
const votersMin = 2;

const troubles: readonly Trouble[] = [
  { share: 2, name: 'crash', harm: (_cluster, node) => node.crash() },
  { share: 2, name: 'crash behind a write', harm: (_cluster, node) => node.crashAfterWrite() },
  { share: 3, name: 'crash in a write', harm: dieInWrite },
  { share: 2, name: 'restart', harm: restart },
  { share: 3, name: 'pause', harm: (_cluster, node) => node.pause() },
  { share: 3, name: 'isolate', harm: (cluster, node) => cluster.isolate(node) },
  { share: 2, name: 'split', harm: splitAtRandom },
  {
    share: 2,
    name: 'cut one way',
    harm: (cluster, node) => cluster.network.cut(node.id, other(cluster, node).id),
  },
  {
    share: 1,
    name: 'cut one lane',
    harm: (cluster, node) => {
      const lane = cluster.random.next() < 0.5 ? 'data' : 'control';
      cluster.network.cut(node.id, other(cluster, node).id, lane);
    },
  },
  {
    share: 1,
    name: 'break a connection',
    harm: (cluster, node) => cluster.network.disconnect(node.id, other(cluster, node).id),
  },
  { share: 2, name: 'slow network', harm: slowNetwork },
  { share: 3, name: 'lose, double and delay', harm: unreliableNetwork },
  { share: 1, name: 'slow disks', harm: slowDisks },
  {
    share: 1,
    name: 'a disk fails',
    harm: (_cluster, node) => {
      node.isDiskBroken = true;
    },
  },
  {
    share: 2,
    name: 'a wall clock steps',
    harm: (cluster, node) => {
      node.wallOffsetMs = randomInteger(cluster.random, -wallStepMsMax, wallStepMsMax);
    },
  },
  {
    share: 2,
    name: 'hand over',
    harm: (_cluster, node) => {
      if (node.isReady && !node.isPaused) node.member.placer.handOver();
    },
  },
  {
    share: 2,
    name: 'stand for election',
    harm: (cluster, node) => {
      if (node.isPaused) return;
      for (let shard = 0; shard < cluster.shards; shard += 1) {
        node.replica(groupId(shard + 1))?.campaign();
      }
    },
  },
];

/** Where there are proxies: between all of them and a node. */
const troublesOfProxies: readonly Trouble[] = [
  {
    share: 2,
    name: 'cut off from proxies',
    harm: (cluster, node) => {
      const isBack = cluster.random.next() < 0.5;
      for (const { id } of cluster.proxies) {
        if (isBack) cluster.network.cut(id, node.id);
        else cluster.network.cut(node.id, id);
      }
    },
  },
  {
    share: 2,
    name: 'break connections of proxies',
    harm: (cluster, node) => {
      for (const { id } of cluster.proxies) cluster.network.disconnect(node.id, id);
    },
  },
  {
    share: 2,
    name: 'crash proxies',
    harm: (cluster) => {
      for (const proxy of cluster.proxies) if (cluster.random.next() < 0.5) proxy.crash();
    },
  },
];

const changeOfMembers: Trouble = { share: 6, name: 'change members', harm: changeMembers };

/** Does something bad, somewhere, and says what; leaders are hit more often than chance would have it. */
export async function harm(cluster: VirtualCluster, areMembersFixed: boolean): Promise<string> {
  const { random } = cluster;
  const all = [
    ...troubles,
    ...(areMembersFixed ? [] : [changeOfMembers]),
    ...(cluster.proxies.length === 0 ? [] : troublesOfProxies),
  ];
  const leader = cluster.findLeader(randomInteger(random, 0, cluster.shards - 1));
  const node = leader !== undefined && random.next() < 0.5 ? leader : anyOf(random, cluster.nodes);
  const trouble = weighted(random, all);
  await trouble.harm(cluster, node);
  return `${trouble.name}: node ${node.id}`;
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
    node.doom = undefined;
    if (!node.isUp) node.start();
    node.resume();
  }
  for (const proxy of cluster.proxies) {
    if (!proxy.isUp && random.next() < share) proxy.start();
  }
  if (random.next() < share) cluster.heal();
  if (random.next() < share) cluster.fate = () => [0];
}

function splitAtRandom(cluster: VirtualCluster): void {
  split(
    cluster,
    cluster.nodes.filter(() => cluster.random.next() < 0.5),
  );
}

/** Nothing passes between these nodes and the others. */
export function split(cluster: VirtualCluster, side: readonly VirtualNode[]): void {
  for (const one of side) {
    for (const two of cluster.nodes) {
      if (side.includes(two)) continue;
      cluster.network.cut(one.id, two.id);
      cluster.network.cut(two.id, one.id);
    }
  }
}

function other(cluster: VirtualCluster, node: VirtualNode): VirtualNode {
  return anyOf(cluster.random, cluster.others(node));
}

export function anyOf<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[randomInteger(random, 0, items.length - 1)];
  assert.ok(item !== undefined, 'there is one to choose');
  return item;
}

function weighted(random: Random, all: readonly Trouble[]): Trouble {
  const total = all.reduce((sum, { share }) => sum + share, 0);
  let roll = random.next() * total;
  for (const trouble of all) {
    roll -= trouble.share;
    if (roll < 0) return trouble;
  }
  return anyOf(random, all);
}

/** What is written then is there at the next start, or lost, as where a write was torn. */
function dieInWrite(cluster: VirtualCluster, node: VirtualNode): void {
  const count = randomInteger(cluster.random, 1, writesToDeathMax);
  node.doom = { atWrite: node.writes + count, isKept: cluster.random.next() < 0.5 };
}

async function restart(_cluster: VirtualCluster, node: VirtualNode): Promise<void> {
  await node.crashAfterWrite();
  if (!node.isUp) node.start();
}

function slowNetwork(cluster: VirtualCluster): void {
  const delayMs = randomInteger(cluster.random, 0, mostDelayedMs);
  cluster.delayMs = () => cluster.random.next() * delayMs;
}

function slowDisks(cluster: VirtualCluster): void {
  const writeMs = randomInteger(cluster.random, 0, writeMsMax);
  cluster.diskMs = () => cluster.random.next() * writeMs;
}

/** Raft may not rely on what connections promise: some of its frames are lost, doubled, or come late and out of order. */
function unreliableNetwork(cluster: VirtualCluster): void {
  const { random } = cluster;
  const share = 0.3 * random.next();
  const lateMs = randomInteger(random, 1, lateFrameMsMax);
  cluster.fate = (_frame: RaftFrame) => {
    if (random.next() > share) return [0];
    const roll = random.next();
    if (roll < 0.3) return [];
    const late = lateMs * random.next();
    return roll < 0.6 ? [0, late] : [late];
  };
}

/** One or two steps, in the way in which the core does them by itself: joint where there are two. */
function changeMembers(cluster: VirtualCluster): void {
  const { random } = cluster;
  const shard = randomInteger(random, 0, cluster.shards - 1);
  const group = groupId(shard + 1);
  const leader = cluster.findLeader(shard);
  const replica = leader?.replica(group);
  if (leader === undefined || leader.isPaused || replica === undefined) return;
  const voters = new Set(replica.members.voters);
  const changes: ConfChangeSingle[] = [];
  for (let count = randomInteger(random, 1, 3); count > 0; count -= 1) {
    const type = anyOf(random, ['add-node', 'add-learner', 'remove-node'] as const);
    const id = nodeId(randomInteger(random, 1, cluster.nodes.length));
    if (type === 'add-node') voters.add(id);
    else voters.delete(id);
    changes.push({ type, nodeId: id });
  }
  if (voters.size < votersMin) return;
  const transition = random.next() < 0.7 ? 'auto' : 'implicit';
  replica.proposeConfChange({ kind: 'v2', transition, changes, context: new Uint8Array(0) });
}
