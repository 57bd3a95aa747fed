import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NodeError } from '../../src/base/errors.ts';
import { index, nodeId, term } from '../../src/base/ids.ts';
import { message, type Entry, type Message } from '../../src/raft/message.ts';
import { entryWindowBytes } from '../../src/raft/progress.ts';
import { RawNode } from '../../src/raft/raw-node.ts';
import { raftLimits } from '../../src/replica/settings.ts';
import { Cluster, type Member } from './cluster/cluster.ts';

const entry = (entryTerm: number, at: number, text = ''): Entry => ({
  term: term(entryTerm),
  index: index(at),
  type: 'normal',
  data: Buffer.from(text),
});

const append = (said: Partial<Message>): Message =>
  message({
    type: 'MsgApp',
    from: nodeId(2),
    to: nodeId(1),
    term: term(5),
    index: index(1),
    logTerm: term(1),
    ...said,
  });

/** Steps a message and gives what leaves once everything is durable. */
function answersTo(cluster: Cluster, member: Member, received: Message): readonly Message[] {
  member.raw.step(received);
  cluster.pump(member);
  while (cluster.append(member));
  return cluster.messages.splice(0);
}

const positions = (member: Member): readonly string[] =>
  member.log.map((each) => `${each.term}/${each.index}`);

const appendsTo = (cluster: Cluster, id: number): readonly Message[] =>
  cluster.messages.filter((each) => each.type === 'MsgApp' && each.to === id);

test('a follower rejects an append whose previous entry differs, and says where to look (Raft paper, 5.3)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  const grown = append({ entries: [entry(2, 2), entry(2, 3), entry(4, 4), entry(4, 5)] });
  answersTo(cluster, member, grown);
  const [answer] = answersTo(cluster, member, append({ index: index(5), logTerm: term(3) }));
  assert.equal(answer?.reject, true);
  assert.equal(answer?.index, 5);
  assert.deepEqual(
    [answer?.logTerm, answer?.rejectHint],
    [2, 3],
    'the last entry of term 3 or less',
  );
  const [short] = answersTo(cluster, member, append({ index: index(9), logTerm: term(5) }));
  assert.deepEqual([short?.logTerm, short?.rejectHint], [4, 5], 'the end of its log');
});

test('a follower replaces what conflicts, and only that (Raft paper, 5.3)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  answersTo(cluster, member, append({ entries: [entry(2, 2), entry(2, 3), entry(2, 4)] }));
  answersTo(cluster, member, append({ entries: [entry(2, 2), entry(3, 3)] }));
  assert.deepEqual(positions(member), ['2/2', '3/3']);
  answersTo(cluster, member, append({ entries: [entry(2, 2)] }));
  assert.deepEqual(positions(member), ['2/2', '3/3'], 'an old append removes nothing');
});

test('a follower commits no further than the append that tells it (Raft paper, 5.3)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  answersTo(cluster, member, append({ entries: [entry(2, 2), entry(2, 3)] }));
  answersTo(cluster, member, append({ entries: [entry(2, 2)], commit: index(3) }));
  assert.equal(member.raw.commit, 2);
});

test('an append below what is committed is answered with the commit index', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  const entries = [entry(2, 2), entry(2, 3)];
  answersTo(cluster, member, append({ entries, commit: index(3) }));
  const [answer] = answersTo(cluster, member, append({ index: index(0), logTerm: term(0) }));
  assert.deepEqual([answer?.reject, answer?.index], [false, 3]);
});

test('an acknowledgement leaves only when its entries are durable (dissertation, 3.8)', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  member.raw.step(append({ entries: [entry(2, 2)] }));
  cluster.pump(member);
  assert.equal(cluster.messages.length, 0);
  cluster.append(member);
  assert.deepEqual(
    cluster.messages.map((each) => [each.type, each.index, member.storage.lastIndex()]),
    [['MsgAppResp', 2, 2]],
  );
});

test('a leader sends an entry while its own disk writes it, and counts its own copy only once durable', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.isolate(3);
  cluster.propose(leader, 'a');
  assert.equal(appendsTo(cluster, 2).length, 1, 'sent at once');
  cluster.deliver(cluster.messages.findIndex((each) => each.to === 2));
  cluster.append(cluster.member(2));
  const before = leader.raw.commit;
  while (cluster.messages.length > 0) cluster.deliver(0);
  assert.equal(leader.raw.commit, before, 'one durable copy of three');
  cluster.append(leader);
  assert.equal(leader.raw.commit, before + 1);
});

test('several writes are under way at once, and each commits what it makes durable', () => {
  const cluster = new Cluster({ seed: 1, voters: 1 });
  const leader = cluster.electNode(1);
  const before = leader.raw.commit;
  for (const value of ['a', 'b', 'c']) cluster.propose(leader, value);
  assert.equal(leader.appendWork.length, 3);
  for (let done = 1; done <= 3; done += 1) {
    cluster.append(leader);
    assert.equal(leader.raw.commit, before + done);
    assert.equal(leader.applyWork.flatMap((work) => work.entries).length, done);
  }
});

test('entries that are not durable here are not applied, though they are committed', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  member.raw.step(append({ entries: [entry(2, 2), entry(2, 3)], commit: index(3) }));
  cluster.pump(member);
  assert.equal(member.raw.commit, 3);
  assert.equal(member.applyWork.length, 0);
  cluster.append(member);
  assert.deepEqual(
    member.applyWork.flatMap((work) => work.entries.map((each) => each.index)),
    [2, 3],
  );
});

/**
 * The Raft paper's figure 8: an entry of term 2 reaches a majority only through a leader of term 4. If its copies were counted, it
 * would be committed and could still be replaced by the leader of term 3's entry.
 */
test('an entry of an earlier term is not committed by counting its copies (Raft paper, 5.4.2)', () => {
  const cluster = new Cluster({
    seed: 1,
    voters: 5,
    config: { preVote: false, checkQuorum: false, maxMessageBytes: 1 },
  });
  const [first, second] = [cluster.electNode(1), cluster.member(2)];
  cluster.isolate(3, 4, 5);
  cluster.propose(first, 'of the first term');
  cluster.settle();
  const at = first.raw.lastIndex;
  assert.equal(second.raw.lastIndex, at);
  assert.equal(first.raw.commit, at - 1, 'two copies of five');
  // Node 2 leads the next term. Its own first entry is kept from everybody, the older one reaches node 3 too.
  cluster.heal();
  second.raw.campaign();
  cluster.pump(second);
  const isTooNew = (each: Message): boolean => each.entries.some((held) => held.index > at);
  for (let round = 0; round < 200; round += 1) {
    cluster.messages = cluster.messages.filter((each) => !isTooNew(each) && each.to <= 3);
    for (const member of cluster.members) cluster.append(member);
    if (cluster.messages.length === 0) break;
    cluster.deliver(0);
  }
  assert.ok(second.raw.isLeader);
  const acknowledge = (from: number, held: number): void => {
    const { term: current } = second.raw;
    const answer = { type: 'MsgAppResp', to: nodeId(2), term: current } as const;
    second.raw.step(message({ ...answer, from: nodeId(from), index: index(held) }));
  };
  acknowledge(1, at);
  acknowledge(3, at);
  assert.equal(second.raw.commit, at - 1, 'held by a majority, but not of its own term');
  acknowledge(3, at + 1);
  acknowledge(4, at + 1);
  assert.equal(second.raw.commit, at + 1, 'its own entry takes the older one along');
});

test('a window of messages bounds what is under way to a silent peer', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { maxInflightMessages: 4 } });
  const leader = cluster.electNode(1);
  cluster.isolate(3);
  for (let count = 0; count < 20; count += 1) cluster.propose(leader, `v${count}`);
  assert.equal(appendsTo(cluster, 3).filter((each) => each.entries.length > 0).length, 4);
  const peer = leader.raw.peers().find(({ id }) => id === 3);
  assert.equal(peer?.inflight, 4);
});

test('a window of bytes bounds what is under way to a silent peer', () => {
  const maxInflightBytes = 2 * (entryWindowBytes + 40) + 1;
  const cluster = new Cluster({ seed: 1, voters: 3, config: { maxInflightBytes } });
  const leader = cluster.electNode(1);
  cluster.isolate(3);
  for (let count = 0; count < 20; count += 1) cluster.propose(leader, 'x'.repeat(40));
  assert.equal(appendsTo(cluster, 3).filter((each) => each.entries.length > 0).length, 3);
});

/** A leader whose own log is `count` entries of `bytes` bytes, and what each step for the empty node 3 reads back. */
function leaderOfLongLog(count: number, bytes: number): { raw: RawNode; takeReads: () => number } {
  const { config, storage } = new Cluster({ seed: 1, voters: 3 }).member(1);
  const data = Buffer.alloc(bytes);
  storage.append(Array.from({ length: count }, (_, place) => ({ ...entry(1, place + 2), data })));
  storage.hardState = { term: term(1), vote: nodeId(1), commit: index(count + 1) };
  const raw = new RawNode({
    ...config,
    ...raftLimits,
    applied: index(count + 1),
    isNewGroup: true,
  });
  const drain = (): void => {
    while (raw.hasReady()) {
      for (const { type, entries, responses } of raw.ready().messages) {
        if (type === 'MsgStorageAppend') storage.append(entries);
        for (const answer of responses) if (answer.to === 1) raw.step(answer);
      }
    }
  };
  const from2 = { from: nodeId(2), to: nodeId(1), term: term(2) };
  raw.campaign();
  drain();
  for (const type of ['MsgPreVoteResp', 'MsgVoteResp'] as const) {
    raw.step(message({ ...from2, type }));
    drain();
  }
  assert.ok(raw.isLeader);
  let reads = 0;
  const read = storage.entries.bind(storage);
  storage.entries = (low, high, bytesMax) => {
    const found = read(low, high, bytesMax);
    reads += found.length;
    return found;
  };
  const takeReads = (): number => {
    const taken = reads;
    reads = 0;
    return taken;
  };
  return { raw, takeReads };
}

for (const bytes of [0, 90, 20_000]) {
  test(`no step reads back more than a few thousand entries for a peer that lags, also of ${bytes} bytes`, () => {
    const count = 12_000;
    const { raw, takeReads } = leaderOfLongLog(count, bytes);
    const from3 = { type: 'MsgAppResp', from: nodeId(3), to: nodeId(1), term: term(2) } as const;
    const end = index(count + 2);
    raw.step(
      message({
        ...from3,
        index: index(end - 1),
        reject: true,
        rejectHint: index(1),
        logTerm: term(1),
      }),
    );
    let sum = 0;
    let steps = 0;
    // Every append is acknowledged, so each step sends what the window then has room for.
    for (let held = 1; held < end; steps += 1) {
      const appends = raw.ready().messages.filter(({ type, to }) => type === 'MsgApp' && to === 3);
      const last = appends.flatMap(({ entries }) => entries).at(-1);
      assert.ok(last !== undefined, `something is under way behind entry ${held}`);
      held = last.index;
      const reads = takeReads();
      assert.ok(reads <= 5_000, `${reads} entries read back at once`);
      sum += reads;
      raw.step(message({ ...from3, index: last.index }));
    }
    assert.ok(steps > 3);
    assert.ok(sum < 2 * count, `${sum} entries were read back to send ${count}`);
  });
}

test('appends are cut at the limit in bytes, and one entry always fits', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { maxMessageBytes: 300 } });
  const leader = cluster.electNode(1);
  cluster.isolate(3);
  for (let count = 0; count < 6; count += 1) cluster.propose(leader, 'x'.repeat(100));
  cluster.propose(leader, 'y'.repeat(1000));
  cluster.settle();
  leader.raw.reportUnreachable(nodeId(3));
  cluster.heal();
  cluster.sent.length = 0;
  cluster.tickAll();
  cluster.settle();
  cluster.tickAll();
  cluster.settle();
  assert.deepEqual(cluster.member(3).values, leader.values);
  const counts = cluster.sent
    .filter((each) => each.type === 'MsgApp' && each.to === 3 && each.entries.length > 0)
    .map((each) => each.entries.length);
  assert.deepEqual(counts, [2, 2, 2, 1]);
});

test('proposals beyond the bound on uncommitted data are dropped, and taken again once it shrinks', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { maxUncommittedBytes: 100 } });
  const leader = cluster.electNode(1);
  assert.equal(cluster.propose(leader, 'x'.repeat(500)), 'ok', 'the first is always taken');
  assert.equal(cluster.propose(leader, 'y'), 'dropped');
  cluster.settle();
  assert.equal(cluster.propose(leader, 'y'), 'ok');
});

test('what is applied at a time is bounded in bytes, over several Readys', () => {
  const cluster = new Cluster({ seed: 1, voters: 1, config: { maxCommittedBytesPerReady: 200 } });
  const leader = cluster.electNode(1);
  for (let count = 0; count < 5; count += 1) cluster.propose(leader, 'x'.repeat(76));
  while (cluster.append(leader));
  const sizes: number[] = [];
  while (leader.applyWork.length > 0) {
    sizes.push(leader.applyWork.flatMap((work) => work.entries).length);
    cluster.apply(leader);
  }
  assert.deepEqual(sizes, [2, 2, 2, 2, 1], 'never more than two entries under way');
});

test('a follower drops or forwards proposals, as configured', () => {
  const dropping = new Cluster({ seed: 1, voters: 3 });
  dropping.electNode(1);
  assert.equal(dropping.propose(dropping.member(2), 'a'), 'dropped');
  const config = { disableProposalForwarding: false };
  const forwarding = new Cluster({ seed: 1, voters: 3, config });
  const leader = forwarding.electNode(1);
  assert.equal(forwarding.propose(forwarding.member(2), 'a'), 'ok');
  forwarding.settle();
  assert.deepEqual(leader.values, ['a']);
  forwarding.isolate(2);
  assert.equal(
    new Cluster({ seed: 1, voters: 3, config }).member(2).raw.propose(Buffer.from('')),
    'dropped',
  );
});

test("storage's answer of an earlier term does not make newer entries durable", () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  member.raw.step(append({ term: term(5), entries: [entry(5, 2, 'old')] }));
  cluster.pump(member);
  member.raw.step(append({ term: term(6), entries: [entry(6, 2, 'new')], commit: index(2) }));
  cluster.pump(member);
  assert.equal(member.appendWork.length, 2);
  cluster.append(member);
  assert.equal(member.applyWork.length, 0, 'only the replaced entry is durable');
  cluster.append(member);
  assert.deepEqual(
    member.applyWork.flatMap((work) => work.entries.map((each) => each.term)),
    [6],
  );
});

test("storage's answer of an earlier term does not count for the same entry written again", () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  // One leader's entry, another's in its place, and the first one's again: three writes under way.
  for (const [current, held] of [
    [5, 5],
    [6, 6],
    [7, 5],
  ] as const) {
    const commit = index(current === 7 ? 2 : 0);
    member.raw.step(append({ term: term(current), entries: [entry(held, 2)], commit }));
    cluster.pump(member);
  }
  assert.equal(member.appendWork.length, 3);
  cluster.append(member);
  assert.equal(member.applyWork.length, 0, 'the second write will replace it on disk');
  cluster.append(member);
  assert.equal(member.applyWork.length, 0);
  cluster.append(member);
  assert.equal(member.applyWork.length, 1);
});

test('an acknowledgement of what was never sent is ignored', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  const wrong = { type: 'MsgAppResp', to: nodeId(1), term: leader.raw.term } as const;
  leader.raw.step(message({ ...wrong, from: nodeId(2), index: index(1000) }));
  leader.raw.step(message({ ...wrong, from: nodeId(3), index: index(1000) }));
  assert.equal(leader.raw.commit, leader.raw.lastIndex);
  assert.equal(leader.raw.matchOf(nodeId(2)), leader.raw.lastIndex);
});

test('a restart takes a commit index that lags behind what the state machine holds', () => {
  const cluster = new Cluster({ seed: 1, voters: 1 });
  const leader = cluster.electNode(1);
  cluster.propose(leader, 'a');
  cluster.settle();
  const { applied, storage } = leader;
  storage.hardState = { ...storage.hardState, commit: index(1) };
  storage.latest = applied;
  cluster.crash(leader);
  cluster.restart(leader);
  assert.equal(leader.raw.commit, applied.index);
  assert.equal(leader.raw.applied, applied.index);
});

test('a peer behind the start of the log gets the snapshot, then the entries behind it', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const leader = cluster.electNode(1);
  cluster.isolate(3);
  for (let count = 0; count < 10; count += 1) cluster.propose(leader, `v${count}`);
  cluster.settle();
  cluster.compact(leader);
  cluster.propose(leader, 'after');
  cluster.heal();
  for (let round = 0; round < 4; round += 1) {
    cluster.tickAll();
    cluster.settle();
  }
  const late = cluster.member(3);
  assert.equal(late.base.index, leader.base.index);
  assert.deepEqual(late.values, ['after']);
  assert.deepEqual(late.applied, leader.applied);
});

test('a change of configuration that a snapshot has overtaken changes nothing', () => {
  const cluster = new Cluster({ seed: 1, voters: 3 });
  const member = cluster.member(1);
  const confState = { ...member.applied.confState, voters: [1, 2, 3, 4].map(nodeId) };
  const snapshot = { index: index(9), term: term(5), confState, data: Buffer.from('s') };
  member.raw.step(message({ ...append({}), type: 'MsgSnap', snapshot }));
  const change = { type: 'add-node' as const, nodeId: nodeId(4) };
  const context = new Uint8Array(0);
  assert.deepEqual(member.raw.applyConfChange({ kind: 'v1', change, context }), confState);
});

const isOldCopy = (held: number, last: number) => (error: unknown) =>
  error instanceof NodeError &&
  error.code === 'damaged' &&
  error.message.includes(`the log of group 7 ends at entry ${last}`) &&
  error.message.includes(`has held entry ${held}`) &&
  error.message.includes('data directory is older') &&
  error.message.includes('replace this member');

test('a member with an older copy of its log stops as damaged when its leader tells it what is committed', () => {
  const cluster = new Cluster({ seed: 1, voters: 3, config: { name: 'group 7' } });
  const leader = cluster.electNode(1);
  const follower = cluster.member(2);
  const older = follower.storage.lastIndex();
  for (const value of ['a', 'b']) cluster.propose(leader, value);
  cluster.settle();
  const held = leader.raw.commit;
  cluster.crash(follower);
  follower.storage.cutTo(older);
  cluster.restart(follower);
  cluster.tick(leader);
  const beat = cluster.messages.find(({ type, to }) => type === 'MsgHeartbeat' && to === 2);
  assert.ok(beat !== undefined);
  assert.throws(() => follower.raw.step(beat), isOldCopy(held, older));
});

test('a state machine that is ahead of the log stops its member as damaged at the start', () => {
  const { config, storage } = new Cluster({ seed: 1, voters: 1 }).member(1);
  const last = storage.lastIndex();
  const ahead = { ...config, name: 'group 7', applied: index(last + 3) };
  assert.throws(() => new RawNode(ahead), isOldCopy(last + 3, last));
});
