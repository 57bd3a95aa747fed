/**
 * One TCP connection: its handshake, then one lane's frames in both directions.
 *
 * Owns a socket from connect to close and tells its owner three things: accepted, frame, ended (once, when the socket is
 * really closed, so that whoever counts connections counts sockets). Decides nothing about reconnecting, secrets or refusals.
 *
 * Invariant: a socket that has not finished its handshake is closed `handshakeTimeoutMs` after it connected, whatever
 * it sends, and may announce frames of at most `handshakeBytesMax`.
 */

import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import type { Timer, Timers } from '../base/clock.ts';
import { FrameDecoder, ownKindMin, preamble, protocolVersion } from './frame.ts';
import type { FrameFault } from './frame.ts';
import { handshakeBytesMax, ownKinds, refusalFrame } from './handshake.ts';
import type { Handshake, HandshakeFailure, HandshakeStep, OwnFrame } from './handshake.ts';
import { Outbox } from './outbox.ts';
import type { Hello, Lane } from './transport.ts';

/** Name resolution included. */
const connectTimeoutMs = 3000;
/** Enough for a peer whose event loop is busy; a stranger holds a socket no longer than this. */
const handshakeTimeoutMs = 5000;

/** How a connection came to its end; `broken`: through the network, a time limit or this node. */
export type Ending = HandshakeFailure | { readonly kind: 'broken'; readonly reason: string };

/** Who is on the other side, by the handshake. */
export interface Party {
  readonly hello: Hello;
  readonly lane: Lane;
}

export interface ConnectionOwner {
  accepted(connection: TcpConnection, party: Party): void;
  frame(party: Party, kind: number, payload: Uint8Array): void;
  /** A frame that the other side would not take was not sent. */
  oversized(party: Party | undefined, kind: number, payloadBytes: number): void;
  ended(connection: TcpConnection, ending: Ending): void;
}

export interface TcpConnectionOptions {
  readonly socket: Socket;
  readonly handshake: Handshake;
  /** `dialled`: the socket is still connecting. */
  readonly origin: 'dialled' | 'accepted';
  readonly owner: ConnectionOwner;
  readonly timers: Timers;
  readonly frameBytesMax: number;
  /** For logs: where the other side is. */
  readonly remote: string;
}

type Phase = 'handshake' | 'established' | 'closing';

export class TcpConnection {
  readonly remote: string;
  readonly #socket: Socket;
  readonly #handshake: Handshake;
  readonly #owner: ConnectionOwner;
  readonly #timers: Timers;
  readonly #frameBytesMax: number;
  readonly #decoder: FrameDecoder;
  readonly #outbox: Outbox = new Outbox();
  #phase: Phase = 'handshake';
  #party: Party | undefined;
  #deadline: Timer;
  #ending: Ending | undefined;
  #isPreambleSent = false;
  #isFlushDue = false;
  #quietTicks = 0;
  #unsentTicks = 0;

  constructor(options: TcpConnectionOptions) {
    const { socket, timers } = options;
    this.remote = options.remote;
    this.#socket = socket;
    this.#handshake = options.handshake;
    this.#owner = options.owner;
    this.#timers = timers;
    this.#frameBytesMax = options.frameBytesMax;
    this.#decoder = new FrameDecoder({
      payloadBytesMax: handshakeBytesMax,
      onFrame: (kind, payload) => this.#receive(kind, payload),
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => {
      this.#ending ??= { kind: 'broken', reason: textOf(error) };
    });
    socket.on('end', () => {
      if (this.#phase === 'established') this.destroy('closed by the other side');
    });
    socket.on('close', () => this.#close());
    if (options.origin === 'accepted') {
      this.#deadline = timers.after(handshakeTimeoutMs, () => this.destroy('no handshake in time'));
    } else {
      this.#deadline = timers.after(connectTimeoutMs, () => this.destroy('no connection in time'));
      socket.on('connect', () => this.#open());
    }
  }

  /** False, and nothing is sent, where the lane is not established or holds `queueBytesMax` or more already. */
  send(kind: number, parts: readonly Uint8Array[], queueBytesMax: number): boolean {
    if (this.#phase !== 'established') return false;
    let payloadBytes = 0;
    for (const part of parts) payloadBytes += part.length;
    if (payloadBytes > this.#frameBytesMax) {
      this.#owner.oversized(this.#party, kind, payloadBytes);
      return false;
    }
    const queued = this.queuedBytes;
    if (queued > 0 && queued >= queueBytesMax) return false;
    this.#outbox.add(kind, parts, payloadBytes);
    this.#unsentTicks = 0;
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#timers.endOfTurn(() => this.#flush());
    }
    return true;
  }

  /** Set once both sides have accepted, and from then on. */
  get party(): Party | undefined {
    return this.#party;
  }

  get isEstablished(): boolean {
    return this.#phase === 'established';
  }

  get queuedBytes(): number {
    return this.#outbox.bytes + this.#socket.writableLength;
  }

  /**
   * Called once a second. Counts ticks, not time, so that a process that was stopped for a while reads what has
   * arrived before it judges. Answers for how many ticks nothing came.
   */
  tick(): number {
    if (this.#phase !== 'established') return 0;
    this.#quietTicks += 1;
    this.#unsentTicks += 1;
    if (this.#unsentTicks > 1) this.send(ownKinds.ping, [], 0);
    return this.#quietTicks;
  }

  /** Closes at once; `ended` follows. */
  destroy(reason: string): void {
    this.#abort({ kind: 'broken', reason });
  }

  #abort(ending: Ending): void {
    this.#ending ??= ending;
    this.#stop();
    this.#socket.destroy();
  }

  #open(): void {
    this.#deadline.cancel();
    this.#deadline = this.#timers.after(handshakeTimeoutMs, () =>
      this.destroy('no handshake in time'),
    );
    this.#say(this.#handshake.open());
  }

  #read(chunk: Buffer): void {
    this.#quietTicks = 0;
    if (this.#phase === 'closing') return;
    const fault = this.#decoder.push(chunk);
    if (fault !== undefined) this.#receiveFault(fault);
  }

  #receive(kind: number, payload: Uint8Array): void {
    if (this.#phase === 'handshake') {
      this.#take(this.#handshake.receive(kind, payload));
    } else if (kind < ownKindMin) {
      assert(this.#party !== undefined, 'an established connection has a party');
      this.#owner.frame(this.#party, kind, payload);
    } else if (kind !== ownKinds.ping) {
      const reason = `a frame of kind ${kind} after the handshake`;
      this.#abort({ kind: 'protocol', reason });
    }
  }

  #take(step: HandshakeStep): void {
    const { result } = step;
    this.#say(step.send);
    if (result.kind === 'failed') {
      this.#finish(result.failure);
    } else if (result.kind === 'accepted') {
      this.#deadline.cancel();
      this.#phase = 'established';
      this.#party = { hello: result.peer, lane: result.lane };
      this.#decoder.payloadBytesMax = this.#frameBytesMax;
      this.#owner.accepted(this, this.#party);
    }
  }

  #receiveFault(fault: FrameFault): void {
    if (fault.kind === 'version') {
      const { version } = fault;
      const reason = `peer protocol version ${version} meets version ${protocolVersion}: run versions of Outrigger that belong together`;
      const refusal = { kind: 'later', reason } as const;
      this.#say([refusalFrame(refusal)]);
      this.#finish({ kind: 'refused', peer: undefined, refusal });
    } else {
      const reason = fault.kind === 'stranger' ? 'bytes that no node sends' : fault.reason;
      this.#abort({ kind: 'protocol', reason });
    }
  }

  /** The handshake failed: what was said last still leaves; then the other side, or the deadline, closes. */
  #finish(failure: HandshakeFailure): void {
    if (failure.kind === 'protocol') {
      this.#abort(failure);
      return;
    }
    this.#ending ??= failure;
    this.#stop();
    this.#socket.end();
  }

  #say(frames: readonly OwnFrame[]): void {
    if (frames.length === 0) return;
    const outbox = new Outbox();
    for (const { kind, payload } of frames) outbox.add(kind, [payload], payload.length);
    const opening = this.#isPreambleSent ? [] : [preamble()];
    this.#isPreambleSent = true;
    this.#socket.write(Buffer.concat([...opening, ...outbox.take()]));
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#phase !== 'established') return;
    const buffers = this.#outbox.take();
    if (buffers.length > 1) this.#socket.cork();
    for (const buffer of buffers) this.#socket.write(buffer);
    if (buffers.length > 1) this.#socket.uncork();
  }

  #stop(): void {
    this.#phase = 'closing';
    this.#decoder.stop();
    this.#outbox.take();
  }

  #close(): void {
    this.#deadline.cancel();
    this.#stop();
    const meaning = this.#party === undefined ? this.#handshake.onClosed : undefined;
    const otherSide: Ending = { kind: 'broken', reason: 'closed by the other side' };
    this.#owner.ended(this, this.#ending ?? meaning ?? otherSide);
  }
}

/** A failed connect to a name with several addresses has its reason in the code, and no message. */
const textOf = (error: Error & { readonly code?: unknown }): string =>
  typeof error.code === 'string' ? error.code : error.message;
