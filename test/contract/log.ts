/**
 * The contract of the durable log (`src/log/log.ts`), run against every implementation.
 *
 * Each test gets a place of its own. `reopen` closes the log and opens it again at the same place, as a restart does.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { AssertionError } from '../../src/base/assert.ts';
import { clusterId, groupId, index, memberId, nodeId, term } from '../../src/base/ids.ts';
import type { GroupId } from '../../src/base/ids.ts';
import type { GroupBase, GroupWrite, Identity, Log } from '../../src/log/log.ts';
import type { Entry, EntryType, HardState } from '../../src/raft/message.ts';
import type { Storage } from '../../src/raft/ready.ts';

/** Where a log lives, for the length of one test. */
export interface LogPlace {
  open(): Promise<Log>;
  remove(): Promise<void>;
}

export const one: GroupId = groupId(1);
export const two: GroupId = groupId(2);

const confState = {
  voters: [nodeId(1), nodeId(2), nodeId(3)],
  votersOutgoing: [nodeId(1), nodeId(2)],
  learners: [nodeId(7)],
  learnersNext: [nodeId(65_535)],
  autoLeave: true,
};

export const emptyBase: GroupBase = { index: index(0), term: term(0), confState };
const laterBase: GroupBase = { index: index(2 ** 33 + 5), term: term(4), confState };

export function entry(
  at: number,
  termOfEntry: number,
  data = `${String(at)}.${String(termOfEntry)}`,
): Entry {
  return { index: index(at), term: term(termOfEntry), type: 'normal', data: Buffer.from(data) };
}

/** Entries [from, to], all of one term. */
export function run(from: number, to: number, termOfEntries = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, place) => entry(from + place, termOfEntries));
}

export function hardState(termNow: number, vote: number, commit: number): HardState {
  return { term: term(termNow), vote: nodeId(vote), commit: index(commit) };
}

/** Creates a group whose term is high enough for the entries of these tests. */
export function created(
  group: GroupId,
  entries: readonly Entry[],
  base: GroupBase = emptyBase,
): GroupWrite {
  return { group, base, hardState: hardState(9, 0, base.index), entries };
}

export const newIdentity: Identity = {
  phase: 'new',
  nodeId: nodeId(1),
  memberId: memberId('00112233445566ff'),
  incarnation: 1,
  clusterId: undefined,
  members: [],
  shards: 0,
};

export const agreedIdentity: Identity = {
  ...newIdentity,
  phase: 'agreed',
  incarnation: 2,
  clusterId: clusterId('0123456789abcdef0123456789abcdef'),
  members: [
    { nodeId: nodeId(1), memberId: memberId('00112233445566ff') },
    { nodeId: nodeId(2), memberId: memberId('ffeeddccbbaa9988') },
  ],
  shards: 16,
};

/** All that a group's view shows, with data as text. */
function shown(storage: Storage): unknown {
  const first = storage.firstIndex();
  const end = index(storage.lastIndex() + 1);
  const entries = storage.entries(first, end, Number.POSITIVE_INFINITY);
  assert(typeof entries !== 'string');
  return {
    first,
    last: storage.lastIndex(),
    hardState: storage.initialState().hardState,
    entries: entries.map((each) => `${String(each.index)}:${String(each.term)}:${text(each)}`),
    terms: entries.map((each) => storage.term(each.index)),
  };
}

const text = (from: Entry): string => Buffer.from(from.data).toString();

export function describeLog(name: string, createPlace: () => Promise<LogPlace>): void {
  describe(`${name} keeps the contract of the log`, () => {
    let place: LogPlace;
    let log: Log;
    const current = (): Log => log;
    const reopen = async (): Promise<Log> => {
      await log.close();
      log = await place.open();
      return log;
    };
    beforeEach(async () => {
      place = await createPlace();
      log = await place.open();
    });
    afterEach(async () => {
      await log.close();
      await place.remove();
    });
    describeWrites(current, reopen);
    describeStorage(current, reopen);
    describeRules(current);
    describeIdentity(current, reopen);
  });
}

type Current = () => Log;
type Reopen = () => Promise<Log>;

/** The log as it is, and then as it is after a restart. */
async function* nowAndReopened(current: Current, reopen: Reopen): AsyncGenerator<Log> {
  yield current();
  yield await reopen();
}

/** The group shows this now and after a restart. */
async function assertShown(
  current: Current,
  reopen: Reopen,
  group: GroupId,
  expected: unknown,
): Promise<void> {
  assert.deepEqual(shown(current().storage(group)), expected);
  assert.deepEqual(shown((await reopen()).storage(group)), expected);
}

function describeWrites(current: Current, reopen: Reopen): void {
  test('a fresh log has no identity and no group, also when opened again', async () => {
    for await (const log of nowAndReopened(current, reopen)) {
      assert.equal(log.identity, undefined);
      assert.deepEqual(log.groups(), []);
    }
  });

  test('a created group shows its members and nothing promised', async () => {
    await current().write([{ group: one, base: emptyBase, entries: [] }]);
    for await (const log of nowAndReopened(current, reopen)) {
      assert.deepEqual(log.groups(), [one]);
      const storage = log.storage(one);
      assert.deepEqual(storage.initialState(), { hardState: hardState(0, 0, 0), confState });
      assert.equal(storage.firstIndex(), 1);
      assert.equal(storage.lastIndex(), 0);
      assert.equal(storage.term(index(0)), 0);
    }
  });

  test('entries that continue the log are appended, of any type and also without data', async () => {
    const types: EntryType[] = ['normal', 'conf-change', 'conf-change-v2'];
    await current().write([created(one, run(1, 2))]);
    const entries = types.map((type, place) => ({ ...entry(3 + place, 2, type), type }));
    await current().write([{ group: one, entries: [...entries, entry(6, 2, '')] }]);
    for await (const log of nowAndReopened(current, reopen)) {
      const found = log.storage(one).entries(index(3), index(7), 1000);
      assert(typeof found !== 'string');
      assert.deepEqual(
        found.map((each) => [each.type, text(each)]),
        [
          ['normal', 'normal'],
          ['conf-change', 'conf-change'],
          ['conf-change-v2', 'conf-change-v2'],
          ['normal', ''],
        ],
      );
    }
  });

  for (const { what, entries, expected } of [
    { what: 'a shorter', entries: [entry(3, 2)], expected: ['1:1:1.1', '2:1:2.1', '3:2:3.2'] },
    {
      what: 'an equally long',
      entries: run(4, 5, 2),
      expected: ['1:1:1.1', '2:1:2.1', '3:1:3.1', '4:2:4.2', '5:2:5.2'],
    },
    {
      what: 'a longer',
      entries: run(1, 6, 3),
      expected: run(1, 6).map((e) => `${String(e.index)}:3:${String(e.index)}.3`),
    },
  ]) {
    test(`${what} suffix replaces the old one, of which nothing is left`, async () => {
      await current().write([created(one, run(1, 5))]);
      await current().write([{ group: one, entries }]);
      const last = expected.length;
      await assertShown(current, reopen, one, {
        first: 1,
        last,
        hardState: hardState(9, 0, 0),
        entries: expected,
        terms: expected.map((each) => Number(each.split(':')[1])),
      });
      assert.equal(
        current()
          .storage(one)
          .term(index(last + 1)),
        'unavailable',
      );
    });
  }

  test('a log cut short and grown again holds only the new entries', async () => {
    await current().write([created(one, run(1, 8))]);
    await current().write([{ group: one, entries: [entry(2, 2)] }]);
    await current().write([{ group: one, entries: run(3, 4, 5) }]);
    await assertShown(current, reopen, one, {
      first: 1,
      last: 4,
      hardState: hardState(9, 0, 0),
      entries: ['1:1:1.1', '2:2:2.2', '3:5:3.5', '4:5:4.5'],
      terms: [1, 2, 5, 5],
    });
  });

  test('one write serves several groups and leaves the others as they are', async () => {
    const three = groupId(300);
    await current().write([created(three, run(1, 3)), created(one, run(1, 2)), created(two, [])]);
    await current().write([
      { group: one, entries: [entry(2, 4)], hardState: hardState(9, 2, 1) },
      { group: two, entries: run(1, 1, 3) },
    ]);
    assert.deepEqual(current().groups(), [one, two, three]);
    assert.deepEqual((await reopen()).groups(), [one, two, three]);
    const all = [one, two, three].map((group) => shown(current().storage(group)));
    assert.deepEqual(all, [
      {
        first: 1,
        last: 2,
        hardState: hardState(9, 2, 1),
        entries: ['1:1:1.1', '2:4:2.4'],
        terms: [1, 4],
      },
      { first: 1, last: 1, hardState: hardState(9, 0, 0), entries: ['1:3:1.3'], terms: [3] },
      {
        first: 1,
        last: 3,
        hardState: hardState(9, 0, 0),
        entries: ['1:1:1.1', '2:1:2.1', '3:1:3.1'],
        terms: [1, 1, 1],
      },
    ]);
  });

  test('several writes of one group in one turn are taken in order', async () => {
    await current().write([created(one, run(1, 9))]);
    await current().write([
      { group: one, entries: run(5, 8, 2) },
      { group: one, entries: run(9, 10, 2), hardState: hardState(9, 3, 4) },
      { group: one, entries: run(6, 7, 3), hardState: hardState(10, 1, 6) },
    ]);
    await assertShown(current, reopen, one, {
      first: 1,
      last: 7,
      hardState: hardState(10, 1, 6),
      entries: ['1:1:1.1', '2:1:2.1', '3:1:3.1', '4:1:4.1', '5:2:5.2', '6:3:6.3', '7:3:7.3'],
      terms: [1, 1, 1, 1, 2, 3, 3],
    });
  });

  test('a hard state alone is kept, and again when it did not change', async () => {
    await current().write([created(one, run(1, 3))]);
    for (const state of [
      hardState(9, 3, 0),
      hardState(9, 3, 2),
      hardState(9, 3, 2),
      hardState(2 ** 40, 0, 3),
    ]) {
      await current().write([{ group: one, hardState: state, entries: [] }]);
      assert.deepEqual((await reopen()).storage(one).initialState().hardState, state);
    }
  });

  test('a write of nothing does nothing', async () => {
    await current().write([]);
    await current().write([created(one, run(1, 1))]);
    await current().write([{ group: one, entries: [] }]);
    assert.equal(current().storage(one).lastIndex(), 1);
  });

  test('entries of 5 MB come back byte for byte', async () => {
    const data = Buffer.alloc(5 * 1024 * 1024, 'a long tale ');
    const big = [1, 2, 3].map((at) => ({ ...entry(at, 1), data }));
    await current().write([created(one, big)]);
    for await (const log of nowAndReopened(current, reopen)) {
      const found = log.storage(one).entries(index(1), index(4), Number.POSITIVE_INFINITY);
      assert(typeof found !== 'string');
      assert.equal(found.length, 3);
      assert(found.every((each) => data.equals(each.data)));
    }
  });

  test('nothing is shown before the write is durable', async () => {
    await current().write([created(one, run(1, 2))]);
    const storage = current().storage(one);
    const writing = current().write([
      { group: one, entries: run(2, 3, 2), hardState: hardState(9, 1, 1) },
      created(two, []),
    ]);
    assert.equal(storage.lastIndex(), 2);
    assert.equal(storage.term(index(2)), 1);
    assert.deepEqual(storage.initialState().hardState, hardState(9, 0, 0));
    assert.deepEqual(current().groups(), [one]);
    await writing;
    assert.equal(storage.lastIndex(), 3);
    assert.equal(current().storage(one), storage);
  });

  test('closing waits for the write under way, and what comes later is refused', async () => {
    const writing = current().write([created(one, run(1, 2))]);
    const closed = current().close();
    await assert.rejects(current().write([created(two, [])]), { code: 'closing' });
    await assert.rejects(current().saveIdentity(newIdentity), { code: 'closing' });
    await Promise.all([writing, closed]);
    assert.equal((await reopen()).storage(one).lastIndex(), 2);
  });
}

function describeStorage(current: Current, reopen: Reopen): void {
  test('a log that begins behind a base knows the base and nothing before it', async () => {
    const base = laterBase.index;
    await current().write([created(one, run(base + 1, base + 3, 5), laterBase)]);
    for await (const log of nowAndReopened(current, reopen)) {
      const storage = log.storage(one);
      assert.equal(storage.firstIndex(), base + 1);
      assert.equal(storage.lastIndex(), base + 3);
      assert.equal(storage.term(base), 4);
      assert.equal(storage.term(index(base - 1)), 'compacted');
      assert.equal(storage.term(index(base + 1)), 5);
      assert.equal(storage.term(index(base + 4)), 'unavailable');
      assert.equal(storage.entries(base, index(base + 2), 100), 'compacted');
      assert.equal(storage.entries(index(base + 3), index(base + 5), 100), 'unavailable');
      assert.deepEqual(storage.entries(index(base + 4), index(base + 4), 100), []);
      assert.equal(storage.snapshot(), 'temporarily-unavailable');
    }
  });

  test('terms are known over the whole log, through cuts and restarts', async () => {
    const entries = [...run(1, 3), ...run(4, 4, 3), ...run(5, 9, 7)];
    await current().write([created(one, entries)]);
    await current().write([{ group: one, entries: [entry(6, 8), entry(7, 9)] }]);
    for await (const log of nowAndReopened(current, reopen)) {
      const terms = Array.from({ length: 9 }, (_, at) => log.storage(one).term(index(at)));
      assert.deepEqual(terms, [0, 1, 1, 1, 3, 7, 8, 9, 'unavailable']);
    }
  });

  test('entries stop before the byte limit but give at least one', async () => {
    const entries = run(1, 6).map((each) => ({ ...each, data: Buffer.alloc(10) }));
    await current().write([created(one, entries)]);
    const counts = (storage: Storage): number[] =>
      [0, 9, 10, 19, 20, 35, 60, Number.POSITIVE_INFINITY].map((bytesMax) => {
        const found = storage.entries(index(1), index(7), bytesMax);
        return typeof found === 'string' ? -1 : found.length;
      });
    assert.deepEqual(counts(current().storage(one)), [1, 1, 1, 1, 2, 3, 6, 6]);
    assert.deepEqual(counts((await reopen()).storage(one)), [1, 1, 1, 1, 2, 3, 6, 6]);
  });

  test('where changes of members stand is known over the whole log, through cuts and restarts', async () => {
    const change = (at: number, type: EntryType, termOfEntry = 1): Entry => ({
      ...entry(at, termOfEntry),
      type,
    });
    const has = (log: Log, low: number, high: number): boolean =>
      log.storage(one).hasConfChange(index(low), index(high));
    await current().write([
      created(one, [
        ...run(1, 2),
        change(3, 'conf-change'),
        ...run(4, 5),
        change(6, 'conf-change-v2'),
        ...run(7, 8),
        change(9, 'conf-change'),
      ]),
    ]);
    await current().write([{ group: one, entries: run(7, 10, 2) }]);
    for await (const log of nowAndReopened(current, reopen)) {
      assert.deepEqual(
        [
          [1, 3],
          [1, 4],
          [3, 3],
          [4, 6],
          [4, 7],
          [4, 11],
          [7, 11],
        ].map(([low = 0, high = 0]) => has(log, low, high)),
        [false, true, false, false, true, true, false],
      );
    }
    await current().write([{ group: one, entries: [entry(6, 3)] }]);
    for await (const log of nowAndReopened(current, reopen)) {
      assert.deepEqual([has(log, 1, 7), has(log, 4, 7)], [true, false]);
    }
  });

  test('entries of every age are read back, in any range', async () => {
    const data = (at: number): string => `${String(at)} ${'x'.repeat(2000)}`;
    const entries = run(1, 100).map((each) => entry(each.index, 1, data(each.index)));
    await current().write([created(one, entries)]);
    for await (const log of nowAndReopened(current, reopen)) {
      for (const [low, high] of [
        [1, 3],
        [50, 52],
        [95, 101],
        [1, 101],
      ] as const) {
        const found = log.storage(one).entries(index(low), index(high), Number.POSITIVE_INFINITY);
        assert(typeof found !== 'string');
        assert.deepEqual(
          found,
          entries.slice(low - 1, high - 1).map((each) => ({ ...each })),
        );
      }
    }
  });
}

function describeRules(current: Current): void {
  const isAssertion = (error: unknown): boolean => error instanceof AssertionError;
  const committed = { ...created(one, run(1, 5, 2)), hardState: hardState(9, 2, 3) };

  for (const [what, write] of [
    ['a gap behind the log', { group: one, entries: [entry(8, 9)] }],
    ['a gap between entries', { group: one, entries: [entry(7, 9), entry(9, 9)] }],
    ['a term that descends', { group: one, entries: [entry(7, 8)] }],
    ['an entry with a term above the hard state', { group: one, entries: [entry(7, 10)] }],
    ['replacing what is committed', { group: one, entries: [entry(3, 9)] }],
    ['a commit behind the last entry', { group: one, entries: [], hardState: hardState(9, 2, 7) }],
    ['a commit that goes back', { group: one, entries: [], hardState: hardState(9, 2, 2) }],
    ['a term that goes back', { group: one, entries: [], hardState: hardState(8, 2, 3) }],
    ['a second vote in a term', { group: one, entries: [], hardState: hardState(9, 1, 3) }],
    ['a vote taken back', { group: one, entries: [], hardState: hardState(9, 0, 3) }],
    ['a second base', { group: one, base: emptyBase, entries: [] }],
    ['a group without a base', { group: two, entries: [] }],
  ] as const) {
    test(`${what} is an assertion failure and changes nothing`, async () => {
      await current().write([committed]);
      const before = shown(current().storage(one));
      await assert.rejects(
        current().write([{ group: one, entries: run(6, 6, 9) }, write]),
        isAssertion,
      );
      assert.deepEqual(shown(current().storage(one)), before);
      assert.deepEqual(current().groups(), [one]);
    });
  }

  test('overlapping writes are an assertion failure, and the first one is not harmed', async () => {
    const first = current().write([created(one, run(1, 2))]);
    await Promise.all([
      assert.rejects(current().write([created(two, [])]), isAssertion),
      assert.rejects(current().saveIdentity(newIdentity), isAssertion),
      first,
    ]);
    assert.equal(current().storage(one).lastIndex(), 2);
    await current().write([created(two, [])]);
  });

  test('asking for a group that does not exist is an assertion failure', () => {
    assert.throws(() => current().storage(one), isAssertion);
  });
}

function describeIdentity(current: Current, reopen: Reopen): void {
  test('an identity comes back as it was saved, phase by phase', async () => {
    const formed: Identity = { ...agreedIdentity, phase: 'formed', incarnation: 2 ** 40 };
    for (const identity of [newIdentity, agreedIdentity, formed]) {
      await current().saveIdentity(identity);
      assert.deepEqual(current().identity, identity);
      assert.deepEqual((await reopen()).identity, identity);
    }
  });

  test('an identity is not shown before it is durable', async () => {
    const saving = current().saveIdentity(newIdentity);
    assert.equal(current().identity, undefined);
    await saving;
    assert.deepEqual(current().identity, newIdentity);
  });

  for (const [what, next] of [
    ['a phase that goes back', { ...newIdentity, incarnation: 3 }],
    ['another node id', { ...agreedIdentity, nodeId: nodeId(2) }],
    ['another member id', { ...agreedIdentity, memberId: memberId('ffeeddccbbaa9988') }],
    ['another cluster id', { ...agreedIdentity, clusterId: clusterId('f'.repeat(32)) }],
    ['other members', { ...agreedIdentity, members: agreedIdentity.members.slice(1) }],
    ['another number of shards', { ...agreedIdentity, shards: 17 }],
    ['an incarnation that goes back', { ...agreedIdentity, incarnation: 1 }],
  ] as const) {
    test(`${what} is an assertion failure, and the identity stays`, async () => {
      await current().saveIdentity(agreedIdentity);
      await assert.rejects(current().saveIdentity(next), AssertionError);
      assert.deepEqual((await reopen()).identity, agreedIdentity);
    });
  }
}
