/** A socket on which a test says what it likes, among it an honest handshake. */

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { NodeId } from '../../src/base/ids.ts';
import { FrameDecoder, frameHeader, preamble } from '../../src/transport/frame.ts';
import { DiallerHandshake, ownKinds } from '../../src/transport/handshake.ts';
import type { DialledLane, OwnFrame } from '../../src/transport/handshake.ts';
import type { Hello } from '../../src/transport/transport.ts';

export const frameBytes = (kind: number, payload: Uint8Array): Buffer =>
  Buffer.concat([frameHeader(kind, [payload], payload.length), payload]);

export class RawPeer {
  readonly socket: Socket;
  readonly frames: OwnFrame[] = [];
  /** Resolves when the socket is closed, for whatever reason. */
  readonly closed: Promise<void>;
  isClosed = false;
  #waiters: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port });
    const decoder = new FrameDecoder({
      payloadBytesMax: 1024 ** 2,
      onFrame: (kind, payload) => this.frames.push({ kind, payload }),
    });
    this.socket.on('data', (chunk: Buffer) => {
      decoder.push(chunk);
      this.#changed();
    });
    this.closed = new Promise((resolve) => {
      // A reset is an end as good as any other; `close` follows it.
      this.socket.on('error', () => this.#changed());
      this.socket.on('close', () => {
        this.isClosed = true;
        resolve();
        this.#changed();
      });
    });
  }

  say(...bytes: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  async connected(): Promise<this> {
    if (this.socket.connecting) {
      await new Promise<void>((resolve) => {
        this.socket.once('connect', () => resolve());
        this.socket.once('close', () => resolve());
      });
    }
    return this;
  }

  /** Resolves once the frame of this kind has come; rejects if the socket is closed before. */
  async frame(kind: number): Promise<OwnFrame> {
    for (;;) {
      const found = this.frames.find((frame) => frame.kind === kind);
      if (found !== undefined) return found;
      if (this.isClosed) throw new Error(`closed before a frame of kind ${kind}`);
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  /** Gets in, as the node of the hello. */
  async enter(options: {
    readonly hello: Hello;
    readonly to: NodeId;
    readonly lane: DialledLane;
    readonly secret?: string;
  }): Promise<this> {
    const { hello, to, lane, secret } = options;
    const handshake = new DiallerHandshake({
      secret,
      lane,
      expected: to,
      hello: () => hello,
      verify: () => undefined,
      randomBytes,
    });
    const say = (frames: readonly OwnFrame[]): void => {
      for (const { kind, payload } of frames) this.say(frameBytes(kind, payload));
    };
    this.say(preamble());
    say(handshake.open());
    const answer = await this.frame(ownKinds.answer);
    say(handshake.receive(answer.kind, answer.payload).send);
    await this.frame(ownKinds.welcome);
    return this;
  }

  #changed(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
