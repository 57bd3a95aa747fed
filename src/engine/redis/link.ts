/**
 * One raw connection to the fronted Redis, in RESP2: requests out in order, replies back in order.
 *
 * What one turn asks for leaves in one write. It never connects again, resends or waits for room by itself: once anything is wrong with it
 * it is closed, says so once, and calls nothing back any more. How much may be under way is bounded by those who use it.
 */

import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock, Timers } from '../../base/clock.ts';
import { latin1Slice } from '../../command/latin1.ts';
import type { Reply } from '../engine.ts';
import type { RedisAddress } from './address.ts';
import { ReplyStream } from '../../resp/reply-stream.ts';

/** Requests are joined up to about this many chars a write; a longer one is written alone, uncopied. */
const joinedCharsMax = 256 << 10;

/** Answered requests are dropped together, at most this many. */
const answeredMax = 1024;
/** What a subscription's message begins with, in RESP2. */
const messageStart = '*3\r\n$7\r\nmessage\r\n';

export interface LinkOptions {
  readonly address: RedisAddress;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Called once, with what is wrong; not after `close`. */
  readonly onBroken: (reason: string) => void;
  /** A reply that nothing asked for. */
  readonly onUnasked: (reply: Reply) => void;
  /** Stands for a reply that is longer than a string can be; without it such a reply breaks the link. */
  readonly tooLong?: Reply;
}

interface Asked {
  readonly count: number;
  readonly replies: Reply[];
  readonly done: (replies: readonly Reply[]) => void;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #socket: Socket;
  readonly #stream: ReplyStream;
  #parts: string[] = [];
  /** In order; the first `#answered` are done with. */
  #asked: Asked[] = [];
  #answered = 0;
  /** When something last came, or was asked with nothing else under way. */
  #sinceMs = 0;
  #isClosed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#stream = new ReplyStream((reply) => this.#received(reply));
    this.#socket = open(options.address);
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => {
      if (this.#isClosed) return;
      this.#sinceMs = options.clock.monotonicMs();
      const isSound = this.#stream.push(latin1Slice(chunk, 0, chunk.length));
      if (!isSound) this.#break('it sends bytes that are no RESP2');
    });
    this.#socket.on('error', (error) => this.#break(error.message));
    this.#socket.on('close', () => this.#break('the connection was closed'));
  }

  /** For how long nothing has come although something is awaited; 0 where nothing is. */
  get silentMs(): number {
    const isIdle = this.#asked.length === this.#answered;
    return isIdle ? 0 : this.#options.clock.monotonicMs() - this.#sinceMs;
  }

  /** Sends whole requests that get `count` replies, which `done` is called with. */
  send(requests: string, count: number, done: (replies: readonly Reply[]) => void): void {
    if (this.#isClosed) return;
    if (this.#asked.length === this.#answered) this.#sinceMs = this.#options.clock.monotonicMs();
    this.#asked.push({ count, replies: [], done });
    if (this.#parts.length === 0) this.#options.timers.endOfTurn(() => this.#flush());
    this.#parts.push(requests);
  }

  close(): void {
    this.#isClosed = true;
    this.#asked = [];
    this.#answered = 0;
    this.#parts = [];
    this.#socket.destroy();
  }

  #flush(): void {
    if (this.#isClosed) return;
    const parts = this.#parts;
    this.#parts = [];
    let joined = '';
    this.#socket.cork();
    for (const part of parts) {
      if (joined.length + part.length > joinedCharsMax && joined !== '') {
        this.#socket.write(joined, 'latin1');
        joined = '';
      }
      joined = joined === '' ? part : joined + part;
    }
    if (joined !== '') this.#socket.write(joined, 'latin1');
    this.#socket.uncork();
  }

  #received(whole: Reply | undefined): void {
    if (this.#isClosed) return;
    const reply = whole ?? this.#options.tooLong;
    if (reply === undefined) {
      this.#break('a reply is longer than a string can be');
      return;
    }
    const first = this.#asked[this.#answered];
    if (first === undefined || reply.startsWith(messageStart)) {
      this.#options.onUnasked(reply);
      return;
    }
    first.replies.push(reply);
    if (first.replies.length < first.count) return;
    this.#answered += 1;
    if (this.#answered === this.#asked.length || this.#answered >= answeredMax) {
      this.#asked.splice(0, this.#answered);
      this.#answered = 0;
    }
    first.done(first.replies);
  }

  #break(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.onBroken(reason);
  }
}

function open({ endpoint }: RedisAddress): Socket {
  switch (endpoint.kind) {
    case 'unix':
      return connectPlain({ path: endpoint.path });
    case 'tcp':
      return connectPlain({ host: endpoint.host, port: endpoint.port });
    case 'tls': {
      const { host, port } = endpoint;
      // A name is checked against the certificate; an address has none to be asked for.
      return connectTls({ host, port, servername: isIP(host) === 0 ? host : '' });
    }
  }
}
