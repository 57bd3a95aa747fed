/**
 * Goal: the properties of the Raft paper's figure 3, linearizable reads and sound leases, under faults.
 * Method: seeded runs of `cluster/chaos`, which `npm run simulate` goes on with.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nodeId } from '../../src/base/ids.ts';
import { chaosShapes, runChaos } from './cluster/chaos.ts';
import { Cluster } from './cluster/cluster.ts';

const seeds = Number(process.env['RAFT_SEEDS'] ?? 25);
const firstSeed = Number(process.env['RAFT_FIRST_SEED'] ?? 1);

for (const { name, options } of chaosShapes) {
  test(`Raft's properties hold under faults: ${name}`, (context) => {
    let reads = 0;
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      try {
        reads += runChaos({ ...options, seed }).readsChecked;
      } catch (error) {
        context.diagnostic(`RAFT_FIRST_SEED=${seed} RAFT_SEEDS=1 fails`);
        throw error;
      }
    }
    context.diagnostic(`seeds ${firstSeed}…${firstSeed + seeds - 1}, ${reads} reads confirmed`);
    assert.ok(reads > 0, 'reads were confirmed');
  });
}

test('elections and replication get on without pre-vote and check-quorum too', () => {
  for (let seed = 1; seed <= 5; seed += 1) {
    const cluster = new Cluster({
      seed,
      voters: 3,
      config: { preVote: false, checkQuorum: false },
    });
    const leader = cluster.elect();
    cluster.isolate(leader.id);
    const next = [1, 2, 3].find((id) => id !== leader.id) ?? 1;
    cluster.member(next).raw.campaign();
    cluster.settle();
    const successor = cluster.member(next);
    assert.ok(successor.raw.isLeader);
    assert.equal(cluster.propose(successor, 'a'), 'ok');
    cluster.heal();
    cluster.tickAll();
    cluster.settle();
    assert.equal(leader.raw.isLeader, false);
    for (const member of cluster.members) assert.deepEqual(member.values, ['a']);
  }
});

test('a removed node can come back as a new member of the same group', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  const context = new Uint8Array(0);
  for (const type of ['remove-node', 'add-learner', 'add-node'] as const) {
    const change = { type, nodeId: nodeId(3) };
    assert.equal(leader.raw.proposeConfChange({ kind: 'v1', change, context }), 'ok');
    cluster.settle();
    cluster.propose(leader, type);
    cluster.settle();
  }
  cluster.tickAll();
  cluster.settle();
  assert.deepEqual(cluster.member(3).values, leader.values);
  assert.deepEqual(leader.raw.confState().voters, [1, 2, 3]);
});
