import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { nodeId, type NodeId } from '../../src/base/ids.ts';
import {
  changeConf,
  emptyConfState,
  isValidConf,
  type ConfChangeSingle,
  type ConfChangeV2,
} from '../../src/raft/membership.ts';
import type { ConfState } from '../../src/raft/message.ts';
import { jointCommitted, jointVote, majorityVote } from '../../src/raft/quorum.ts';
import { Cluster, type Member } from './cluster/cluster.ts';

const seed = Number(process.env['RAFT_FIRST_SEED'] ?? 20_261_121);
const context = new Uint8Array(0);

const id = fc.integer({ min: 1, max: 5 }).map(nodeId);
const step: fc.Arbitrary<ConfChangeSingle> = fc.record({
  type: fc.constantFrom('add-node' as const, 'add-learner' as const, 'remove-node' as const),
  nodeId: id,
});
const change: fc.Arbitrary<ConfChangeV2> = fc.record({
  kind: fc.constant('v2' as const),
  transition: fc.constantFrom('auto' as const, 'implicit' as const, 'explicit' as const),
  changes: fc.array(step, { maxLength: 4 }),
  context: fc.constant(context),
});

/** Every set of nodes 1…5 that decides in a configuration. */
function quorums(conf: ConfState): readonly ReadonlySet<number>[] {
  const found: Set<number>[] = [];
  for (let bits = 0; bits < 32; bits += 1) {
    const votes = new Map<NodeId, boolean>();
    for (let node = 1; node <= 5; node += 1) {
      votes.set(nodeId(node), (bits & (1 << (node - 1))) !== 0);
    }
    if (jointVote(conf.voters, conf.votersOutgoing, votes) !== 'VoteWon') continue;
    found.push(new Set([...votes].filter(([, vote]) => vote).map(([node]) => node)));
  }
  return found;
}

test('quorums before and after any accepted change overlap (dissertation, 4.1 and 4.3)', () => {
  const start: ConfState = { ...emptyConfState, voters: [1, 2, 3].map(nodeId) };
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
      let conf = start;
      for (const each of changes) {
        const next = changeConf(conf, each);
        if ('refused' in next) continue;
        assert.ok(isValidConf(next));
        for (const before of quorums(conf)) {
          for (const after of quorums(next)) {
            assert.ok([...before].some((node) => after.has(node)));
          }
        }
        conf = next;
      }
    }),
    { seed, numRuns: 200 },
  );
});

test('a quorum commits what a majority of each half holds', () => {
  const acks = fc.array(fc.nat(5), { minLength: 5, maxLength: 5 });
  const voters = fc.uniqueArray(id, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(voters, fc.uniqueArray(id, { maxLength: 5 }), acks, (incoming, outgoing, held) => {
      const acknowledged = (node: NodeId): number | undefined => held[node - 1];
      const committed = jointCommitted(incoming, outgoing, { acknowledged });
      let expected = 0;
      for (let at = 1; at <= 5; at += 1) {
        const votes = new Map(
          [1, 2, 3, 4, 5].map((node) => [nodeId(node), (held[node - 1] ?? 0) >= at]),
        );
        const isHeld = [incoming, outgoing].every(
          (half) => majorityVote(half, votes) === 'VoteWon',
        );
        if (isHeld) expected = at;
      }
      assert.equal(committed, expected);
    }),
    { seed, numRuns: 300 },
  );
});

const propose = (
  member: Member,
  changes: readonly ConfChangeSingle[],
  transition: ConfChangeV2['transition'] = 'auto',
): 'ok' | 'dropped' | 'refused' =>
  member.raw.proposeConfChange({ kind: 'v2', transition, changes, context });

const add = (node: number): ConfChangeSingle => ({ type: 'add-node', nodeId: nodeId(node) });
const remove = (node: number): ConfChangeSingle => ({ type: 'remove-node', nodeId: nodeId(node) });

test('only one change of configuration is on its way at a time (dissertation, 4.1)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, spares: 2 });
  const leader = cluster.electNode(1);
  assert.equal(propose(leader, [add(4)]), 'ok');
  assert.equal(propose(leader, [add(5)]), 'refused');
  cluster.settle();
  assert.deepEqual(leader.raw.confState().voters, [1, 2, 3, 4]);
  assert.equal(propose(leader, [add(5)]), 'ok');
});

test('a change that would leave no voter, or makes no sense now, is refused before the log', () => {
  const cluster = new Cluster({ seed: 1, voters: 1 });
  const leader = cluster.electNode(1);
  assert.equal(propose(leader, [remove(1)]), 'refused');
  assert.equal(propose(leader, []), 'refused', 'nothing to leave');
  cluster.settle();
  assert.deepEqual(leader.raw.confState().voters, [1]);
});

test('a joint change replaces several voters and is left by itself (dissertation, 4.3)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, spares: 2 });
  const leader = cluster.electNode(1);
  assert.equal(propose(leader, [remove(2), remove(3), add(4), add(5)]), 'ok');
  cluster.settle();
  for (const member of [leader, cluster.member(4), cluster.member(5)]) {
    assert.deepEqual(member.raw.confState(), {
      ...emptyConfState,
      voters: [1, 4, 5].map(nodeId),
    });
  }
});

test('while a configuration is joint, both halves must agree (dissertation, 4.3)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, spares: 2 });
  const leader = cluster.electNode(1);
  propose(leader, [remove(2), remove(3), add(4), add(5)], 'explicit');
  cluster.settle();
  assert.deepEqual(leader.raw.confState().votersOutgoing, [1, 2, 3]);
  const before = leader.raw.commit;
  cluster.isolate(2, 3);
  cluster.propose(leader, 'a');
  cluster.settle();
  assert.equal(leader.raw.commit, before, 'a majority of the new half alone');
  cluster.heal();
  cluster.tickAll();
  cluster.settle();
  assert.equal(leader.raw.commit, before + 1);
  assert.equal(propose(leader, []), 'ok');
  cluster.settle();
  assert.deepEqual(leader.raw.confState().votersOutgoing, []);
});

test('learners receive everything and count for nothing (dissertation, 4.2.1)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, learners: 2 });
  const leader = cluster.electNode(1);
  cluster.isolate(2, 3);
  const before = leader.raw.commit;
  cluster.propose(leader, 'a');
  cluster.settle();
  assert.equal(cluster.member(4).raw.lastIndex, leader.raw.lastIndex);
  assert.equal(leader.raw.commit, before);
});

test('a leader that is removed steps down where it is told to, else leads without a vote (dissertation, 4.2.2)', () => {
  for (const stepDownOnRemoval of [true, false]) {
    const cluster = new Cluster({ seed: 1, voters: 3, config: { stepDownOnRemoval } });
    const leader = cluster.electNode(1);
    propose(leader, [remove(1)]);
    cluster.settle();
    assert.equal(leader.raw.isLeader, !stepDownOnRemoval);
    assert.equal(cluster.propose(leader, 'a'), 'dropped');
  }
});
