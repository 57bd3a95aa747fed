import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nodeId } from '../../src/base/ids.ts';
import { message } from '../../src/raft/message.ts';
import { Cluster, electionTicks, type Member } from './cluster/cluster.ts';

const read = (cluster: Cluster, member: Member, context: string): 'ok' | 'dropped' => {
  const result = member.raw.readIndex(Buffer.from(context));
  cluster.pump(member);
  return result;
};

/** Delivers all heartbeats and answers between the leader and one follower. */
function exchange(cluster: Cluster, leader: number, follower: number): void {
  for (const [from, to] of [
    [leader, follower],
    [follower, leader],
  ]) {
    let place = cluster.messages.findIndex((each) => each.from === from && each.to === to);
    while (place >= 0) {
      cluster.deliver(place);
      place = cluster.messages.findIndex((each) => each.from === from && each.to === to);
    }
  }
}

test('a read is confirmed by a quorum of answers to a round sent after it (dissertation, 6.4)', () => {
  const cluster = new Cluster({ seed: 1, voters: 5 });
  const leader = cluster.electNode(1);
  read(cluster, leader, 'a');
  exchange(cluster, 1, 2);
  assert.equal(leader.reads.length, 0, 'two of five');
  exchange(cluster, 1, 3);
  assert.deepEqual(leader.reads, [{ index: leader.raw.commit, context: 'a' }]);
});

test('answers to an earlier round do not confirm a later read (dissertation, 6.4)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.tick(leader);
  const place = cluster.messages.findIndex((each) => each.to === 2);
  cluster.deliver(place);
  const answer = cluster.messages.findIndex((each) => each.type === 'MsgHeartbeatResp');
  read(cluster, leader, 'later');
  cluster.deliver(answer);
  assert.equal(leader.reads.length, 0);
  exchange(cluster, 1, 2);
  assert.equal(leader.reads.length, 1);
});

test('a deposed leader that does not know it confirms no read', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const old = cluster.electNode(1);
  cluster.isolate(1);
  for (let round = 0; round < 3 * electionTicks; round += 1) {
    for (const id of [2, 3]) cluster.tick(cluster.member(id));
    cluster.settle();
  }
  const next = cluster.leader;
  assert.ok(next !== undefined && next !== old && old.raw.isLeader);
  cluster.propose(next, 'a');
  read(cluster, old, 'stale');
  cluster.settle();
  cluster.heal();
  cluster.tick(old);
  cluster.settle();
  assert.equal(old.reads.length, 0);
  assert.equal(old.raw.isLeader, false);
});

test('a leader gives no index before an entry of its own term is committed (dissertation, 6.4, step 1)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.member(1);
  leader.raw.campaign();
  cluster.pump(leader);
  while (!leader.raw.isLeader) {
    for (const member of cluster.members) cluster.append(member);
    if (cluster.messages.length > 0) cluster.deliver(0);
  }
  read(cluster, leader, 'early');
  for (const id of [2, 3]) {
    const beat = { type: 'MsgHeartbeatResp', to: nodeId(1), term: leader.raw.term } as const;
    leader.raw.step(message({ ...beat, from: nodeId(id) }));
  }
  assert.equal(leader.raw.heartbeatRound, 0, 'no round is sent for it');
  assert.equal(leader.reads.length, 0);
  cluster.settle();
  assert.equal(leader.reads.length, 1);
  assert.ok((leader.reads[0]?.index ?? 0) >= leader.raw.termStart);
});

test('a follower gets an index from its leader, and drops the read without one', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  assert.equal(read(cluster, cluster.member(2), 'lost'), 'dropped');
  const leader = cluster.electNode(1);
  assert.equal(read(cluster, cluster.member(2), 'afar'), 'ok');
  cluster.settle();
  assert.deepEqual(cluster.member(2).reads, [{ index: leader.raw.commit, context: 'afar' }]);
});

test('a single voter confirms by itself, at once', () => {
  const cluster = new Cluster({ seed: 1, voters: 1, learners: 1 });
  const leader = cluster.electNode(1);
  read(cluster, leader, 'a');
  assert.equal(leader.reads.length, 1);
});

test('lease-based reads are answered without a round', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { readOnly: 'lease-based' } });
  const leader = cluster.electNode(1);
  cluster.messages.length = 0;
  read(cluster, leader, 'a');
  assert.equal(leader.reads.length, 1);
  assert.equal(cluster.messages.length, 0);
});

test('a round is confirmed once a quorum has answered it, learners aside', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, learners: 2 });
  const leader = cluster.electNode(1);
  cluster.messages.length = 0;
  const before = leader.raw.confirmedRound;
  leader.raw.beat();
  cluster.pump(leader);
  const round = leader.raw.heartbeatRound;
  exchange(cluster, 1, 4);
  exchange(cluster, 1, 5);
  assert.equal(leader.raw.confirmedRound, before);
  exchange(cluster, 1, 3);
  assert.equal(leader.raw.confirmedRound, round);
});

test('an answer that names a round that was never sent confirms nothing', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  read(cluster, leader, 'a');
  const forged = Buffer.alloc(8);
  forged.writeDoubleBE(1e9);
  const beat = { type: 'MsgHeartbeatResp', to: nodeId(1), term: leader.raw.term } as const;
  for (const context of [forged, Buffer.alloc(3), Buffer.alloc(8, 0xff)]) {
    leader.raw.step(message({ ...beat, from: nodeId(2), context }));
    cluster.pump(leader);
  }
  assert.equal(leader.reads.length, 0);
});
