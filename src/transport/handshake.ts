/**
 * How two nodes find out that they belong together, as a machine without a socket: frames in, frames out.
 *
 *   dialler   → hello   nonce, lane, the node it looks for, its Hello
 *   acceptor  → answer  proof, nonce, its Hello
 *   dialler   → proof   proof, and nothing (it accepts) or its refusal
 *   acceptor  → welcome or refusal
 *
 * A proof is HMAC-SHA256, keyed with `clusterSecret`, over the prover's role and both hellos with their nonces: it
 * cannot be replayed, nor be handed back to its maker. `verify` judges a peer only after its proof held.
 *
 * Whose refusal counts. A refusal can stop a node, so it is taken at its word only from a peer that has proved that it
 * knows the secret. Before that anybody may have sent it, and it means `later` whatever it says. A proof that does
 * not hold is found by the node that checks it; what follows from it is decided in `secret-verdict.ts`.
 *
 * Owns layout and order of the handshake. Must never compare a proof byte by byte in varying time, nor give `verify`
 * a hello that was not proved. It protects against strangers and mix-ups; against somebody who can alter packets on
 * the way only TLS helps.
 */

import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { clusterId, memberId, nodeId, type NodeId } from '../base/ids.ts';
import type { Hello, Lane, Refusal } from './transport.ts';

/** `probe`: only to see whether the secrets agree; never becomes a lane. */
export type DialledLane = Lane | 'probe';

export const greetingBytesMax: number = 65_536;
/** Bound on any frame before the peer has proved itself: a greeting, and room for the rest. */
export const handshakeBytesMax: number = greetingBytesMax + 1024;
const reasonCharsMax = 1000;

export const ownKinds = {
  hello: 240,
  answer: 241,
  proof: 242,
  welcome: 243,
  refusal: 244,
  ping: 245,
} as const;

export interface OwnFrame {
  readonly kind: number;
  readonly payload: Uint8Array;
}

export type HandshakeFailure =
  /** Something that no node of ours would send; `reason` completes the sentence "sent …". */
  | { readonly kind: 'protocol'; readonly reason: string }
  /** The other side's proof does not hold. */
  | { readonly kind: 'secret' }
  /** The node at this address is another one than was looked for. */
  | { readonly kind: 'wrong-node'; readonly found: NodeId }
  /** The other side does not accept this node. `peer` is undefined where it has not proved who it is. */
  | { readonly kind: 'refused'; readonly peer: NodeId | undefined; readonly refusal: Refusal }
  | { readonly kind: 'we-refused'; readonly peer: NodeId; readonly refusal: Refusal }
  /** A probe found that the secrets agree. */
  | { readonly kind: 'probed' };

export interface HandshakeStep {
  readonly send: readonly OwnFrame[];
  readonly result:
    | { readonly kind: 'waiting' }
    | { readonly kind: 'accepted'; readonly peer: Hello; readonly lane: Lane }
    | { readonly kind: 'failed'; readonly failure: HandshakeFailure };
}

export interface Handshake {
  /** What is said without having been asked; empty at the acceptor. */
  open(): readonly OwnFrame[];
  receive(kind: number, payload: Uint8Array): HandshakeStep;
  /** What it means that the other side closed now; undefined where nothing in particular. */
  readonly onClosed: HandshakeFailure | undefined;
}

export interface HandshakeOptions {
  /** Undefined: no secret, the key is empty. */
  readonly secret: string | undefined;
  readonly hello: () => Hello;
  /** Called once at most, after the peer's proof held. */
  readonly verify: (peer: Hello) => Refusal | undefined;
  readonly randomBytes: (count: number) => Uint8Array;
}

const nonceBytes = 32;
const proofBytes = 32;
const lanes: readonly DialledLane[] = ['control', 'data', 'probe'];

/** nonce 32, lane u8, to u32, node u32, member 8, incarnation u64, has cluster u8, cluster 16; then the greeting. */
const helloBytes = nonceBytes + 1 + 4 + 4 + 8 + 8 + 1 + 16;

interface Introduction {
  readonly lane: DialledLane;
  /** The node that is meant; the acceptor puts the dialler's id here. */
  readonly to: NodeId;
  readonly hello: Hello;
}

function encodeIntroduction(introduction: Introduction, nonce: Uint8Array): Buffer {
  const { hello } = introduction;
  assert(nonce.length === nonceBytes, 'a nonce has 32 bytes');
  assert(/^[0-9a-f]{16}$/.test(hello.memberId), 'a member id is 16 hex digits');
  const cluster = hello.clusterId ?? '0'.repeat(32);
  assert(/^[0-9a-f]{32}$/.test(cluster), 'a cluster id is 32 hex digits');
  const greeting = Buffer.from(hello.greeting, 'utf8');
  assert(greeting.length <= greetingBytesMax, 'a greeting is at most 64 KB');
  const bytes = Buffer.alloc(helloBytes + greeting.length);
  bytes.set(nonce, 0);
  bytes[32] = lanes.indexOf(introduction.lane);
  bytes.writeUInt32BE(introduction.to, 33);
  bytes.writeUInt32BE(hello.nodeId, 37);
  bytes.write(hello.memberId, 41, 'hex');
  bytes.writeBigUInt64BE(BigInt(hello.incarnation), 49);
  bytes[57] = hello.clusterId === undefined ? 0 : 1;
  bytes.write(cluster, 58, 'hex');
  greeting.copy(bytes, helloBytes);
  return bytes;
}

/** Undefined where the bytes are no introduction. */
function decodeIntroduction(payload: Uint8Array): Introduction | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes.length < helloBytes || bytes.length > helloBytes + greetingBytesMax) return undefined;
  const lane = lanes[bytes.readUInt8(32)];
  const node = bytes.readUInt32BE(37);
  const incarnation = Number(bytes.readBigUInt64BE(49));
  const hasCluster = bytes.readUInt8(57);
  if (lane === undefined || node === 0 || hasCluster > 1) return undefined;
  if (!Number.isSafeInteger(incarnation)) return undefined;
  return {
    lane,
    to: nodeId(bytes.readUInt32BE(33)),
    hello: {
      nodeId: nodeId(node),
      memberId: memberId(bytes.toString('hex', 41, 49)),
      incarnation,
      clusterId: hasCluster === 1 ? clusterId(bytes.toString('hex', 58, 74)) : undefined,
      greeting: bytes.toString('utf8', helloBytes),
    },
  };
}

function proofOf(
  secret: string | undefined,
  role: 'dialler' | 'acceptor',
  hellos: { readonly dialler: Uint8Array; readonly acceptor: Uint8Array },
): Buffer {
  const hmac = createHmac('sha256', secret ?? '');
  hmac.update(`outrigger peer ${role}\n${hellos.dialler.length}\n`);
  return hmac.update(hellos.dialler).update(hellos.acceptor).digest();
}

const isSameProof = (proof: Buffer, claimed: Uint8Array): boolean =>
  claimed.length === proof.length && timingSafeEqual(proof, claimed);

const encodeRefusal = (refusal: Refusal): Buffer =>
  Buffer.from(
    (refusal.kind === 'fatal' ? '\x01' : '\x00') + refusal.reason.slice(0, reasonCharsMax),
  );

/** A reason comes from outside and goes into logs and onto terminals: one line, no control characters. */
function decodeRefusal(payload: Uint8Array): Refusal {
  const reason = Buffer.from(payload.subarray(1)).toString('utf8');
  return {
    kind: payload[0] === 1 ? 'fatal' : 'later',
    reason: reason.slice(0, reasonCharsMax).replaceAll(/\p{Cc}/gu, ' '),
  };
}

export const refusalFrame = (refusal: Refusal): OwnFrame => ({
  kind: ownKinds.refusal,
  payload: encodeRefusal(refusal),
});

const wait = (...send: readonly OwnFrame[]): HandshakeStep => ({
  send,
  result: { kind: 'waiting' },
});

const fail = (failure: HandshakeFailure, ...send: readonly OwnFrame[]): HandshakeStep => ({
  send,
  result: { kind: 'failed', failure },
});

const failProtocol = (reason: string): HandshakeStep => fail({ kind: 'protocol', reason });

const failUnproved = (payload: Uint8Array): HandshakeStep => {
  const refusal: Refusal = { kind: 'later', reason: decodeRefusal(payload).reason };
  return fail({ kind: 'refused', peer: undefined, refusal });
};

const secretRefusal: OwnFrame = refusalFrame({
  kind: 'later',
  reason: 'clusterSecret does not match: it must be the same on all nodes',
});

export interface DiallerOptions extends HandshakeOptions {
  readonly expected: NodeId;
  readonly lane: DialledLane;
}

/** The side that connects. */
export class DiallerHandshake implements Handshake {
  readonly #options: DiallerOptions;
  #opening: Buffer = Buffer.alloc(0);
  /** Set once the other side's proof held and its hello was judged. */
  #peer: Hello | undefined;
  #refusal: Refusal | undefined;

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  open(): readonly OwnFrame[] {
    const { lane, expected, hello, randomBytes } = this.#options;
    const introduction = { lane, to: expected, hello: hello() };
    this.#opening = encodeIntroduction(introduction, randomBytes(nonceBytes));
    return [{ kind: ownKinds.hello, payload: this.#opening }];
  }

  receive(kind: number, payload: Uint8Array): HandshakeStep {
    const peer = this.#peer;
    if (peer === undefined) {
      if (kind === ownKinds.answer) return this.#receiveAnswer(payload);
      if (kind === ownKinds.refusal) return failUnproved(payload);
    } else if (kind === ownKinds.refusal) {
      return fail({ kind: 'refused', peer: peer.nodeId, refusal: decodeRefusal(payload) });
    } else if (kind === ownKinds.welcome && this.#refusal === undefined) {
      const { lane } = this.#options;
      assert(lane !== 'probe', 'a probe ends with the answer');
      return { send: [], result: { kind: 'accepted', peer, lane } };
    }
    return failProtocol(`a frame of kind ${kind} in the handshake`);
  }

  get onClosed(): HandshakeFailure | undefined {
    if (this.#peer === undefined || this.#refusal === undefined) return undefined;
    return { kind: 'we-refused', peer: this.#peer.nodeId, refusal: this.#refusal };
  }

  #receiveAnswer(payload: Uint8Array): HandshakeStep {
    const { secret, lane, expected, verify } = this.#options;
    const acceptor = payload.subarray(proofBytes);
    const introduction = decodeIntroduction(acceptor);
    if (introduction === undefined) return failProtocol('an answer that cannot be read');
    const hellos = { dialler: this.#opening, acceptor };
    if (!isSameProof(proofOf(secret, 'acceptor', hellos), payload.subarray(0, proofBytes))) {
      return fail({ kind: 'secret' }, secretRefusal);
    }
    const found = introduction.hello.nodeId;
    if (found !== expected) return fail({ kind: 'wrong-node', found });
    if (lane === 'probe') return fail({ kind: 'probed' });
    this.#peer = introduction.hello;
    this.#refusal = verify(introduction.hello);
    const proof = proofOf(secret, 'dialler', hellos);
    const verdict = this.#refusal === undefined ? Buffer.alloc(0) : encodeRefusal(this.#refusal);
    return wait({ kind: ownKinds.proof, payload: Buffer.concat([proof, verdict]) });
  }
}

/** The side that listens. */
export class AcceptorHandshake implements Handshake {
  readonly #options: HandshakeOptions;
  readonly onClosed: undefined = undefined;
  #dialler: { readonly payload: Uint8Array; readonly introduction: Introduction } | undefined;
  #answer: Buffer = Buffer.alloc(0);
  #self: NodeId | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  open(): readonly OwnFrame[] {
    return [];
  }

  receive(kind: number, payload: Uint8Array): HandshakeStep {
    if (kind === ownKinds.refusal) return failUnproved(payload);
    if (this.#dialler === undefined) {
      if (kind === ownKinds.hello) return this.#receiveHello(payload);
    } else if (kind === ownKinds.proof) {
      return this.#receiveProof(payload, this.#dialler.payload, this.#dialler.introduction);
    }
    return failProtocol(`a frame of kind ${kind} in the handshake`);
  }

  #receiveHello(payload: Uint8Array): HandshakeStep {
    const { secret, hello, randomBytes } = this.#options;
    const introduction = decodeIntroduction(payload);
    if (introduction === undefined) return failProtocol('a hello that cannot be read');
    const self = hello();
    const to = introduction.hello.nodeId;
    this.#self = self.nodeId;
    this.#dialler = { payload, introduction };
    const answer = { lane: introduction.lane, to, hello: self };
    this.#answer = encodeIntroduction(answer, randomBytes(nonceBytes));
    const proof = proofOf(secret, 'acceptor', { dialler: payload, acceptor: this.#answer });
    return wait({ kind: ownKinds.answer, payload: Buffer.concat([proof, this.#answer]) });
  }

  #receiveProof(
    payload: Uint8Array,
    dialler: Uint8Array,
    introduction: Introduction,
  ): HandshakeStep {
    const hellos = { dialler, acceptor: this.#answer };
    const proof = proofOf(this.#options.secret, 'dialler', hellos);
    if (!isSameProof(proof, payload.subarray(0, proofBytes))) {
      return fail({ kind: 'secret' }, secretRefusal);
    }
    const { lane, to, hello: peer } = introduction;
    if (lane === 'probe') return failProtocol('a proof on a probe');
    const refusal = this.#judge(to, peer);
    const send = refusal === undefined ? [] : [refusalFrame(refusal)];
    if (payload.length > proofBytes) {
      const theirs = decodeRefusal(payload.subarray(proofBytes));
      return fail({ kind: 'refused', peer: peer.nodeId, refusal: theirs }, ...send);
    }
    if (refusal !== undefined)
      return fail({ kind: 'we-refused', peer: peer.nodeId, refusal }, ...send);
    const welcome = { kind: ownKinds.welcome, payload: Buffer.alloc(0) };
    return { send: [welcome], result: { kind: 'accepted', peer, lane } };
  }

  #judge(to: NodeId, peer: Hello): Refusal | undefined {
    if (to !== this.#self) {
      const reason = `node ${to} was dialled, but this is node ${this.#self}: check the addresses`;
      return { kind: 'later', reason };
    }
    if (peer.nodeId === this.#self) {
      const reason = `node id ${peer.nodeId} is used by two nodes: give each its own`;
      return { kind: 'later', reason };
    }
    return this.#options.verify(peer);
  }
}
