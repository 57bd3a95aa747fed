import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, memberId, nodeId, sessionId, term } from '../../src/base/ids.ts';
import { Forward, type LocalGroup } from '../../src/cluster/forward.ts';
import {
  decodeAnswerFrame,
  decodeReadAnswerFrame,
  encodeGroupFrame,
  encodeOpenedFrame,
  encodeReadFrame,
  encodeRecallFrame,
  frameKind,
} from '../../src/cluster/frames.ts';
import { encodeCommands, type CommandGroup } from '../../src/replica/batch.ts';
import type { GroupAnswer } from '../../src/replica/leadership.ts';
import type { ReadBatch } from '../../src/replica/reads.ts';

const self = nodeId(1);
const peer = nodeId(2);
const group = groupId(1);
const member = memberId('00000000000000aa');

/** What node 1, in its third life, makes of frames. */
class Scene {
  readonly opened: number[] = [];
  readonly offered: CommandGroup[] = [];
  readonly reading: ReadBatch[] = [];
  readonly sent: number[] = [];
  readonly payloads: Uint8Array[] = [];
  readonly answered: string[] = [];
  /** Bytes that the lane still takes. */
  laneBytes = Infinity;
  readonly forward: Forward;

  constructor() {
    const local = {
      origin: {
        opened: (_nonce: number, session: number) => this.opened.push(session),
        answered: (session: number, sequence: number, answer: GroupAnswer) => {
          const sizes =
            answer.kind === 'replies' ? answer.replies.map(({ length }) => length) : [answer.kind];
          this.answered.push(`${session}/${sequence}: ${sizes.join(' ')}`);
        },
      },
      replica: {
        offer: (_from: number, _term: number, commands: CommandGroup) => {
          this.offered.push(commands);
          return true;
        },
        read: (batch: ReadBatch) => this.reading.push(batch),
        appliedIndex: 9,
        recorded: (session: number, sequence: number) =>
          session === 5 && sequence === 2 ? ['+OK'] : undefined,
      },
    };
    this.forward = new Forward({
      self,
      member,
      incarnation: 3,
      transport: {
        send: (_peer, _lane, kind, parts) => {
          if (this.laneBytes <= 0) return false;
          const payload = Buffer.concat(parts);
          this.laneBytes -= payload.length;
          this.sent.push(kind);
          this.payloads.push(payload);
          return true;
        },
        queuedBytes: () => Math.max(1, (64 << 20) - this.laneBytes),
      },
      groupOf: () => local as unknown as LocalGroup,
    });
  }

  receive(kind: number, parts: readonly Uint8Array[]): boolean {
    return this.forward.receive(peer, kind, Buffer.concat(parts));
  }

  group(said: Partial<CommandGroup>): boolean {
    const body = encodeCommands([{ database: 0, bytes: Buffer.from('x') }]);
    const session = sessionId(1);
    const commands: CommandGroup = {
      kind: 'commands',
      session,
      sequence: 2,
      acknowledged: 1,
      isAlone: false,
      count: 1,
      body,
      ...said,
    };
    return this.receive(frameKind.group, encodeGroupFrame({ group, term: term(1), commands }));
  }
}

test('a session that a former life of this node asked for is not taken', () => {
  const scene = new Scene();
  const asked = { kind: 'open', node: self, member, incarnation: 3, nonce: 1 } as const;
  const other = memberId('00000000000000bb');
  scene.forward.opened(group, { ...asked, incarnation: 2 }, 10);
  scene.forward.opened(group, { ...asked, member: other }, 11);
  for (const said of [{ incarnation: 2 }, { member: other }]) {
    const frame = { group, incarnation: 3, nonce: 1, member, session: 12, ...said };
    scene.receive(frameKind.opened, [encodeOpenedFrame(frame)]);
  }
  assert.deepEqual(scene.opened, []);
  scene.forward.opened(group, asked, 13);
  const frame = { group, incarnation: 3, nonce: 1, member, session: 14 };
  scene.receive(frameKind.opened, [encodeOpenedFrame(frame)]);
  assert.deepEqual(scene.opened, [13, 14]);
});

test('a read is not answered on another connection than it came by: the peer may have begun a new life', () => {
  const scene = new Scene();
  const commands = [{ database: 0, bytes: Buffer.from('x') }];
  const frame = encodeReadFrame({ group, read: 1, floor: 0, commands });
  scene.receive(frameKind.read, frame);
  scene.forward.disconnected(peer);
  scene.receive(frameKind.read, frame);
  const [former, latter] = scene.reading;
  assert.equal(former?.room(), 'gone');
  former.take(['old'], 1);
  former.refuse();
  assert.deepEqual(scene.sent, []);
  latter?.take(['new'], 1);
  assert.deepEqual(scene.sent, [frameKind.readAnswer]);
});

test('a group that would stop every replica once it is in the log is not let into it', () => {
  const scene = new Scene();
  assert.equal(scene.group({ session: sessionId(0) }), false);
  assert.equal(scene.group({ acknowledged: 2 }), false, 'it acknowledges itself');
  assert.equal(scene.group({ count: 2 }), false, 'its commands are not all there');
  assert.equal(scene.group({ count: 1, body: Buffer.from('no commands') }), false);
  const empty = { isAlone: true, count: 0, body: new Uint8Array(0) };
  assert.equal(scene.group(empty), false, 'there is nothing to resolve');
  assert.equal(scene.offered.length, 0);
  assert.equal(scene.group({}), true);
  assert.equal(scene.group({ count: 0, body: new Uint8Array(0) }), true, 'an empty one may');
  assert.equal(scene.offered.length, 2);
});

test('replies that this node’s replica has recorded are given to whoever has to recall them', () => {
  const scene = new Scene();
  const recall = (sequence: number): boolean =>
    scene.receive(frameKind.recall, [encodeRecallFrame({ group, session: 5, sequence })]);
  assert.ok(recall(1));
  assert.deepEqual(scene.sent, [], 'it has not');
  assert.ok(recall(2));
  assert.deepEqual(scene.sent, [frameKind.answer]);
  assert.deepEqual(decodeAnswerFrame(scene.payloads[0] ?? Buffer.alloc(0))?.answer, {
    kind: 'replies',
    replies: ['+OK'],
    index: 9,
  });
  assert.equal(scene.receive(frameKind.recall, [Buffer.from('?')]), false);
});

test('who has to recall replies asks all members, itself among them', () => {
  const scene = new Scene();
  const frame = { group, session: 5, sequence: 2 };
  scene.forward.recall(frame, [self, peer, nodeId(3)]);
  assert.deepEqual(scene.answered, ['5/2: 3']);
  assert.deepEqual(scene.sent, [frameKind.recall, frameKind.recall]);
});

test('frames of unknown kinds make no sense', () => {
  assert.equal(new Scene().receive(99, []), false);
});

/** Some of 700 KB, so that two make more than a frame. */
const large = (count: number): string[] =>
  Array.from({ length: count }, (_, place) => String(place).repeat(700_000));

test('an answer to a group that is too large for a frame travels as several, and is one again', () => {
  const scene = new Scene();
  const answer: GroupAnswer = { kind: 'replies', replies: ['a', 'b', ...large(3), 'c'], index: 9 };
  scene.forward.answer(group, { node: peer, session: 5, sequence: 6 }, answer);
  assert.ok(scene.payloads.length > 2);
  assert.ok(scene.payloads.every(({ length }) => length < 2 ** 20 + 100));
  const frames = [...scene.payloads];
  const receive = (at: number): boolean => scene.receive(frameKind.answer, [frames[at]!]);
  for (let at = 0; at < frames.length; at++) {
    assert.deepEqual(scene.answered, []);
    receive(at);
  }
  assert.deepEqual(scene.answered, ['5/6: 1 1 700000 700000 700000 1']);
  // An answer that broke off is not joined with another, and one that comes again is whole.
  for (const at of [0, 2, 1]) receive(at);
  assert.equal(scene.answered.length, 1);
  for (let at = 0; at < frames.length; at++) receive(at);
  assert.equal(scene.answered.length, 2);
  assert.equal(scene.answered[1], scene.answered[0]);
  receive(0);
  scene.forward.disconnected(peer);
  for (let at = 1; at < frames.length; at++) receive(at);
  assert.equal(scene.answered.length, 2);
});

test('what a full lane refuses of answers to groups is kept, once, and leaves in order when there is room', () => {
  const scene = new Scene();
  const to = { node: peer, session: 5, sequence: 1 };
  scene.laneBytes = 1_000_000;
  scene.forward.answer(group, to, { kind: 'replies', replies: large(4), index: 9 });
  scene.forward.answer(
    group,
    { ...to, sequence: 2 },
    { kind: 'replies', replies: ['next'], index: 9 },
  );
  scene.forward.answer(group, to, { kind: 'replies', replies: large(4), index: 9 });
  scene.forward.answer(group, { ...to, sequence: 3 }, { kind: 'forgotten' });
  const before = scene.payloads.length;
  scene.forward.tick();
  assert.equal(scene.payloads.length, before, 'there is no room yet');
  scene.laneBytes = 1_000_000;
  scene.forward.tick();
  assert.ok(scene.payloads.length > before);
  scene.laneBytes = Infinity;
  scene.forward.tick();
  scene.forward.tick();
  for (const payload of scene.payloads) scene.receive(frameKind.answer, [payload]);
  assert.deepEqual(scene.answered, [
    '5/1: 700000 700000 700000 700000',
    '5/2: 4',
    '5/3: forgotten',
  ]);
});

test('replies to reads that the lane does not take stay undone, and nothing is read while it is half full', () => {
  const scene = new Scene();
  const commands = Array.from({ length: 4 }, () => ({ database: 0, bytes: Buffer.from('x') }));
  scene.receive(frameKind.read, encodeReadFrame({ group, read: 1, floor: 0, commands }));
  const [batch] = scene.reading;
  assert.equal(batch?.room(), 'now');
  scene.laneBytes = 1_000_000;
  assert.equal(batch.room(), 'later');
  assert.equal(batch.take(large(4), 1), 2);
  assert.equal(batch.take(large(2), 1), 0);
  scene.laneBytes = Infinity;
  assert.equal(batch.take(['c', 'd'], 1), 2);
  const places = scene.payloads.map((payload) => {
    const frame = decodeReadAnswerFrame(payload);
    return [frame?.place, frame?.replies?.length];
  });
  assert.deepEqual(places, [
    [0, 1],
    [1, 1],
    [2, 2],
  ]);
});
