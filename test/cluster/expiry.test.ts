import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

const hasKey = (node: VirtualNode): boolean =>
  (node.engine().statistics().databases[0]?.keys ?? 0) > 0;

test('a read past the deadline logs the expiry before it answers, and nobody sees the key again', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.advance(203);
  assert.equal(await cluster.write(leader, 'SET k v PX 110'), '+OK');
  await cluster.advance(109);
  assert.equal(await cluster.read(leader, 'GET k'), '$1\r\nv');
  const { commit } = leader.status()[0] ?? {};
  assert.ok(commit !== undefined);
  await cluster.advance(1);
  const call = leader.read('GET k');
  await cluster.advance(0);
  assert.equal(call.outcome, '$-1');
  assert.equal(leader.status()[0]?.commit, commit + 1, 'one entry, between two ticks');
  for (const node of cluster.nodes) assert.equal(await cluster.read(node, 'GET k'), '$-1');
  await cluster.advance(200);
  for (const node of cluster.nodes) assert.equal(hasKey(node), false);
});

test('the due keys of a shard that nobody uses are reclaimed, on all nodes', async () => {
  const cluster = await new VirtualCluster().form();
  for (let key = 0; key < 400; key++) cluster.leader().log(`SET k${key} v PX ${500 + key}`);
  await cluster.advance(100);
  for (const node of cluster.nodes) assert.ok(hasKey(node));
  await cluster.advance(1_500);
  for (const node of cluster.nodes) assert.equal(hasKey(node), false);
  const { commit } = cluster.leader().status()[0] ?? {};
  await cluster.advance(1_000);
  assert.equal(cluster.leader().status()[0]?.commit, commit, 'and then nothing more is logged');
});

test('a key that was seen to expire does not come back with the next leader', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  await cluster.write(former, 'SET k v PX 1000');
  await cluster.advance(1_000);
  assert.equal(await cluster.read(former, 'GET k'), '$-1');
  former.crash();
  const leader = await cluster.untilLedByAnother(former);
  // Its clock is behind: by it the key would still be there.
  leader.wallOffsetMs = -60_000;
  assert.equal(await cluster.read(leader, 'GET k'), '$-1');
  former.start();
  await cluster.converge();
  for (const node of cluster.nodes) assert.equal(await cluster.read(node, 'GET k'), '$-1');
});

test('clocks that are a minute apart neither expire a key early nor keep it long, whoever leads', async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const cluster = new VirtualCluster({ seed });
    cluster.nodes.forEach((node, place) => {
      node.wallOffsetMs = [0, 60_000, -60_000][(place + seed) % 3] ?? 0;
    });
    await cluster.form();
    await cluster.advance(2_000);
    await cluster.write(cluster.leader(), 'SET k v PX 10000');
    const setMs = cluster.time.nowMs;
    for (let change = 0; change < 3; change++) {
      const former = cluster.leader();
      former.pause();
      await cluster.untilLedByAnother(former);
      former.resume();
      await cluster.advance(1_000);
    }
    await cluster.until('9 s have passed', () => cluster.time.nowMs >= setMs + 9_000);
    assert.equal(await cluster.read(cluster.node(1), 'GET k'), '$1\r\nv', `seed ${seed}: early`);
    await cluster.advance(setMs + 11_000 - cluster.time.nowMs);
    assert.equal(await cluster.read(cluster.node(1), 'GET k'), '$-1', `seed ${seed}: late`);
    await cluster.converge();
  }
});

test('a leader’s clock that jumps alone expires nothing', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.write(leader, 'SET k v PX 60000');
  leader.wallOffsetMs += 3_600_000;
  await cluster.advance(2_000);
  assert.equal(await cluster.read(leader, 'GET k'), '$1\r\nv');
  leader.wallOffsetMs -= 7_200_000;
  await cluster.advance(2_000);
  const ttl = await cluster.read(leader, 'PTTL k');
  assert.equal(ttl, ':56000');
});

test('time that passed while all nodes were down counts', async () => {
  const cluster = await new VirtualCluster().form();
  await cluster.write(cluster.leader(), 'SET short v PX 5000');
  await cluster.write(cluster.leader(), 'SET long v PX 60000');
  for (const node of cluster.nodes) node.crash();
  await cluster.advance(30_000);
  for (const node of cluster.nodes) node.start();
  await cluster.until('it serves', () => cluster.isServing());
  assert.equal(await cluster.read(cluster.node(2), 'GET short'), '$-1');
  assert.equal(await cluster.read(cluster.node(2), 'GET long'), '$1\r\nv');
  const left = Number((await cluster.read(cluster.node(2), 'PTTL long'))?.slice(1));
  assert.ok(left > 27_000 && left <= 30_000, `${left} ms are left`);
});
