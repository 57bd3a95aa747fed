/**
 * Both sides of the handshake without a socket: frames of one are handed to the other by the test.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { clusterId, memberId, nodeId } from '../../src/base/ids.ts';
import {
  AcceptorHandshake,
  DiallerHandshake,
  greetingBytesMax,
  handshakeBytesMax,
  ownKinds,
  refusalFrame,
  type DialledLane,
  type Handshake,
  type HandshakeStep,
  type OwnFrame,
} from '../../src/transport/handshake.ts';
import type { Hello, Refusal } from '../../src/transport/transport.ts';

const helloOf = (id: number, greeting = ''): Hello => ({
  nodeId: nodeId(id),
  memberId: memberId(`000000000000000${id}`),
  incarnation: id * 1000,
  clusterId: id === 2 ? clusterId('0123456789abcdef'.repeat(2)) : undefined,
  greeting,
});

interface Side {
  readonly hello?: Hello;
  readonly secret?: string;
  readonly judge?: (peer: Hello) => Refusal | undefined;
}

const common = (side: Side, id: number) => ({
  secret: side.secret,
  hello: () => side.hello ?? helloOf(id),
  verify: side.judge ?? (() => undefined),
  randomBytes: (count: number): Uint8Array => randomBytes(count),
});

const dialler = (side: Side = {}, lane: DialledLane = 'data', expected = 1): DiallerHandshake =>
  new DiallerHandshake({ ...common(side, 2), lane, expected: nodeId(expected) });

const acceptor = (side: Side = {}): AcceptorHandshake => new AcceptorHandshake(common(side, 1));

/** Passes frames to and fro until nobody says more; answers the last result of each side. */
function run(
  first: Handshake,
  second: Handshake,
): { readonly dialler: HandshakeStep['result']; readonly acceptor: HandshakeStep['result'] } {
  const results: HandshakeStep['result'][] = [{ kind: 'waiting' }, { kind: 'waiting' }];
  const sides = [first, second];
  let frames: readonly OwnFrame[] = first.open();
  for (let to = 1; frames.length > 0; to = 1 - to) {
    const said: OwnFrame[] = [];
    for (const frame of frames) {
      if (results[to]!.kind === 'failed') break;
      const step = sides[to]!.receive(frame.kind, frame.payload);
      results[to] = step.result;
      said.push(...step.send);
    }
    frames = said;
  }
  return { dialler: results[0]!, acceptor: results[1]! };
}

test('both sides accept and know the other by its hello', () => {
  const side: Side = { secret: 's', hello: helloOf(2, '{"phase":"Grün"}') };
  const result = run(dialler(side), acceptor({ secret: 's' }));
  assert.deepEqual(result.dialler, { kind: 'accepted', peer: helloOf(1), lane: 'data' });
  assert.deepEqual(result.acceptor, { kind: 'accepted', peer: side.hello, lane: 'data' });
});

test('ids of proxies, which have 32 bits, pass as they are', () => {
  const hello = { ...helloOf(2), nodeId: nodeId(2 ** 32 - 1) };
  const { acceptor: result } = run(dialler({ hello }), acceptor());
  assert.deepEqual(result, { kind: 'accepted', peer: hello, lane: 'data' });
});

test('the largest greeting passes, and its frame fits the bound', () => {
  const side: Side = { hello: helloOf(2, 'g'.repeat(greetingBytesMax)) };
  assert(dialler(side).open()[0]!.payload.length <= handshakeBytesMax);
  assert.equal(run(dialler(side), acceptor()).acceptor.kind, 'accepted');
});

test('the dialler finds the other secret, and judges nobody', () => {
  let judged = 0;
  const judge = (): undefined => {
    judged += 1;
  };
  const result = run(dialler({ secret: 'a', judge }), acceptor({ secret: 'b', judge }));
  assert.deepEqual(result.dialler, { kind: 'failed', failure: { kind: 'secret' } });
  assert(result.acceptor.kind === 'failed' && result.acceptor.failure.kind === 'refused');
  assert.equal(result.acceptor.failure.peer, undefined);
  assert.match(result.acceptor.failure.refusal.reason, /clusterSecret/);
  assert.equal(judged, 0);
});

test('a secret differs from none', () => {
  const result = run(dialler({ secret: 'a' }), acceptor());
  assert.deepEqual(result.dialler, { kind: 'failed', failure: { kind: 'secret' } });
});

test('a fatal refusal from somebody who has proved nothing means later', () => {
  const fatal = refusalFrame({ kind: 'fatal', reason: 'stop!\n\u001b[31m' });
  for (const side of [dialler(), acceptor()]) {
    side.open();
    const { result } = side.receive(fatal.kind, fatal.payload);
    assert.deepEqual(result, {
      kind: 'failed',
      failure: {
        kind: 'refused',
        peer: undefined,
        refusal: { kind: 'later', reason: 'stop!  [31m' },
      },
    });
  }
});

test('a proof that was overheard is worth nothing the next time', () => {
  const honest = dialler({ secret: 's' });
  const first = acceptor({ secret: 's' });
  const opening = honest.open()[0]!;
  const answer = first.receive(opening.kind, opening.payload).send[0]!;
  const proof = honest.receive(answer.kind, answer.payload).send[0]!;
  assert.equal(first.receive(proof.kind, proof.payload).result.kind, 'accepted');
  const second = acceptor({ secret: 's' });
  second.receive(opening.kind, opening.payload);
  const { result } = second.receive(proof.kind, proof.payload);
  assert.deepEqual(result, { kind: 'failed', failure: { kind: 'secret' } });
});

test("the acceptor does not take its own proof for the dialler's", () => {
  const opening = dialler({ secret: 's' }).open()[0]!;
  const side = acceptor({ secret: 's' });
  const answer = side.receive(opening.kind, opening.payload).send[0]!;
  const { result } = side.receive(ownKinds.proof, answer.payload.subarray(0, 32));
  assert.deepEqual(result, { kind: 'failed', failure: { kind: 'secret' } });
});

test('a hello that was altered on the way spoils the proof', () => {
  const opening = dialler({ secret: 's' }).open()[0]!;
  for (const at of [0, 32, 36, 40, 50, 60]) {
    const honest = dialler({ secret: 's' });
    const sent = honest.open()[0]!;
    const altered = Buffer.from(sent.payload);
    altered[at] = altered[at]! ^ 1;
    const step = acceptor({ secret: 's' }).receive(opening.kind, altered);
    if (step.result.kind === 'failed') continue;
    const answer = step.send[0]!;
    const { result } = honest.receive(answer.kind, answer.payload);
    assert.deepEqual(result, { kind: 'failed', failure: { kind: 'secret' } }, `byte ${at}`);
  }
});

test('each side learns the refusal of the other, also when both refuse', () => {
  const fatal: Refusal = { kind: 'fatal', reason: 'wiped' };
  const later: Refusal = { kind: 'later', reason: 'not yet' };
  const both = run(dialler({ judge: () => fatal }), acceptor({ judge: () => later }));
  assert.deepEqual(both.acceptor, {
    kind: 'failed',
    failure: { kind: 'refused', peer: 2, refusal: fatal },
  });
  assert.deepEqual(both.dialler, {
    kind: 'failed',
    failure: { kind: 'refused', peer: 1, refusal: later },
  });
});

test('a dialler that refused knows so when the other side closes', () => {
  const fatal: Refusal = { kind: 'fatal', reason: 'wiped' };
  const side = dialler({ judge: () => fatal });
  assert.equal(side.onClosed, undefined);
  const result = run(side, acceptor());
  assert.equal(result.dialler.kind, 'waiting');
  assert.deepEqual(side.onClosed, { kind: 'we-refused', peer: 1, refusal: fatal });
});

test('another node at the address is named to the dialler, and the acceptor lets nobody in', () => {
  const result = run(dialler({}, 'control', 3), acceptor());
  assert.deepEqual(result.dialler, { kind: 'failed', failure: { kind: 'wrong-node', found: 1 } });
  assert.equal(result.acceptor.kind, 'waiting');
});

test('an acceptor refuses a node with its own id', () => {
  const result = run(dialler({ hello: helloOf(1) }), acceptor());
  assert(result.dialler.kind === 'failed' && result.dialler.failure.kind === 'refused');
  assert.match(result.dialler.failure.refusal.reason, /node id 1 is used by two nodes/);
});

test('a probe compares secrets and nothing else', () => {
  const judge = (): Refusal => ({ kind: 'fatal', reason: 'judged' });
  const result = run(dialler({ judge }, 'probe'), acceptor({ judge }));
  assert.deepEqual(result.dialler, { kind: 'failed', failure: { kind: 'probed' } });
  assert.equal(result.acceptor.kind, 'waiting');
});

test('frames out of order, of unknown kinds, cut short or full of noise end the handshake', () => {
  const opening = dialler().open()[0]!;
  const kinds = [0, 239, ...Object.values(ownKinds), 255];
  for (const kind of kinds) {
    for (const payload of [Buffer.alloc(0), randomBytes(31), randomBytes(200), Buffer.alloc(500)]) {
      for (const side of [dialler(), acceptor()]) {
        side.open();
        assert.notEqual(side.receive(kind, payload).result.kind, 'accepted');
      }
      const midway = acceptor();
      midway.receive(opening.kind, opening.payload);
      assert.equal(midway.receive(kind, payload).result.kind, 'failed');
    }
  }
});
