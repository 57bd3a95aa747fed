import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../src/base/ids.ts';
import { randomInteger } from '../../src/base/random.ts';
import { MemoryDisk } from '../../src/log/memory-log.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';

/** All members are formed, of one cluster, and every one took part in it from the beginning. */
function assertOneCluster(cluster: VirtualCluster): void {
  const identities = cluster.nodes.map(({ identity }) => identity);
  const [first] = identities;
  assert.ok(first?.clusterId !== undefined);
  for (const identity of identities) {
    assert.equal(identity?.phase, 'formed');
    assert.equal(identity.clusterId, first.clusterId);
    assert.deepEqual(identity.members, first.members);
  }
  const own = identities.map((identity) => identity?.memberId);
  assert.deepEqual(
    first.members.map(({ memberId }) => memberId),
    own,
  );
}

/** Nobody has a group, and so can vote, before all have made the same cluster durable. */
function assertNobodyVotesEarly(cluster: VirtualCluster): void {
  if (cluster.nodes.every(({ disk }) => disk.groups.size === 0)) return;
  const ids = cluster.nodes.map(({ identity }) => identity?.clusterId);
  assert.equal(new Set(ids).size, 1, 'the cluster is durable everywhere');
  assert.ok(ids[0] !== undefined);
}

test('a cluster forms once all its members are there, and not before', async () => {
  const cluster = new VirtualCluster();
  cluster.node(1).start();
  cluster.node(3).start();
  await cluster.advance(10_000);
  assert.deepEqual(
    cluster.nodes.map(({ identity }) => identity?.phase),
    ['new', undefined, 'new'],
  );
  cluster.node(2).start();
  await cluster.until('the cluster forms', () => cluster.isServing());
  assertOneCluster(cluster);
  assert.equal(cluster.node(2).member.meta?.clusterId, cluster.node(1).identity?.clusterId);
});

test('a cluster of one forms by itself, one of five with all five', async () => {
  for (const nodes of [1, 5]) {
    const cluster = await new VirtualCluster({ nodes }).form();
    assertOneCluster(cluster);
    assert.equal(await cluster.write(cluster.node(nodes), 'SET k v'), '+OK');
  }
});

test('a member that crashes at any write while the cluster forms changes nothing: exactly one forms', async () => {
  for (const id of [1, 2, 3]) {
    for (const isWritten of [false, true]) {
      for (let write = 1; write <= 4; write++) {
        const cluster = new VirtualCluster({ seed: write });
        cluster.diskMs = () => 5;
        for (const node of cluster.nodes) node.start();
        const node = cluster.node(id);
        await cluster.until('the write', () => node.writes >= write);
        if (isWritten) await node.crashAfterWrite();
        else node.crash();
        assertNobodyVotesEarly(cluster);
        await cluster.advance(100);
        assertNobodyVotesEarly(cluster);
        node.start();
        await cluster.until('the cluster forms', () => cluster.isServing());
        assertOneCluster(cluster);
      }
    }
  }
});

test('however often members crash while the cluster forms, exactly one forms', async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const cluster = new VirtualCluster({ seed });
    const { random } = cluster;
    cluster.diskMs = () => randomInteger(random, 0, 20);
    cluster.delayMs = () => randomInteger(random, 0, 20);
    for (let crash = 0; crash < 8; crash++) {
      for (const node of cluster.nodes) if (!node.isUp) node.start();
      await cluster.advance(randomInteger(random, 1, 120));
      const node = cluster.node(randomInteger(random, 1, 3));
      if (random.next() < 0.5) node.crash();
      else await node.crashAfterWrite();
      assertNobodyVotesEarly(cluster);
    }
    for (const node of cluster.nodes) if (!node.isUp) node.start();
    await cluster.until(`seed ${seed}: the cluster forms`, () => cluster.isServing());
    assertOneCluster(cluster);
  }
});

test('a wiped member is refused for good, cannot vote, and does not disturb the others', async () => {
  const cluster = await new VirtualCluster().form();
  const wiped = cluster.follower();
  wiped.crash();
  wiped.wipe();
  wiped.start();
  await cluster.until('it stops', () => !wiped.isUp);
  assert.equal(wiped.failure?.code, 'peer-refused');
  assert.match(wiped.failure.message, /wiped or exchanged/);
  assert.equal(wiped.disk.groups.size, 0);
  assert.equal(await cluster.write(cluster.leader(), 'SET k v'), '+OK');
});

test('a wiped leader does not win its cluster back', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  assert.equal(await cluster.write(former, 'SET k v'), '+OK');
  former.crash();
  former.wipe();
  former.start();
  await cluster.until('it stops', () => !former.isUp);
  const leader = await cluster.untilLedByAnother(former);
  assert.equal(await cluster.read(leader, 'GET k'), '$1\r\nv');
});

test('two wiped nodes never form a cluster beside the third that has the data', async () => {
  for (const kept of [1, 2, 3]) {
    const cluster = await new VirtualCluster({ seed: kept }).form();
    const third = cluster.node(kept);
    assert.equal(await cluster.write(third, 'SET k v'), '+OK');
    for (const node of cluster.nodes) node.crash();
    for (const node of cluster.others(third)) {
      node.wipe();
      node.start();
    }
    await cluster.advance(10_000);
    for (const node of cluster.others(third)) assert.equal(node.identity?.phase, 'new');
    third.start();
    await cluster.until('both are refused', () => cluster.others(third).every(({ isUp }) => !isUp));
    for (const node of cluster.others(third)) {
      assert.equal(node.failure?.code, 'peer-refused');
      assert.equal(node.disk.groups.size, 0);
    }
    assert.ok(third.isUp);
  }
});

test('a member that is wiped while the cluster forms is refused by those that had agreed', async () => {
  const cluster = new VirtualCluster();
  cluster.diskMs = () => 5;
  for (const node of cluster.nodes) node.start();
  await cluster.until('all agreed', () => cluster.node(3).identity?.phase === 'agreed');
  for (const node of cluster.nodes) node.crash();
  cluster.node(2).wipe();
  for (const node of cluster.nodes) node.start();
  await cluster.until('it stops', () => !cluster.node(2).isUp);
  assert.equal(cluster.node(2).failure?.code, 'peer-refused');
  await cluster.advance(5_000);
  assert.ok(
    cluster.nodes.every(({ disk }) => disk.groups.size === 0 || disk.identity?.phase === 'formed'),
  );
});

test('an older copy of a member’s directory is refused while a peer remembers a later life', async () => {
  const cluster = await new VirtualCluster().form();
  const node = cluster.follower();
  const copy = new MemoryDisk();
  copy.identity = node.disk.identity;
  for (let life = 0; life < 2; life++) {
    node.crash();
    node.start();
    await cluster.until('it serves again', () => node.isReady && cluster.isServing());
  }
  node.crash();
  node.disk = copy;
  node.start();
  await cluster.until('it stops', () => !node.isUp);
  assert.equal(node.failure?.code, 'peer-refused');
  assert.match(node.failure.message, /older copy/);
});

test('a directory that lives on after many restarts is not taken for a copy', async () => {
  const cluster = await new VirtualCluster().form();
  for (let life = 0; life < 4; life++) {
    const node = cluster.node((life % 3) + 1);
    node.crash();
    node.start();
    await cluster.until('it serves again', () => node.isReady && cluster.isServing());
  }
  await cluster.converge();
});

test('new members that begin with other namespaces stop, and show no upstream', async () => {
  const cluster = new VirtualCluster({ namespaces: [{ keys: 'a*', level: 'strong' }] });
  cluster.node(2).namespaces = [];
  for (const node of cluster.nodes) node.start();
  await cluster.until('two stop', () => cluster.nodes.filter(({ isUp }) => !isUp).length >= 2);
  const { failure } = cluster.node(2);
  assert.match(failure?.message ?? '', /disagree: namespaces differ between node \d and node \d;/);
});

test('new members that are configured differently stop, and say where they differ', async () => {
  const cluster = new VirtualCluster();
  cluster.node(2).shards = 4;
  for (const node of cluster.nodes) node.start();
  await cluster.until('two stop', () => cluster.nodes.filter(({ isUp }) => !isUp).length >= 2);
  const { failure } = cluster.node(2);
  assert.match(failure?.message ?? '', /shards is (1|4) at node \d and (1|4) at node \d/);
  await cluster.advance(5_000);
  assert.ok(cluster.nodes.every(({ identity }) => identity?.phase === 'new'));
});

test('new members with different lists of members stop', async () => {
  const cluster = new VirtualCluster();
  cluster.node(3).members = [2, 3].map(nodeId);
  for (const node of cluster.nodes) node.start();
  await cluster.until('it stops', () => !cluster.node(3).isUp);
  assert.match(cluster.node(3).failure?.message ?? '', /members are/);
});

test('a node that is no member of a formed cluster is refused, and the cluster goes on', async () => {
  const cluster = new VirtualCluster({ nodes: 4 });
  const stranger = cluster.node(4);
  for (const node of cluster.nodes) node.members = [1, 2, 3].map(nodeId);
  stranger.members = [1, 2, 3, 4].map(nodeId);
  for (const node of cluster.others(stranger)) node.start();
  await cluster.until('three form', () => cluster.isServing());
  stranger.start();
  await cluster.until('it stops', () => !stranger.isUp);
  assert.match(stranger.failure?.message ?? '', /not a member of cluster/);
  assert.equal(await cluster.write(cluster.leader(), 'SET k v'), '+OK');
});

test('all members may stop and come back in any order', async () => {
  const cluster = await new VirtualCluster().form();
  assert.equal(await cluster.write(cluster.node(1), 'SET k v'), '+OK');
  for (const order of [
    [1, 2, 3],
    [3, 1, 2],
    [2, 3, 1],
  ]) {
    for (const node of cluster.nodes) node.crash();
    for (const id of order) {
      cluster.node(id).start();
      await cluster.advance(1_500);
    }
    await cluster.until('it serves', () => cluster.isServing());
    assertOneCluster(cluster);
    assert.equal(await cluster.read(cluster.node(2), 'GET k'), '$1\r\nv');
  }
});
