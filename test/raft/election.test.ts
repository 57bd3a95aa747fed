import assert from 'node:assert/strict';
import { test } from 'node:test';

import { index, nodeId, term } from '../../src/base/ids.ts';
import { seededRandom } from '../../src/base/random.ts';
import { message, type Message } from '../../src/raft/message.ts';
import { RawNode } from '../../src/raft/raw-node.ts';
import { Cluster, electionTicks, type Member } from './cluster/cluster.ts';

const forced = Uint8Array.of(1);

const voteRequest = (said: Partial<Message> & { readonly from: Message['from'] }): Message =>
  message({
    type: 'MsgVote',
    to: nodeId(1),
    term: term(2),
    index: index(1),
    logTerm: term(1),
    ...said,
  });

/** What a node answered since the last call. */
function takeAnswers(cluster: Cluster): readonly Message[] {
  for (const member of cluster.members) while (cluster.append(member));
  const answers = cluster.messages;
  cluster.messages = [];
  return answers;
}

function stepAt(cluster: Cluster, member: Member, received: Message): readonly Message[] {
  member.raw.step(received);
  cluster.pump(member);
  return takeAnswers(cluster);
}

test('election timeouts are drawn from one to two times the configured ticks (Raft paper, 5.2)', () => {
  const seen = new Set<number>();
  for (let seed = 1; seed <= 200; seed += 1) {
    const cluster = new Cluster({ seed, voters: 1 });
    const member = cluster.member(1);
    while (!member.raw.isLeader) {
      cluster.tick(member);
      cluster.settle();
    }
    seen.add(member.ticks);
  }
  assert.deepEqual(
    [...seen].sort((left, right) => left - right),
    Array.from({ length: electionTicks }, (_, place) => electionTicks + place),
  );
});

test('a vote leaves only when it is durable (dissertation, 3.8)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  member.raw.step(voteRequest({ from: nodeId(2) }));
  cluster.pump(member);
  assert.deepEqual(cluster.messages, []);
  assert.equal(member.storage.hardState.vote, 0);
  cluster.append(member);
  assert.equal(member.storage.hardState.vote, 2);
  assert.deepEqual(
    cluster.messages.map(({ type, to, reject }) => ({ type, to, reject })),
    [{ type: 'MsgVoteResp', to: 2, reject: false }],
  );
});

test("a candidate's own vote counts only when it is durable (dissertation, 3.8)", () => {
  const cluster = new Cluster({ seed: 1, voters: 1, config: { preVote: false } });
  const member = cluster.member(1);
  member.raw.campaign();
  cluster.pump(member);
  assert.equal(member.raw.state, 'StateCandidate');
  cluster.append(member);
  assert.equal(member.raw.state, 'StateLeader');
});

test('a node votes for one candidate a term, and again for the same one (Raft paper, 5.2)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  const reject = (from: number): boolean | undefined =>
    stepAt(cluster, member, voteRequest({ from: nodeId(from) }))[0]?.reject;
  assert.equal(reject(2), false);
  assert.equal(reject(3), true);
  assert.equal(reject(2), false);
});

test('a vote survives a restart, so that nobody votes twice a term (dissertation, 3.8)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  stepAt(cluster, member, voteRequest({ from: nodeId(2) }));
  cluster.crash(member);
  cluster.restart(member);
  const [answer] = stepAt(cluster, member, voteRequest({ from: nodeId(3) }));
  assert.equal(answer?.reject, true);
});

test('a vote is refused to a log that is less up to date (Raft paper, 5.4.1)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.propose(leader, 'a');
  cluster.settle();
  const follower = cluster.member(2);
  const last = follower.raw.lastIndex;
  const cases = [
    { logTerm: 1, index: last, isGranted: true },
    { logTerm: 1, index: last - 1, isGranted: false },
    { logTerm: 0, index: last + 5, isGranted: false },
    { logTerm: 2, index: 2, isGranted: true },
  ];
  let asked = 10;
  for (const { logTerm, index: at, isGranted } of cases) {
    asked += 1;
    const request = voteRequest({
      from: nodeId(3),
      to: nodeId(2),
      term: term(asked),
      logTerm: term(logTerm),
      index: index(at),
      context: forced,
    });
    const [answer] = stepAt(cluster, follower, request);
    assert.equal(answer?.reject, !isGranted, `log ends in ${logTerm}/${at}`);
  }
});

test('a node that was cut off does not raise its term, and disturbs nobody on return (dissertation, 9.6)', () => {
  const cluster = new Cluster({ seed: 3, voters: 3 });
  const leader = cluster.elect();
  const other = leader.id === 3 ? 2 : 3;
  const before = leader.raw.term;
  cluster.isolate(other);
  for (let round = 0; round < 10 * electionTicks; round += 1) {
    cluster.tickAll();
    cluster.settle();
  }
  assert.equal(cluster.member(other).raw.state, 'StatePreCandidate');
  assert.equal(cluster.member(other).raw.term, before);
  cluster.heal();
  for (let round = 0; round < 5 * electionTicks; round += 1) {
    cluster.tickAll();
    cluster.settle();
  }
  assert.equal(cluster.leader, leader);
  assert.equal(leader.raw.term, before);
});

test('a granted pre-vote changes neither term nor vote of who grants it (dissertation, 9.6)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  const [answer] = stepAt(
    cluster,
    member,
    voteRequest({ type: 'MsgPreVote', from: nodeId(2), term: term(7) }),
  );
  assert.equal(answer?.type, 'MsgPreVoteResp');
  assert.equal(answer?.reject, false);
  assert.equal(answer?.term, 7);
  assert.equal(member.raw.term, 0);
  assert.equal(member.raw.vote, 0);
});

test('who has heard from a leader lately ignores candidates, and stays in its term (dissertation, 4.2.3)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  const request = voteRequest({ from: nodeId(3), to: nodeId(2), term: term(9), logTerm: term(9) });
  const follower = cluster.member(2);
  assert.deepEqual(stepAt(cluster, follower, request), []);
  assert.equal(follower.raw.term, leader.raw.term);
  const [answer] = stepAt(cluster, follower, { ...request, context: forced });
  assert.equal(answer?.reject, false, 'a campaign that the leader forced is answered');
});

test('a leader that hears from no quorum for an election timeout steps down (dissertation, 6.2)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.isolate(1);
  for (let round = 0; round < 2 * electionTicks; round += 1) {
    cluster.tick(leader);
    cluster.settle();
  }
  assert.equal(leader.raw.isLeader, false);
  assert.equal(leader.raw.lead, 0);
});

test('a leader with a silent minority leads on', () => {
  const cluster = new Cluster({ seed: 1, voters: 5 });
  const leader = cluster.electNode(1);
  cluster.isolate(4, 5);
  for (let round = 0; round < 6 * electionTicks; round += 1) {
    cluster.tick(leader);
    for (const id of [2, 3]) cluster.tick(cluster.member(id));
    cluster.settle();
  }
  assert.equal(leader.raw.isLeader, true);
});

/** Node 2 has heard from leader 1; then a message of a later term, that is no leader's, makes it forget it. */
function followerThatForgot(holdVotes: boolean): { cluster: Cluster; follower: Member } {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { holdVotes } });
  cluster.electNode(1);
  const follower = cluster.member(2);
  const late = message({
    type: 'MsgPreVoteResp',
    from: nodeId(3),
    to: nodeId(2),
    term: term(9),
    reject: true,
  });
  stepAt(cluster, follower, late);
  assert.equal(follower.raw.lead, 0);
  return { cluster, follower };
}

const laterVote = voteRequest({
  from: nodeId(3),
  to: nodeId(2),
  term: term(9),
  logTerm: term(9),
});

test('held votes: a later term does not free the vote of who has answered a leader', () => {
  const free = followerThatForgot(false);
  assert.equal(stepAt(free.cluster, free.follower, laterVote)[0]?.reject, false, 'without');
  const { cluster, follower } = followerThatForgot(true);
  for (const type of ['MsgVote', 'MsgPreVote'] as const) {
    for (const asked of [term(9), term(10)]) {
      assert.deepEqual(stepAt(cluster, follower, { ...laterVote, type, term: asked }), []);
    }
  }
  for (let ticks = 0; ticks < electionTicks; ticks += 1) {
    assert.equal(follower.raw.term, 9);
    assert.deepEqual(stepAt(cluster, follower, laterVote), []);
    follower.raw.tick();
  }
  assert.equal(stepAt(cluster, follower, laterVote)[0]?.reject, false, 'an election timeout later');
});

test('held votes: a restarted voter grants no unforced vote for one election timeout', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { holdVotes: true } });
  cluster.electNode(1);
  const follower = cluster.member(2);
  cluster.crash(follower);
  cluster.restart(follower);
  for (let ticks = 0; ticks < electionTicks; ticks += 1) {
    assert.deepEqual(stepAt(cluster, follower, laterVote), []);
    follower.raw.tick();
  }
  assert.equal(stepAt(cluster, follower, laterVote)[0]?.reject, false);
  cluster.crash(follower);
  cluster.restart(follower);
  const again = { ...laterVote, term: term(11), context: forced };
  assert.equal(stepAt(cluster, follower, again)[0]?.reject, false, 'a forced one at once');
});

test('held votes: a voter that crashed before the term it answered in was durable holds its vote all the same', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { holdVotes: true } });
  const follower = cluster.member(2);
  const beat = { type: 'MsgHeartbeat' as const, from: nodeId(1), to: nodeId(2), term: term(1) };
  follower.raw.step(message(beat));
  cluster.pump(follower);
  assert.deepEqual(
    cluster.messages.splice(0).map(({ type, term: answered }) => [type, answered]),
    [['MsgHeartbeatResp', 1]],
    'a lease may rest on it',
  );
  cluster.crash(follower);
  assert.equal(follower.storage.hardState.term, 0);
  cluster.restart(follower);
  for (let ticks = 0; ticks < electionTicks; ticks += 1) {
    assert.deepEqual(stepAt(cluster, follower, laterVote), []);
    follower.raw.tick();
  }
  assert.equal(stepAt(cluster, follower, laterVote)[0]?.reject, false);
});

test('held votes: who has just created the group votes at once', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { holdVotes: true } });
  assert.equal(stepAt(cluster, cluster.member(2), laterVote)[0]?.reject, false);
});

test('held votes: a node campaigns neither for itself nor forgets its leader meanwhile', () => {
  const { follower } = followerThatForgot(true);
  follower.raw.campaign();
  assert.equal(follower.raw.state, 'StateFollower');
  const cluster = new Cluster({ seed: 1, voters: 3, config: { holdVotes: true } });
  cluster.electNode(1);
  cluster.member(2).raw.forgetLeader();
  assert.equal(cluster.member(2).raw.lead, 1);
});

test('looking for members that are not acted by yet reads no entry, however long the log', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  for (let count = 0; count < 20; count += 1) cluster.propose(leader, `v${count}`);
  cluster.settle();
  cluster.tickAll();
  cluster.settle();
  const follower = cluster.member(2);
  const { commit } = follower.raw;
  assert.ok(commit > 20);
  const { storage } = follower;
  cluster.crash(follower);
  const entries = storage.entries.bind(storage);
  storage.hardState = { ...storage.hardState, commit };
  storage.entries = () => assert.fail('an entry is read');
  const raw = new RawNode({ ...follower.config, applied: index(1) });
  raw.campaign();
  assert.equal(raw.state, 'StatePreCandidate');
  storage.entries = entries;
});

/** Node 2 starts again with a change of members that is committed and that its state machine does not hold. */
function restartBeforeChange(holdsAt: 'storage' | 'memory'): RawNode {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const { config, storage } = cluster.member(2);
  const first = { term: term(1), index: index(2), type: 'normal' as const, data: Buffer.of(1) };
  const change = { ...first, index: index(3), type: 'conf-change-v2' as const };
  const later = { ...first, index: index(4) };
  const all = [first, change, later];
  const stored = holdsAt === 'storage' ? all : [first];
  storage.append(stored);
  storage.hardState = { ...storage.hardState, term: term(1), commit: index(1 + stored.length) };
  const raw = new RawNode(config);
  const rest = all.slice(stored.length);
  const at = { index: index(1 + stored.length), logTerm: term(1), term: term(1), commit: index(4) };
  raw.step(message({ type: 'MsgApp', from: nodeId(1), to: nodeId(2), ...at, entries: rest }));
  assert.equal(raw.commit, 4);
  return raw;
}

for (const holdsAt of ['storage', 'memory'] as const) {
  test(`a change of members in ${holdsAt} that is committed and not applied is in the way of a campaign`, () => {
    const raw = restartBeforeChange(holdsAt);
    raw.campaign();
    assert.equal(raw.state, 'StateFollower');
  });
}

test('learners and nodes outside the configuration do not campaign', () => {
  const cluster = new Cluster({ seed: 1, voters: 1, learners: 1, spares: 1 });
  for (const id of [2, 3]) {
    const member = cluster.member(id);
    for (let ticks = 0; ticks < 5 * electionTicks; ticks += 1) cluster.tick(member);
    member.raw.campaign();
    assert.equal(member.raw.state, 'StateFollower');
    assert.equal(member.raw.term, 0);
  }
});

test('answers of strangers and types that do not travel are refused by name', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const { raw } = cluster.member(1);
  const from = { from: nodeId(9), to: nodeId(1), term: term(1) };
  assert.equal(raw.step(message({ type: 'MsgVoteResp', ...from })), 'peer-not-found');
  assert.equal(raw.step(message({ type: 'MsgHup', ...from })), 'local-message');
  assert.equal(raw.step(message({ type: 'MsgStorageAppendResp', ...from })), 'local-message');
  assert.equal(
    raw.step(message({ type: 'MsgHeartbeat', ...from, term: term(0) })),
    'local-message',
    'a message without a term would pass as our own',
  );
  const own = message({ type: 'MsgHup', from: nodeId(1), to: nodeId(1) });
  assert.equal(raw.step(own), 'ok', 'this node may say so itself');
});

test('a core refuses configurations that it cannot work with', () => {
  const { config } = new Cluster({ seed: 1, voters: 1 }).member(1);
  const wrong = [
    { id: nodeId(0) },
    { electionTicks: 1 },
    { heartbeatTicks: 0 },
    { maxInflightMessages: 0 },
    { readOnly: 'lease-based' as const, checkQuorum: false },
  ];
  for (const part of wrong) {
    assert.throws(() => new RawNode({ ...config, random: seededRandom(1), ...part }));
  }
});
