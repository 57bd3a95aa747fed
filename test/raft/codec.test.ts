import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { index, nodeId, term } from '../../src/base/ids.ts';
import { decodeMessage, encodeMessage } from '../../src/raft/codec.ts';
import { decodeConfChange, encodeConfChange } from '../../src/raft/conf-codec.ts';
import { emptyConfState, type ConfChangeV2 } from '../../src/raft/membership.ts';
import { message, type Entry, type Message } from '../../src/raft/message.ts';

const seed = Number(process.env['RAFT_FIRST_SEED'] ?? 20_261_121);
const run = { seed, numRuns: 300 };

const big = fc.oneof(fc.nat(1000), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
const bytes = fc.uint8Array({ maxLength: 40 });
const data = fc.oneof(bytes, fc.uint8Array({ minLength: 513, maxLength: 1500 }));
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const ids = fc
  .uniqueArray(id, { maxLength: 8 })
  .map((list) => list.sort((left, right) => left - right).map(nodeId));

const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Without the classes of byte arrays, which may differ. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, each: unknown) =>
      each instanceof Uint8Array ? Buffer.from(each).toString('hex') : each,
    ),
  );

const header = fc.record({ to: id.map(nodeId), from: id.map(nodeId), commit: big.map(index) });

const appends: fc.Arbitrary<Message> = fc
  .tuple(
    header,
    fc.integer({ min: 0, max: 2 ** 52 }),
    fc.integer({ min: 0, max: 2 ** 52 }),
    fc.array(
      fc.record({
        rise: fc.nat(3),
        type: fc.constantFrom<Entry['type']>('normal', 'conf-change', 'conf-change-v2'),
        data,
      }),
      { maxLength: 6 },
    ),
  )
  .map(([head, at, logTerm, given]) => {
    let last = logTerm;
    const entries = given.map(({ rise, type, data: held }, place): Entry => {
      last += rise + (last === 0 ? 1 : 0);
      return { term: term(last), index: index(at + place + 1), type, data: held };
    });
    const more = { index: index(at), logTerm: term(logTerm), term: term(last + 1), entries };
    return message({ type: 'MsgApp', ...head, ...more });
  });

const snapshots: fc.Arbitrary<Message> = fc
  .tuple(header, ids, ids, fc.boolean(), data)
  .map(([head, voters, outgoing, autoLeave, held]) => {
    const learners = [nodeId(Number.MAX_SAFE_INTEGER - 2)].filter(
      (each) => !voters.includes(each) && !outgoing.includes(each),
    );
    const confState = {
      ...emptyConfState,
      voters,
      votersOutgoing: outgoing,
      learners,
      autoLeave: autoLeave && outgoing.length > 0,
    };
    const snapshot = { index: index(7), term: term(3), confState, data: held };
    return message({ type: 'MsgSnap', ...head, term: term(3), snapshot });
  });

const others: fc.Arbitrary<Message> = fc
  .record({
    head: header,
    type: fc.constantFrom<Message['type']>(
      'MsgAppResp',
      'MsgVote',
      'MsgVoteResp',
      'MsgHeartbeat',
      'MsgHeartbeatResp',
      'MsgTransferLeader',
      'MsgTimeoutNow',
      'MsgReadIndexResp',
      'MsgPreVote',
      'MsgPreVoteResp',
    ),
    term: id.map(term),
    logTerm: big.map(term),
    index: big.map(index),
    rejectHint: big.map(index),
    reject: fc.boolean(),
    context: bytes,
  })
  .map(({ head, ...rest }) => message({ ...head, ...rest }));

const messages = fc.oneof(appends, snapshots, others);

test('every message comes back as it was sent', () => {
  fc.assert(
    fc.property(messages, (sent) => {
      assert.deepEqual(plain(decodeMessage(join(encodeMessage(sent)))), plain(sent));
    }),
    run,
  );
});

test('proposals and reads on their way to a leader come back without a term', () => {
  const head = { to: nodeId(1), from: nodeId(2) };
  const entries: readonly Entry[] = [
    { term: term(0), index: index(0), type: 'normal', data: Uint8Array.of(97) },
  ];
  const context = Uint8Array.of(1, 2);
  for (const sent of [
    message({ type: 'MsgProp', ...head, entries }),
    message({ type: 'MsgReadIndex', ...head, context }),
  ]) {
    assert.deepEqual(plain(decodeMessage(join(encodeMessage(sent)))), plain(sent));
  }
});

test('bytes that are no message are refused, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      decodeMessage(noise);
      decodeMessage(Uint8Array.of(1, ...noise));
      decodeConfChange({ type: 'conf-change-v2', data: noise });
    }),
    run,
  );
});

test('a damaged message is refused, or is another message that makes sense', () => {
  fc.assert(
    fc.property(messages, fc.nat(), fc.integer({ min: 0, max: 255 }), (sent, place, value) => {
      const damaged = join(encodeMessage(sent));
      damaged[place % damaged.length] = value;
      const received = decodeMessage(damaged);
      if (received === undefined) return;
      assert.notEqual(decodeMessage(join(encodeMessage(received))), undefined);
    }),
    run,
  );
});

test('a message that is cut short or has more behind it is refused', () => {
  fc.assert(
    fc.property(messages, fc.nat(), (sent, cut) => {
      const whole = join(encodeMessage(sent));
      assert.equal(decodeMessage(whole.subarray(0, cut % whole.length)), undefined);
      assert.equal(decodeMessage(Buffer.concat([whole, Buffer.of(0)])), undefined);
    }),
    run,
  );
});

test('big data is neither copied in nor copied out', () => {
  const held = new Uint8Array(4096).fill(7);
  const entries: readonly Entry[] = [
    { term: term(1), index: index(1), type: 'normal', data: held },
    { term: term(1), index: index(2), type: 'normal', data: new Uint8Array(3) },
  ];
  const sent = message({
    type: 'MsgApp',
    to: nodeId(1),
    from: nodeId(2),
    term: term(1),
    entries,
  });
  const parts = encodeMessage(sent);
  assert.ok(parts.some((part) => part.buffer === held.buffer));
  const whole = join(parts);
  assert.equal(decodeMessage(whole)?.entries[0]?.data.buffer, whole.buffer);
});

test('what makes no sense as Raft is refused', () => {
  const head = { to: nodeId(1), from: nodeId(2), term: term(2) };
  const entry = (entryTerm: number, at: number): Entry => ({
    term: term(entryTerm),
    index: index(at),
    type: 'normal',
    data: new Uint8Array(0),
  });
  const append = { type: 'MsgApp', ...head, index: index(4), logTerm: term(1) } as const;
  const both = { ...emptyConfState, voters: [nodeId(1)], learners: [nodeId(1)] };
  const snapshot = { index: index(1), term: term(1), confState: both, data: new Uint8Array(0) };
  const wrong: readonly Message[] = [
    message({ ...append, entries: [entry(1, 6)] }),
    message({ ...append, entries: [entry(2, 5), entry(1, 6)] }),
    message({ ...append, entries: [entry(3, 5)] }),
    message({ ...append, logTerm: term(3) }),
    message({ ...append, term: term(0), logTerm: term(0) }),
    message({ ...append, from: nodeId(0) }),
    message({ type: 'MsgVote', ...head, entries: [entry(1, 1)] }),
    message({ type: 'MsgProp', ...head, term: term(0) }),
    message({ type: 'MsgSnap', ...head }),
    message({ type: 'MsgSnap', ...head, snapshot }),
    message({ type: 'MsgReadIndex', ...head }),
  ];
  for (const sent of wrong) {
    assert.equal(decodeMessage(join(encodeMessage(sent))), undefined, JSON.stringify(sent));
  }
});

test('lengths that the bytes cannot hold cost no memory', () => {
  const sent = message({ type: 'MsgTimeoutNow', to: nodeId(1), from: nodeId(2), term: term(1) });
  const whole = join(encodeMessage(sent));
  whole.fill(0xff, whole.length - 4);
  assert.equal(decodeMessage(whole), undefined, 'four billion entries');
});

test('messages of storage are not encoded', () => {
  assert.throws(() => encodeMessage(message({ type: 'MsgStorageAppend', to: nodeId(1) })));
});

test('changes of configuration come back as they were proposed', () => {
  const changes = fc.array(
    fc.record({
      type: fc.constantFrom('add-node' as const, 'add-learner' as const, 'remove-node' as const),
      nodeId: id.map(nodeId),
    }),
    { maxLength: 5 },
  );
  const transition = fc.constantFrom('auto' as const, 'implicit' as const, 'explicit' as const);
  fc.assert(
    fc.property(changes, transition, bytes, (steps, kind, context) => {
      const change: ConfChangeV2 = { kind: 'v2', transition: kind, changes: steps, context };
      assert.deepEqual(plain(decodeConfChange(encodeConfChange(change))), plain(change));
    }),
    run,
  );
  const step = { type: 'update-node' as const, nodeId: nodeId(3) };
  const first = encodeConfChange({ kind: 'v1', change: step, context: Uint8Array.of(1) });
  assert.equal(first.type, 'conf-change');
  assert.deepEqual(plain(decodeConfChange(first)?.changes), [step]);
});
