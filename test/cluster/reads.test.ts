import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRaft, frameKind } from '../../src/replica/peer-frames.ts';
import { replicaSettings } from '../../src/replica/settings.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { SentFrame } from '../support/virtual-node.ts';

const typeOf = ({ kind, payload }: SentFrame): string | undefined =>
  kind === frameKind.raft ? decodeRaft(payload)?.message.type : undefined;

test('a read under the lease asks nobody', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.write(leader, 'SET k v');
  await cluster.advance(200);
  let sent = 0;
  cluster.onSend = () => {
    sent += 1;
  };
  const call = leader.read('GET k');
  await cluster.advance(0);
  assert.equal(call.outcome, '$1\r\nv');
  assert.equal(sent, 0);
});

test('a leader that is cut off answers while its lease holds, and never afterwards', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  await cluster.write(former, 'SET k old');
  await cluster.advance(200);
  cluster.isolate(former);
  await cluster.advance(300);
  const early = former.read('GET k');
  await cluster.advance(0);
  assert.equal(early.outcome, '$3\r\nold', 'nobody else can lead yet');
  await cluster.advance(150);
  const late = former.read('GET k');
  await cluster.advance(0);
  assert.equal(
    late.isDone,
    false,
    'the lease is over, though the former leader has not stepped down',
  );
  const leader = await cluster.untilLedByAnother(former);
  assert.equal(await cluster.write(leader, 'SET k new'), '+OK');
  await cluster.advance(1_000);
  assert.equal(late.isDone, false);
  cluster.heal();
  assert.equal((await cluster.finished(late)).outcome, '$3\r\nnew');
});

test('nobody is elected before the lease of a leader that is cut off has ended', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const cluster = await new VirtualCluster({ seed }).form();
    const former = cluster.leader();
    await cluster.advance(137 + 11 * seed);
    cluster.isolate(former);
    let lastAnsweredMs = 0;
    let electedMs: number | undefined;
    while (electedMs === undefined) {
      const call = former.read('GET k');
      await cluster.advance(1);
      if (call.isReplied) lastAnsweredMs = cluster.time.nowMs;
      if (cluster.findLeader(0, cluster.others(former)) !== undefined)
        electedMs = cluster.time.nowMs;
    }
    assert.ok(lastAnsweredMs < electedMs, `seed ${seed}: ${lastAnsweredMs} and ${electedMs}`);
  }
});

test('a leader that was stopped for longer than an election never answers what has been overwritten', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  await cluster.write(former, 'SET k old');
  await cluster.advance(200);
  const before = [former.read('GET k'), former.log('GET k')];
  former.pause();
  const leader = await cluster.untilLedByAnother(former);
  assert.equal(await cluster.write(leader, 'SET k new'), '+OK');
  await cluster.advance(1_000);
  const forwarded = leader.read('GET k');
  former.resume();
  const after = [former.read('GET k'), former.log('GET k')];
  await cluster.advance(0);
  const afterwards = former.read('GET k');
  const all = [...before, forwarded, ...after, afterwards];
  for (const call of all) {
    assert.equal((await cluster.finished(call)).outcome, '$3\r\nnew');
  }
});

test('reads that were on their way to a leader when it was stopped are not answered stale by it', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  const [asking] = cluster.others(former);
  assert.ok(asking !== undefined);
  await cluster.write(former, 'SET k old');
  await cluster.advance(200);
  former.pause();
  const waiting = Array.from({ length: 10 }, () => asking.read('GET k'));
  const leader = await cluster.untilLedByAnother(former);
  const stalled = waiting.filter(({ isDone }) => !isDone);
  assert.equal(await cluster.write(leader, 'SET k new'), '+OK');
  await cluster.advance(200);
  const late = Array.from({ length: 10 }, () => asking.read('GET k'));
  former.resume();
  for (const call of late) {
    assert.equal((await cluster.finished(call)).outcome, '$3\r\nnew');
  }
  for (const call of stalled) await cluster.finished(call);
});

test('after TimeoutNow has left, no read is answered under the lease', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.write(leader, 'SET k v');
  await cluster.advance(200);
  let isSent = false;
  cluster.onSend = (frame) => {
    if (typeOf(frame) === 'MsgTimeoutNow') isSent = true;
  };
  cluster.delayMs = () => 100;
  leader.member.placer.handOver();
  await cluster.until('TimeoutNow leaves', () => isSent);
  const call = leader.read('GET k');
  await cluster.advance(10);
  assert.equal(call.isDone, false, 'it asks a majority first');
  assert.equal(leader.status()[0]?.role, 'leader');
  assert.equal((await cluster.finished(call)).outcome, '$1\r\nv');
});

test('with reads by ReadIndex every read asks a majority', async () => {
  const cluster = await new VirtualCluster({ reads: 'read-index' }).form();
  const leader = cluster.leader();
  await cluster.write(leader, 'SET k v');
  await cluster.advance(200);
  assert.equal(await cluster.read(cluster.follower(), 'GET k'), '$1\r\nv');
  cluster.isolate(leader);
  const call = leader.read('GET k');
  await cluster.advance(300);
  assert.equal(call.isDone, false);
  assert.equal(leader.status()[0]?.role, 'leader');
  cluster.heal();
  assert.equal((await cluster.finished(call)).outcome, '$1\r\nv');
});

test('a read by ReadIndex that came while two rounds were under way needs no tick to go on', async () => {
  const cluster = await new VirtualCluster({ reads: 'read-index' }).form();
  const leader = cluster.leader();
  await cluster.write(leader, 'SET k v');
  cluster.follower().crash();
  await cluster.until('a tick is just over', () => cluster.time.nowMs % 50 === 0);
  await cluster.advance(1);
  // The second round overtakes nothing, so both arrive, and are answered, together.
  const calls = [];
  for (const delayMs of [12, 5, 0]) {
    cluster.delayMs = () => delayMs;
    calls.push(leader.read('GET k'));
    await cluster.advance(1);
  }
  await cluster.advance(20);
  assert.deepEqual(
    calls.map(({ isReplied }) => isReplied),
    [true, true, true],
  );
});

test('reads and writes that come at the start of a term wait until the leader serves', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  await cluster.write(former, 'SET k v');
  former.crash();
  // Votes get through, the first entry of the term does not become durable at a majority.
  cluster.diskMs = () => 30;
  await cluster.until('another leads', () => cluster.findLeader(0) !== undefined);
  const leader = cluster.leader();
  const read = leader.read('GET k');
  const write = leader.log('INCR n');
  await cluster.advance(20);
  assert.equal(read.isDone, false, 'its own term has no applied entry yet');
  assert.equal((await cluster.finished(read)).outcome, '$1\r\nv');
  assert.equal((await cluster.finished(write)).outcome, ':1');
});

test('a restarted voter does not help to elect anybody while a lease may rest on its word', async () => {
  // The leader's lease rests on one voter alone. The other, which has long lost the leader, asks the voter for its vote
  // all the time; the voter restarts and has forgotten its leader.
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = await new VirtualCluster({ seed }).form();
    const former = cluster.leader();
    const [voter, other] = cluster.others(former);
    assert.ok(voter !== undefined && other !== undefined);
    await cluster.write(former, 'SET k old');
    cluster.network.cut(former.id, other.id);
    cluster.network.cut(other.id, former.id);
    await cluster.advance(2_000 + seed * 7);
    assert.equal(former.status()[0]?.role, 'leader');
    cluster.isolate(former);
    voter.crash();
    voter.start();
    let isElected = false;
    while (!isElected) {
      await cluster.advance(5);
      isElected = cluster.findLeader(0, cluster.others(former)) !== undefined;
      const call = former.read('GET k');
      await cluster.advance(0);
      assert.ok(!(isElected && call.isReplied), `seed ${seed}: two nodes answer reads`);
    }
  }
});

test('a leader whose voters are configured with a shorter election timeout does not outlive their promise', async () => {
  // The leader's own configuration would give it a lease of 1,900 ms; the others elect after 500 to 1,000 ms.
  const cluster = new VirtualCluster();
  const [first] = cluster.nodes;
  assert.ok(first !== undefined);
  first.settings = replicaSettings({
    heartbeatMs: 50,
    electionTimeoutMs: 2_000,
    clockDriftMs: 50,
    reads: 'lease',
  });
  await cluster.form();
  const former = cluster.leader();
  assert.equal(former, first, 'the node with the longer timeout leads');
  assert.equal(await cluster.write(former, 'SET k old'), '+OK');
  cluster.isolate(former);
  const next = await cluster.untilLedByAnother(former);
  assert.equal(await cluster.write(next, 'SET k new'), '+OK');
  const read = former.read('GET k');
  await cluster.advance(20);
  assert.equal(read.isDone, false, 'nobody confirms the former leader');
});
