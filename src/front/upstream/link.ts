/**
 * A connection to an upstream Redis, on which commands pass unchanged and replies come back byte for byte.
 *
 * Each client connection has its own, so that the upstream sees the client's commands in their order. It is made when it is
 * first needed, and made anew after it broke. Before a command leaves, the link has the database and protocol of its client; the upstream
 * must have confirmed that, since a refused SELECT would let the command run elsewhere.
 *
 * A reply that no string can hold is answered by an error in its place.
 *
 * What has left and got no reply when the link breaks may have run; nothing is ever sent twice. Bounds: `waitingBytesMax` of commands that
 * the socket has not taken, and `replyTimeoutMs` without a reply.
 */

import { connect, type Socket } from 'node:net';
import type { Timer, Timers } from '../../base/clock.ts';
import { encodeCommand } from '../../resp/encoder.ts';
import { isErrorReply } from '../../resp/reply-framer.ts';
import { ReplyStream } from '../../resp/reply-stream.ts';
import type { Upstream } from '../../shard/namespace.ts';
import { replyTooLongReply } from '../error-replies.ts';

const waitingBytesMax = 16 << 20;

/** `upstream-down`: nothing was changed. */
export type PassFailure = 'upstream-down' | 'in-doubt';

/** One command on its way. Exactly one of `settle` and `fail` is called, once, never before `pass` returns. */
export interface Passed {
  readonly bytes: Uint8Array;
  readonly database: number;
  readonly protocol: 2 | 3;
  /** Whether it may change something. */
  readonly isWrite: boolean;
  settle(reply: string): void;
  fail(failure: PassFailure): void;
}

export interface LinkOptions {
  readonly upstream: Upstream;
  readonly timers: Timers;
  /** The longest wait for a connection, and for a reply while some are missing. */
  readonly replyTimeoutMs: number;
  /** Commands may be passed again after `isFull`. */
  readonly onDrained: () => void;
}

/** What the link asks for itself. */
interface Setup {
  readonly words: readonly string[];
  readonly done: () => void;
}

type Sent =
  | { readonly kind: 'passed'; readonly passed: Passed }
  | ({ readonly kind: 'setup' } & Setup);

/** One life of the connection. */
interface Life {
  readonly socket: Socket;
  isConnected: boolean;
  database: number;
  protocol: 2 | 3;
  isEntered: boolean;
  readonly sent: Sent[];
  timer: Timer | undefined;
}

export class UpstreamLink {
  readonly #options: LinkOptions;
  #life: Life | undefined;
  /** Not sent yet. */
  #waiting: Passed[] = [];
  #waitingBytes = 0;
  #isFlushDue = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#waitingBytes + (this.#life?.socket.writableLength ?? 0) > waitingBytesMax;
  }

  pass(passed: Passed): void {
    this.#waiting.push(passed);
    this.#waitingBytes += passed.bytes.length;
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#options.timers.soon(() => {
      this.#isFlushDue = false;
      this.#send();
    });
  }

  /** The client is gone: nobody waits for replies any more. */
  close(): void {
    this.#takeAll();
    const life = this.#life;
    this.#life = undefined;
    life?.timer?.cancel();
    life?.socket.destroy();
  }

  /** Sends what waits, as far as the upstream has confirmed what it needs. */
  #send(): void {
    if (this.#waiting.length === 0) return;
    const life = (this.#life ??= this.#begin());
    if (!life.isConnected) return;
    life.socket.cork();
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (life.sent.at(-1)?.kind === 'setup') break;
      const setup = this.#missing(life, next);
      if (setup !== undefined) {
        // It counts only from its reply on, so nothing may be on its way under the old terms' name.
        life.sent.push({ kind: 'setup', ...setup });
        life.socket.write(encodeCommand(setup.words.map((word) => Buffer.from(word))));
        break;
      }
      this.#takeFirst();
      life.sent.push({ kind: 'passed', passed: next });
      life.socket.write(next.bytes);
    }
    life.socket.uncork();
    this.#watch(life);
    if (!this.isFull) this.#options.onDrained();
  }

  #takeFirst(): Passed | undefined {
    const first = this.#waiting.shift();
    this.#waitingBytes -= first?.bytes.length ?? 0;
    return first;
  }

  #takeAll(): Passed[] {
    this.#waitingBytes = 0;
    return this.#waiting.splice(0);
  }

  /** Ends a connection that is not made, or on which nothing comes while something is missing. */
  #watch(life: Life): void {
    if (life.timer !== undefined) return;
    const [first] = life.sent;
    life.timer = this.#options.timers.after(this.#options.replyTimeoutMs, () => {
      life.timer = undefined;
      const isStill = life.isConnected && (first === undefined || first !== life.sent[0]);
      if (!isStill) life.socket.destroy();
      else if (life.sent.length > 0) this.#watch(life);
    });
  }

  /** The first thing that the upstream has to be told before this command. */
  #missing(life: Life, { database, protocol }: Passed): Setup | undefined {
    const { user, password } = this.#options.upstream;
    if (!life.isEntered && password !== undefined) {
      const words = ['AUTH', ...(user === undefined || user === '' ? [] : [user]), password];
      return { words, done: () => (life.isEntered = true) };
    }
    if (life.protocol !== protocol) {
      return { words: ['HELLO', String(protocol)], done: () => (life.protocol = protocol) };
    }
    if (life.database !== database) {
      return { words: ['SELECT', String(database)], done: () => (life.database = database) };
    }
    return undefined;
  }

  #begin(): Life {
    const { upstream } = this.#options;
    const socket = connect({ host: upstream.host, port: upstream.port, noDelay: true });
    const life: Life = {
      socket,
      isConnected: false,
      database: 0,
      protocol: 2,
      isEntered: false,
      sent: [],
      timer: undefined,
    };
    const stream = new ReplyStream((reply) => this.#replied(life, reply ?? replyTooLongReply), 3);
    socket.on('connect', () => {
      life.isConnected = true;
      this.#send();
    });
    socket.on('data', (chunk: Buffer) => {
      if (!stream.push(chunk.toString('latin1'))) socket.destroy();
    });
    socket.on('drain', () => {
      if (!this.isFull) this.#options.onDrained();
    });
    // 'close' follows, and tells those who wait.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#broke(life));
    this.#watch(life);
    return life;
  }

  #replied(life: Life, reply: string): void {
    // Nobody asked for it (RESP3).
    if (reply.startsWith('>')) return;
    const sent = life.sent.shift();
    if (sent === undefined) {
      life.socket.destroy();
      return;
    }
    if (sent.kind === 'passed') {
      sent.passed.settle(reply);
      return;
    }
    // What the upstream says of the terms is its answer to the command that needed them.
    if (isErrorReply(reply)) this.#takeFirst()?.settle(reply);
    else sent.done();
    this.#send();
  }

  #broke(life: Life): void {
    life.timer?.cancel();
    if (this.#life !== life) return;
    this.#life = undefined;
    const waiting = this.#takeAll();
    for (const sent of life.sent.splice(0)) {
      if (sent.kind === 'passed')
        sent.passed.fail(sent.passed.isWrite ? 'in-doubt' : 'upstream-down');
    }
    for (const passed of waiting) passed.fail('upstream-down');
    this.#options.onDrained();
  }
}
