import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, index } from '../../src/base/ids.ts';
import { frameKind as commandKind } from '../../src/cluster/frames.ts';
import { decodeRaft, frameKind } from '../../src/replica/peer-frames.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { SentFrame } from '../support/virtual-node.ts';

const raftType = ({ kind, payload }: SentFrame): string | undefined =>
  kind === frameKind.raft ? decodeRaft(payload)?.message.type : undefined;

test('an entry is on its way to the followers while the leader’s disk is still writing it', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.write(leader, 'INCR n');
  await cluster.advance(100);
  leader.isDiskHeld = true;
  const durable = new Set<number>();
  cluster.onSend = (frame) => {
    if (raftType(frame) === 'MsgAppResp') durable.add(frame.from);
  };
  const call = leader.log('INCR n');
  await cluster.advance(100);
  assert.equal(durable.size, 2, 'the followers have it');
  assert.ok(!durable.has(leader.id));
  assert.equal(call.isDone, false, 'and the leader applies it only once its own disk has it');
  leader.releaseDisk();
  assert.equal((await cluster.finished(call)).outcome, ':2');
  await cluster.converge();
});

test('a follower acknowledges nothing, and grants no vote, before its disk has it', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.write(leader, 'INCR n');
  await cluster.advance(100);
  for (const node of cluster.others(leader)) node.isDiskHeld = true;
  const answers: string[] = [];
  cluster.onSend = (frame) => {
    const type = raftType(frame);
    const promises = ['MsgAppResp', 'MsgVoteResp', 'MsgPreVoteResp'];
    if (frame.from !== leader.id && type !== undefined && promises.includes(type))
      answers.push(type);
  };
  const call = leader.log('INCR n');
  await cluster.advance(100);
  assert.deepEqual(answers, []);
  assert.equal(call.isDone, false);
  const [voter, other] = cluster.others(leader);
  assert.ok(voter !== undefined && other !== undefined);
  leader.crash();
  await cluster.advance(2_000);
  assert.deepEqual(
    answers.filter((type) => type === 'MsgVoteResp'),
    [],
    'its vote is not durable',
  );
  assert.equal(cluster.findLeader(0), undefined);
  voter.releaseDisk();
  other.releaseDisk();
  await cluster.until('another leads', () => cluster.findLeader(0) !== undefined);
});

test('a reply leaves only when a majority has the entry on disk', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  const follower = cluster.follower();
  await cluster.write(follower, 'INCR n');
  await cluster.advance(100);
  for (const node of cluster.others(leader)) node.isDiskHeld = true;
  let replies = 0;
  cluster.onSend = ({ kind }) => {
    if (kind === commandKind.answer) replies += 1;
  };
  const call = follower.log('INCR n');
  await cluster.advance(300);
  assert.equal(replies, 0);
  for (const node of cluster.nodes) node.crash();
  for (const node of cluster.nodes) node.isDiskHeld = false;
  assert.equal(call.outcome, 'lost');
});

test('telling a new commit index costs no write', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.write(leader, 'INCR n');
  await cluster.advance(1_000);
  const before = cluster.nodes.map(({ writes }) => writes);
  await cluster.write(leader, 'INCR n');
  await cluster.advance(1_000);
  const writes = cluster.nodes.map((node, place) => node.writes - (before[place] ?? 0));
  assert.deepEqual(writes, [1, 1, 1]);
});

test('commands of one turn, of all shards, are one write', async () => {
  const cluster = await new VirtualCluster({ shards: 4 }).form();
  await cluster.advance(1_000);
  const [node] = cluster.nodes;
  assert.ok(node !== undefined);
  for (let shard = 0; shard < 4; shard++) await cluster.finished(node.log('INCR n', shard));
  await cluster.advance(1_000);
  const leads = node.status().filter(({ role }) => role === 'leader');
  assert.ok(leads.length >= 1);
  const before = node.writes;
  const calls = leads.flatMap(({ shard }) =>
    Array.from({ length: 10 }, () => node.log('INCR n', shard)),
  );
  await cluster.advance(0);
  assert.ok(calls.every(({ isReplied }) => isReplied));
  assert.equal(node.writes, before + 1);
});

test('a failed write stops the node, which acknowledges nothing; the others go on', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  await cluster.write(leader, 'INCR n');
  cluster.isolate(leader);
  leader.isDiskBroken = true;
  const call = leader.log('INCR n');
  await cluster.until('it stops', () => !leader.isUp);
  assert.equal(leader.failure?.code, 'storage-failed');
  assert.equal(call.outcome, 'in-doubt');
  cluster.heal();
  const next = await cluster.untilLedByAnother(leader);
  assert.equal(await cluster.write(next, 'INCR n'), ':2');
  leader.isDiskBroken = false;
  leader.start();
  await cluster.converge();
});

test('a follower whose disk fails stops without acknowledging what it was asked to write', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  const follower = cluster.follower();
  await cluster.write(leader, 'INCR n');
  await cluster.advance(100);
  const acknowledged: number[] = [];
  cluster.onSend = (frame) => {
    if (frame.from === follower.id && raftType(frame) === 'MsgAppResp') acknowledged.push(1);
  };
  follower.isDiskBroken = true;
  assert.equal(await cluster.write(leader, 'INCR n'), ':2');
  await cluster.until('it stops', () => !follower.isUp);
  assert.equal(follower.failure?.code, 'storage-failed');
  assert.deepEqual(acknowledged, []);
});

test('a committed entry that does not decode stops every node that meets it', async () => {
  const cluster = await new VirtualCluster().form();
  await cluster.write(cluster.leader(), 'INCR n');
  await cluster.advance(200);
  for (const node of cluster.nodes) node.crash();
  for (const { disk } of cluster.nodes) {
    const log = disk.groups.get(groupId(1));
    assert.ok(log !== undefined);
    const { hardState } = log;
    const at = index(log.lastIndex() + 1);
    const bad = {
      term: hardState.term,
      index: at,
      type: 'normal',
      data: Buffer.from('no batch'),
    } as const;
    log.replaceSuffix([bad]);
    log.setHardState({ ...hardState, commit: at });
  }
  for (const node of cluster.nodes) node.start();
  await cluster.until('all stop', () => cluster.nodes.every(({ isUp }) => !isUp));
  for (const { failure } of cluster.nodes) {
    assert.equal(failure?.code, 'damaged');
    assert.match(failure.message, /was committed but is not a batch/);
  }
});

test('what was acknowledged survives a crash of all nodes at once, whatever their disks were doing', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = await new VirtualCluster({ seed }).form();
    cluster.diskMs = () => cluster.random.next() * 8;
    const calls = [];
    for (let turn = 0; turn < 20; turn++) {
      for (const node of cluster.nodes) calls.push(node.log('INCR n'));
      await cluster.advance(cluster.random.next() * 6);
    }
    for (const node of cluster.nodes) {
      if (cluster.random.next() < 0.5) node.crash();
      else await node.crashAfterWrite();
    }
    const replied = calls.filter(({ isReplied }) => isReplied).length;
    await cluster.form();
    const reply = await cluster.read(cluster.node(1), 'GET n');
    const count = Number(reply?.split('\r\n')[1] ?? 0);
    assert.ok(count >= replied && count <= calls.length, `seed ${seed}: ${count} of ${replied}`);
    await cluster.converge();
  }
});
