import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nodeId } from '../../src/base/ids.ts';
import { Cluster, electionTicks } from './cluster/cluster.ts';

test('leadership goes to a member that is up to date, at once and past leases (dissertation, 3.10)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { holdVotes: true } });
  const leader = cluster.electNode(1);
  leader.raw.transferLeader(nodeId(2));
  assert.equal(leader.raw.hasForcedCampaign, true, 'its lease is over');
  cluster.settle();
  assert.ok(cluster.member(2).raw.isLeader);
  assert.equal(leader.raw.lead, 2);
});

test('a member that lags is brought up to date first (dissertation, 3.10)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.isolate(2);
  cluster.propose(leader, 'a');
  cluster.settle();
  cluster.heal();
  leader.raw.transferLeader(nodeId(2));
  assert.equal(leader.raw.hasForcedCampaign, false);
  for (let round = 0; round < 3; round += 1) {
    cluster.tick(leader);
    cluster.settle();
  }
  assert.ok(cluster.member(2).raw.isLeader);
  assert.deepEqual(cluster.member(2).values, ['a']);
});

test('proposals are dropped during a transfer, and taken again when it is given up (dissertation, 3.10)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.isolate(2);
  leader.raw.transferLeader(nodeId(2));
  assert.equal(leader.raw.leadTransferee, 2);
  assert.equal(cluster.propose(leader, 'a'), 'dropped');
  for (let ticks = 0; ticks < electionTicks; ticks += 1) {
    cluster.tick(leader);
    cluster.settle();
  }
  assert.equal(leader.raw.leadTransferee, 0);
  assert.equal(cluster.propose(leader, 'a'), 'ok');
  assert.equal(leader.raw.hasForcedCampaign, true, 'the message may still arrive in this term');
});

test('leadership is not given to learners, strangers or oneself', () => {
  const cluster = new Cluster({ seed: 1, voters: 2, learners: 1 });
  const leader = cluster.electNode(1);
  for (const id of [1, 3, 9]) {
    leader.raw.transferLeader(nodeId(id));
    assert.equal(leader.raw.leadTransferee, 0, `node ${id}`);
  }
});

test('a follower passes a transfer on to its leader, and another target replaces the first', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.isolate(2);
  leader.raw.transferLeader(nodeId(2));
  cluster.member(3).raw.transferLeader(nodeId(3));
  cluster.settle();
  assert.ok(cluster.member(3).raw.isLeader);
});
