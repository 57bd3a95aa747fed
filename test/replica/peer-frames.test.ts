import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupId, index, nodeId, term } from '../../src/base/ids.ts';
import { message } from '../../src/raft/message.ts';
import {
  decodeAnswers,
  decodeHeartbeats,
  decodeRaft,
  encodeAnswers,
  encodeHeartbeats,
  encodeRaft,
  type AnswerMessage,
  type GroupMessage,
} from '../../src/replica/peer-frames.ts';

const from = nodeId(2);
const to = nodeId(1);
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const leaderTerm = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const context = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));

const heartbeat = fc
  .tuple(fc.integer({ min: 0, max: 64 }), leaderTerm, u48, context)
  .map(([group, at, commit, bytes]): GroupMessage => ({
    group: groupId(group),
    message: message({
      type: 'MsgHeartbeat',
      from,
      to,
      term: term(at),
      commit: index(commit),
      context: bytes,
    }),
  }));

const answer = fc
  .tuple(fc.integer({ min: 0, max: 64 }), u48, context, fc.boolean())
  .map(([group, at, bytes, isWell]): AnswerMessage => ({
    group: groupId(group),
    message: message({ type: 'MsgHeartbeatResp', from, to, term: term(at), context: bytes }),
    isWell,
  }));

const timeMs = fc.double({ min: 0, max: 1e12, noNaN: true });

const plain = { noNullPrototype: true };
const heartbeats = fc.record({ sentMs: timeMs, messages: fc.array(heartbeat) }, plain);
const promiseMs = fc.nat();
const answers = fc.record(
  { sentMs: timeMs, wallMs: u48, promiseMs, messages: fc.array(answer) },
  plain,
);

test('heartbeats of many groups come back as they were encoded, to the very fraction of a millisecond', () => {
  const property = fc.property(heartbeats, (said) => {
    assert.deepEqual(decodeHeartbeats(encodeHeartbeats(said), from, to), said);
  });
  fc.assert(property);
});

test('heartbeats without a term are refused, with all that came along', () => {
  const beat = (at: number): GroupMessage => ({
    group: groupId(1),
    message: message({ type: 'MsgHeartbeat', from, to, term: term(at) }),
  });
  const encoded = encodeHeartbeats({ sentMs: 1, messages: [beat(1), beat(0)] });
  assert.equal(decodeHeartbeats(encoded, from, to), undefined);
});

test('answers to heartbeats come back as they were encoded', () => {
  const property = fc.property(answers, (said) => {
    assert.deepEqual(decodeAnswers(encodeAnswers(said), from, to), said);
  });
  fc.assert(property);
});

test('an answer that says of an engine neither that it is well nor that it is not is refused', () => {
  const said = message({ type: 'MsgHeartbeatResp', from, to, term: term(3) });
  const messages = [{ group: groupId(1), message: said, isWell: true }];
  const encoded = encodeAnswers({ sentMs: 1, wallMs: 1, promiseMs: 1, messages });
  const place = encoded.length - 2;
  assert.equal(encoded[place], 1);
  assert.equal(decodeAnswers(changed(encoded, place, 0), from, to)?.messages[0]?.isWell, false);
  assert.equal(decodeAnswers(changed(encoded, place, 2), from, to), undefined);
});

test('a Raft message comes back with its group', () => {
  const sent = message({
    type: 'MsgApp',
    from,
    to,
    term: term(3),
    logTerm: term(2),
    index: index(7),
    commit: index(6),
    entries: [{ term: term(3), index: index(8), type: 'normal', data: Buffer.from('data') }],
  });
  const decoded = decodeRaft(Buffer.concat(encodeRaft({ group: groupId(9), message: sent })));
  assert.equal(decoded?.group, 9);
  assert.equal(decoded.message.type, 'MsgApp');
  assert.equal(decoded.message.index, 7);
  assert.equal(Buffer.from(decoded.message.entries[0]?.data ?? []).toString(), 'data');
});

test('frames that are cut or lengthened are refused', () => {
  const property = fc.property(heartbeats, answers, fc.nat(), (beats, said, cut) => {
    const first = Buffer.from(encodeHeartbeats(beats));
    const second = Buffer.from(encodeAnswers(said));
    assert.equal(decodeHeartbeats(first.subarray(0, cut % first.length), from, to), undefined);
    assert.equal(decodeAnswers(second.subarray(0, cut % second.length), from, to), undefined);
    assert.equal(decodeHeartbeats(Buffer.concat([first, Buffer.of(0)]), from, to), undefined);
    assert.equal(decodeAnswers(Buffer.concat([second, Buffer.of(0)]), from, to), undefined);
  });
  fc.assert(property);
});

test('no bytes make a decoder throw', () => {
  const property = fc.property(
    fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(heartbeats, fc.nat(), fc.nat(255))
        .map(([said, place, value]) => changed(encodeHeartbeats(said), place, value)),
      fc
        .tuple(answers, fc.nat(), fc.nat(255))
        .map(([said, place, value]) => changed(encodeAnswers(said), place, value)),
    ),
    (bytes) => {
      decodeHeartbeats(bytes, from, to);
      decodeAnswers(bytes, from, to);
      decodeRaft(bytes);
    },
  );
  fc.assert(property, { numRuns: 1_000 });
});

function changed(bytes: Uint8Array, place: number, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[place % copy.length] = value;
  return copy;
}
