import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memberId, nodeId, type NodeId } from '../../src/base/ids.ts';
import {
  changeMembers,
  missingQuorum,
  nextStep,
  type GroupView,
  type MemberRecord,
  type Members,
  type Step,
} from '../../src/cluster/membership.ts';
import type { ConfState } from '../../src/raft/message.ts';
import type { MemberStep } from '../../src/replica/replica.ts';

const record = (id: number, role: MemberRecord['role'] = 'voter'): MemberRecord => ({
  nodeId: nodeId(id),
  memberId: memberId(id.toString(16).padStart(16, '0')),
  address: { host: 'h', port: id },
  role,
});

const table = (...members: readonly MemberRecord[]): Members => ({ members, removed: [] });

const conf = (voters: readonly number[], learners: readonly number[] = []): ConfState => ({
  voters: voters.map(nodeId),
  votersOutgoing: [],
  learners: learners.map(nodeId),
  learnersNext: [],
  autoLeave: false,
});

const change = (...steps: readonly MemberStep[]): Step => ({ kind: 'change', steps });

const view = (given: Partial<GroupView> = {}): GroupView => ({
  self: nodeId(1),
  conf: conf([1, 2, 3]),
  isCaughtUp: () => true,
  isActive: () => true,
  ...given,
});

const refused = (outcome: Members | string, text: RegExp): void => {
  assert(typeof outcome === 'string', 'it is refused');
  assert.match(outcome, text);
};

test('a node is added as a learner, under an id above all that ever were', () => {
  const now: Members = { members: [record(1), record(3)], removed: [nodeId(7)] };
  for (const used of [1, 2, 7]) {
    const outcome = changeMembers(now, { kind: 'add', member: { ...record(used) } });
    if (used === 1) assert.equal(outcome, now, 'who is a member is not added again');
    else refused(outcome, /take one above 7/);
  }
  const next = changeMembers(now, { kind: 'add', member: record(8) });
  assert(typeof next !== 'string');
  assert.deepEqual(next.members.at(-1), record(8, 'learner'));
});

test('members are promoted, demoted and removed; what is so already changes nothing', () => {
  const now = table(record(1), record(2), record(3, 'learner'));
  const promoted = changeMembers(now, { kind: 'promote', nodeId: nodeId(3) });
  assert.deepEqual(promoted, table(record(1), record(2), record(3)));
  const demoted = changeMembers(now, { kind: 'demote', nodeId: nodeId(2) });
  assert.deepEqual(demoted, table(record(1), record(2, 'learner'), record(3, 'learner')));
  assert.equal(changeMembers(now, { kind: 'promote', nodeId: nodeId(1) }), now);
  assert.equal(changeMembers(now, { kind: 'demote', nodeId: nodeId(3) }), now);
  const removed = changeMembers(now, { kind: 'remove', nodeId: nodeId(2) });
  assert(typeof removed !== 'string');
  assert.deepEqual(removed, { members: [record(1), record(3, 'learner')], removed: [2] });
  assert.equal(changeMembers(removed, { kind: 'remove', nodeId: nodeId(2) }), removed);
  refused(changeMembers(removed, { kind: 'promote', nodeId: nodeId(2) }), /node 2 was removed/);
  refused(changeMembers(removed, { kind: 'demote', nodeId: nodeId(9) }), /node 9 is not a member/);
});

test('the last voter stays, and there are no more voters and learners than the most', () => {
  const last = table(record(1), record(2, 'learner'));
  for (const kind of ['demote', 'remove'] as const) {
    refused(changeMembers(last, { kind, nodeId: nodeId(1) }), /only voter: promote another/);
  }
  const five = [1, 2, 3, 4, 5].map((id) => record(id));
  const learners = [6, 7, 8, 9].map((id) => record(id, 'learner'));
  const full = table(...five, ...learners);
  refused(changeMembers(full, { kind: 'promote', nodeId: nodeId(6) }), /5 members vote/);
  refused(changeMembers(full, { kind: 'add', member: record(10) }), /4 members are learners/);
});

test('a change that would leave voters without a reachable majority is told from one that would not', () => {
  const reaches =
    (...ids: readonly number[]) =>
    (node: NodeId) =>
      ids.includes(node);
  const three = table(record(1), record(2), record(3), record(4, 'learner'));
  assert.equal(missingQuorum(three, reaches(1, 3)), undefined);
  assert.match(missingQuorum(three, reaches(1, 4)) ?? '', /only 1 can be reached/);
});

test('a node learns before it votes, and votes only once it has caught up', () => {
  const wanted = [record(1), record(2), record(3), record(4)];
  const four = nodeId(4);
  assert.deepEqual(nextStep(wanted, view()), change({ kind: 'learn', nodeId: four }));
  const learning = view({ conf: conf([1, 2, 3], [4]) });
  assert.deepEqual(nextStep(wanted, learning), change({ kind: 'promote', nodeId: four }));
  assert.equal(nextStep(wanted, { ...learning, isCaughtUp: () => false }), undefined);
});

test('a leader that is to go hands over first, and others go before it', () => {
  const wanted = [record(2), record(3)];
  assert.deepEqual(nextStep(wanted, view()), { kind: 'hand-over' });
  const three = nodeId(3);
  assert.deepEqual(nextStep([record(2)], view()), change({ kind: 'remove', nodeId: three }));
});

test('a voter takes the place of another in one change', () => {
  const wanted = [record(1), record(2), record(3, 'learner'), record(4)];
  const step = nextStep(wanted, view({ conf: conf([1, 2, 3], [4]) }));
  const steps = [
    { kind: 'promote', nodeId: nodeId(4) },
    { kind: 'learn', nodeId: nodeId(3) },
  ] as const;
  assert.deepEqual(step, change(...steps));
});

test('nobody is taken out while those who stay are no majority that answers', () => {
  const wanted = [record(1), record(2)];
  const isActive = (node: NodeId): boolean => node !== nodeId(2);
  assert.equal(nextStep(wanted, view({ isActive })), undefined);
  assert.deepEqual(nextStep(wanted, view()), change({ kind: 'remove', nodeId: nodeId(3) }));
});

test('nothing is done in a joint configuration, nor where all is as wanted', () => {
  const joint = { ...conf([1, 2]), votersOutgoing: [nodeId(1)] };
  assert.equal(nextStep([record(1)], view({ conf: joint })), undefined);
  assert.equal(nextStep([record(1), record(2), record(3)], view()), undefined);
});

const byNumber = (left: number, right: number): number => left - right;

/** What a group's configuration becomes. */
function taken(before: ConfState, step: Step): ConfState {
  if (step.kind === 'hand-over') return before;
  const changed = step.steps.map(({ nodeId: node }) => node);
  const voters = before.voters.filter((node) => !changed.includes(node));
  const learners = before.learners.filter((node) => !changed.includes(node));
  for (const { kind, nodeId: node } of step.steps) {
    if (kind === 'promote') voters.push(node);
    if (kind === 'learn') learners.push(node);
  }
  return { ...before, voters, learners };
}

test('from any configuration some changes lead to any table, and no leader takes out itself', () => {
  const ids = [1, 2, 3, 4, 5, 6, 7];
  const roles = fc.constantFrom('voter', 'learner', undefined);
  const assignment = fc
    .array(roles, { minLength: ids.length, maxLength: ids.length })
    .filter((all) => all.includes('voter'));
  fc.assert(
    fc.property(assignment, assignment, (from, to) => {
      const having = (all: typeof from, role: string): number[] =>
        ids.filter((_, at) => all[at] === role);
      let now = conf(having(from, 'voter'), having(from, 'learner'));
      const wanted = ids.flatMap((id, at) => (to[at] === undefined ? [] : [record(id, to[at])]));
      let [self] = now.voters;
      for (let steps = 0; steps < 40; steps += 1) {
        assert(self !== undefined);
        const step = nextStep(wanted, view({ self, conf: now }));
        if (step === undefined) break;
        const next = taken(now, step);
        assert(step.kind === 'hand-over' || next.voters.includes(self), 'the leader stays a voter');
        if (step.kind === 'hand-over') {
          const leader: NodeId = self;
          self = now.voters.find((node) => node !== leader && having(to, 'voter').includes(node));
        }
        now = next;
      }
      assert.deepEqual(now.voters.toSorted(byNumber), having(to, 'voter'));
      assert.deepEqual(now.learners.toSorted(byNumber), having(to, 'learner'));
    }),
  );
});
