import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupId, memberId, sessionId, term } from '../../src/base/ids.ts';
import {
  decodeAnswerFrame,
  decodeGroupFrame,
  decodeOpenedFrame,
  decodeOpenFrame,
  decodeReadAnswerFrame,
  decodeReadFrame,
  decodeRecallFrame,
  encodeAnswerFrame,
  encodeGroupFrame,
  encodeOpenedFrame,
  encodeOpenFrame,
  encodeReadAnswerFrame,
  encodeReadFrame,
  encodeRecallFrame,
  type AnswerFrame,
} from '../../src/cluster/frames.ts';
import { encodeCommands } from '../../src/replica/batch.ts';

const plain = { noNullPrototype: true };
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const group = fc.integer({ min: 0, max: 64 }).map(groupId);
const member = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((bytes) => memberId(Buffer.from(bytes).toString('hex')));
const latin1 = fc
  .uint8Array({ maxLength: 30 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'));
const replies = fc.array(latin1);
const commands = fc.array(
  fc.record(
    {
      database: fc.integer({ min: 0, max: 15 }),
      bytes: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
    },
    plain,
  ),
);

const groupFrame = fc
  .tuple(group, u48, u48, u48, u48, fc.boolean(), commands)
  .map(([id, at, session, sequence, acknowledged, isAlone, list]) => ({
    group: id,
    term: term(at),
    commands: {
      kind: 'commands' as const,
      session: sessionId(session),
      sequence,
      acknowledged,
      isAlone,
      count: list.length,
      body: Buffer.from(encodeCommands(list)),
    },
  }));

const answerFrame: fc.Arbitrary<AnswerFrame> = fc.record(
  {
    group,
    session: u48,
    sequence: u48,
    place: u32,
    total: u32,
    answer: fc.oneof(
      fc
        .tuple(replies, u48)
        .map(([list, index]) => ({ kind: 'replies' as const, replies: list, index })),
      fc.constantFrom(
        { kind: 'forgotten' as const },
        { kind: 'gap' as const },
        { kind: 'unknown-session' as const },
      ),
    ),
  },
  plain,
);

const openFrame = fc.record({ group, incarnation: u32, nonce: u32, member }, plain);
const openedFrame = fc.record({ group, incarnation: u32, nonce: u32, member, session: u48 }, plain);
const readFrame = fc.record({ group, read: u48, floor: u48, commands }, plain);
const readAnswerFrame = fc.record(
  { group, read: u48, place: u32, index: u48, replies: fc.option(replies, { nil: undefined }) },
  plain,
);

interface Codec {
  readonly name: string;
  readonly frames: fc.Arbitrary<unknown>;
  readonly encode: (frame: never) => Uint8Array;
  readonly decode: (payload: Uint8Array) => unknown;
}

const codecs: readonly Codec[] = [
  {
    name: 'a group on its way to a leader',
    frames: groupFrame,
    encode: (frame) => Buffer.concat(encodeGroupFrame(frame)),
    decode: decodeGroupFrame,
  },
  {
    name: 'the answer to a group',
    frames: answerFrame,
    encode: encodeAnswerFrame,
    decode: decodeAnswerFrame,
  },
  {
    name: 'a question for recorded replies',
    frames: fc.record({ group, session: u48, sequence: u48 }, plain),
    encode: encodeRecallFrame,
    decode: decodeRecallFrame,
  },
  {
    name: 'a request for a session',
    frames: openFrame,
    encode: encodeOpenFrame,
    decode: decodeOpenFrame,
  },
  {
    name: 'an open session',
    frames: openedFrame,
    encode: encodeOpenedFrame,
    decode: decodeOpenedFrame,
  },
  {
    name: 'reads on their way to a leader',
    frames: readFrame,
    encode: (frame) => Buffer.concat(encodeReadFrame(frame)),
    decode: decodeReadFrame,
  },
  {
    name: 'the answer to reads',
    frames: readAnswerFrame,
    encode: encodeReadAnswerFrame,
    decode: decodeReadAnswerFrame,
  },
];

for (const { name, frames, encode, decode } of codecs) {
  test(`${name} comes back as it was encoded`, () => {
    const property = fc.property(frames, (frame) => {
      assert.deepEqual(decode(encode(frame as never)), frame);
    });
    fc.assert(property);
  });

  test(`${name} that is cut or lengthened is refused`, () => {
    const property = fc.property(frames, fc.nat(), (frame, cut) => {
      const bytes = Buffer.from(encode(frame as never));
      assert.equal(decode(bytes.subarray(0, cut % bytes.length)), undefined);
      assert.equal(decode(Buffer.concat([bytes, Buffer.of(0)])), undefined);
    });
    fc.assert(property);
  });

  test(`no bytes make the decoder of ${name} throw`, () => {
    const property = fc.property(frames, fc.nat(), fc.nat(255), (frame, place, value) => {
      const bytes = Buffer.from(encode(frame as never));
      bytes[place % bytes.length] = value;
      decode(bytes);
    });
    fc.assert(property, { numRuns: 300 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void decode(bytes)));
  });
}
