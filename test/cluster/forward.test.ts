import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, memberId, nodeId, sessionId, term } from '../../src/base/ids.ts';
import { Forward, type LocalGroup } from '../../src/cluster/forward.ts';
import {
  encodeGroupFrame,
  encodeOpenedFrame,
  encodeReadFrame,
  frameKind,
} from '../../src/cluster/frames.ts';
import { encodeCommands, type CommandGroup } from '../../src/replica/batch.ts';
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
  readonly forward: Forward;

  constructor() {
    const local = {
      origin: { opened: (_nonce: number, session: number) => this.opened.push(session) },
      replica: {
        offer: (_from: number, _term: number, commands: CommandGroup) => {
          this.offered.push(commands);
          return true;
        },
        read: (batch: ReadBatch) => this.reading.push(batch),
      },
    };
    this.forward = new Forward({
      self,
      member,
      incarnation: 3,
      transport: {
        send: (_peer, _lane, kind) => {
          this.sent.push(kind);
          return true;
        },
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
  const frame = encodeReadFrame({ group, read: 1, commands });
  scene.receive(frameKind.read, frame);
  scene.forward.disconnected(peer);
  scene.receive(frameKind.read, frame);
  const [former, latter] = scene.reading;
  former?.done(['old']);
  assert.deepEqual(scene.sent, []);
  latter?.done(['new']);
  assert.deepEqual(scene.sent, [frameKind.readAnswer]);
});

test('a group that would stop every replica once it is in the log is not let into it', () => {
  const scene = new Scene();
  assert.equal(scene.group({ session: sessionId(0) }), false);
  assert.equal(scene.group({ acknowledged: 2 }), false, 'it acknowledges itself');
  assert.equal(scene.group({ count: 2 }), false, 'its commands are not all there');
  assert.equal(scene.group({ count: 1, body: Buffer.from('no commands') }), false);
  assert.equal(scene.offered.length, 0);
  assert.equal(scene.group({}), true);
  assert.equal(scene.group({ count: 0, body: new Uint8Array(0) }), true, 'an empty one may');
  assert.equal(scene.offered.length, 2);
});

test('frames of unknown kinds make no sense', () => {
  assert.equal(new Scene().receive(99, []), false);
});
