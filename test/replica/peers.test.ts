import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, index, nodeId, term, type GroupId } from '../../src/base/ids.ts';
import { message, type Message } from '../../src/raft/message.ts';
import { WallClocks } from '../../src/replica/cluster-time.ts';
import {
  decodeAnswers,
  decodeHeartbeats,
  encodeAnswers,
  encodeHeartbeats,
  encodeRaft,
  frameKind,
} from '../../src/replica/peer-frames.ts';
import { Peers } from '../../src/replica/peers.ts';
import type { Replica } from '../../src/replica/replica.ts';
import type { Lane } from '../../src/transport/transport.ts';

const self = nodeId(1);
const peer = nodeId(2);

interface Sent {
  readonly to: number;
  readonly lane: Lane;
  readonly kind: number;
  readonly payload: Buffer;
}

/** The peers of node 1, whose replicas note what reaches them. */
class Scene {
  nowMs = 1_000;
  readonly sent: Sent[] = [];
  readonly stepped: string[] = [];
  readonly answeredMs: number[] = [];
  readonly wellness: boolean[] = [];
  isEngineWell = true;
  readonly peers: Peers;

  constructor() {
    const clock = { monotonicMs: () => this.nowMs, wallMs: () => 5_000 };
    this.peers = new Peers({
      self,
      transport: {
        send: (to, lane, kind, parts) => {
          this.sent.push({ to, lane, kind, payload: Buffer.concat(parts) });
          return true;
        },
      },
      clock,
      walls: new WallClocks({ clock, self }),
      promiseMs: 441,
      replicaOf: (group) => this.#replica(group),
    });
  }

  #replica(group: GroupId): Replica {
    const replica = {
      step: ({ type }: Message) => this.stepped.push(`${group} ${type}`),
      isEngineWell: this.isEngineWell,
      heartbeatAnswered: (
        _from: number,
        _term: number,
        { sentMs, isWell }: { readonly sentMs: number; readonly isWell: boolean },
      ) => {
        this.answeredMs.push(sentMs);
        this.wellness.push(isWell);
      },
    };
    return replica as unknown as Replica;
  }

  heartbeats(sentMs: number, ...groups: number[]): boolean {
    const messages = groups.map((group) => ({ group: groupId(group), message: beat }));
    const frame = encodeHeartbeats({ sentMs, messages });
    return this.peers.receive(peer, frameKind.heartbeats, frame);
  }

  answers(sentMs: number, isWell = true): boolean {
    const said = message({ type: 'MsgHeartbeatResp', to: self, from: peer, term: term(3) });
    const messages = [{ group: groupId(1), message: said, isWell }];
    const frame = encodeAnswers({ sentMs, wallMs: 5_000, promiseMs: 441, messages });
    return this.peers.receive(peer, frameKind.answers, frame);
  }
}

const beat = message({ type: 'MsgHeartbeat', to: peer, from: self, term: term(3) });
const answer = message({ type: 'MsgHeartbeatResp', to: peer, from: self, term: term(3) });

test('heartbeats of all groups to a peer share a frame on the control lane, stamped as it leaves', () => {
  const scene = new Scene();
  scene.peers.send(groupId(1), beat);
  scene.nowMs += 7;
  scene.peers.send(groupId(2), beat);
  assert.equal(scene.sent.length, 0);
  scene.peers.flush();
  const [frame] = scene.sent;
  assert.equal(scene.sent.length, 1);
  assert.equal(frame?.lane, 'control');
  const decoded = decodeHeartbeats(frame.payload, self, peer);
  assert.equal(decoded?.sentMs, 1_007);
  assert.deepEqual(
    decoded.messages.map(({ group }) => group),
    [1, 2],
  );
  scene.peers.flush();
  assert.equal(scene.sent.length, 1, 'once');
});

test('answers to several heartbeats together name the earliest, so a lease is never too long', () => {
  const scene = new Scene();
  scene.heartbeats(40, 1);
  scene.heartbeats(30, 1);
  scene.heartbeats(50, 1);
  scene.peers.send(groupId(1), answer);
  scene.peers.flush();
  assert.equal(decodeAnswers(scene.sent[0]?.payload ?? Buffer.alloc(0), self, peer)?.sentMs, 30);
  scene.heartbeats(90, 1);
  scene.peers.send(groupId(1), answer);
  scene.peers.flush();
  assert.equal(decodeAnswers(scene.sent[1]?.payload ?? Buffer.alloc(0), self, peer)?.sentMs, 90);
});

test('an answer reaches the replica with the time at which its heartbeat was sent', () => {
  const scene = new Scene();
  assert.ok(scene.answers(960));
  assert.deepEqual(scene.stepped, ['1 MsgHeartbeatResp']);
  assert.deepEqual(scene.answeredMs, [960]);
});

test('an answer says whether the engine of its group is well', () => {
  const scene = new Scene();
  for (const isWell of [true, false]) {
    scene.isEngineWell = isWell;
    scene.heartbeats(40, 1);
    scene.peers.send(groupId(1), answer);
    scene.peers.flush();
    assert.ok(scene.answers(40, isWell));
  }
  const said = scene.sent.map(({ payload }) => decodeAnswers(payload, self, peer)?.messages[0]);
  assert.deepEqual(
    said.map((each) => each?.isWell),
    [true, false],
  );
  assert.deepEqual(scene.wellness, [true, false]);
});

test('an answer to what has not been sent yet is refused: no lease may rest on it', () => {
  const scene = new Scene();
  assert.equal(scene.answers(1_001), false);
  assert.equal(scene.answers(Number.NaN), false);
  assert.deepEqual(scene.answeredMs, []);
});

test('appends and their answers go by the data lane, votes by the control lane, at once', () => {
  const scene = new Scene();
  for (const type of [
    'MsgApp',
    'MsgAppResp',
    'MsgVote',
    'MsgPreVoteResp',
    'MsgTimeoutNow',
  ] as const) {
    scene.peers.send(groupId(1), message({ type, to: peer, from: self, term: term(3) }));
  }
  assert.deepEqual(
    scene.sent.map(({ lane }) => lane),
    ['data', 'data', 'control', 'control', 'control'],
  );
});

test('a message that names another sender than the peer that sent it is refused', () => {
  const scene = new Scene();
  const said = { type: 'MsgApp', to: self, term: term(3), index: index(0) } as const;
  const frame = (from: number): Buffer =>
    Buffer.concat(
      encodeRaft({ group: groupId(1), message: message({ ...said, from: nodeId(from) }) }),
    );
  assert.equal(scene.peers.receive(peer, frameKind.raft, frame(3)), false);
  assert.equal(scene.stepped.length, 0);
  assert.ok(scene.peers.receive(peer, frameKind.raft, frame(2)));
  assert.deepEqual(scene.stepped, ['1 MsgApp']);
});

test('frames of unknown kinds and bytes that are no frame are refused', () => {
  const { peers } = new Scene();
  assert.equal(peers.receive(peer, 9, Buffer.alloc(0)), false);
  for (const kind of Object.values(frameKind)) {
    assert.equal(peers.receive(peer, kind, Buffer.from('?')), false);
  }
});
