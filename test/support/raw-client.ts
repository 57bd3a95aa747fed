/**
 * A client on a bare socket: no retries, no reconnects, nothing hidden. What the server sent is what the test sees.
 *
 * Replies are matched to commands by order alone, so a reply that belongs to another client or command shows.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { encode } from './commands.ts';

/** An error reply. */
export class ErrorReply {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return `-${this.text}`;
  }
}

export type Reply = string | number | null | ErrorReply | readonly Reply[];

/** The connection ended before the reply came: the command may or may not have run. */
export class ConnectionLost extends Error {}

interface Awaited {
  readonly settle: (reply: Reply) => void;
  readonly lose: (error: ConnectionLost) => void;
}

const connectDeadlineMs = 5_000;

export class RawClient {
  readonly #socket: Socket;
  readonly #awaited: Awaited[] = [];
  #received = '';
  #isClosed = false;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    // 'close' follows, and tells those who wait.
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        const lost = new ConnectionLost('the connection ended before the reply');
        for (const { lose } of this.#awaited.splice(0)) lose(lost);
        resolve();
      });
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' });
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(connectDeadlineMs) });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return new RawClient(socket);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Rejects with ConnectionLost. An error reply is a value. */
  async call(...args: readonly (string | number)[]): Promise<Reply> {
    const [reply] = await this.pipeline([args]);
    if (reply === undefined) throw new ConnectionLost('the connection ended before the reply');
    return reply;
  }

  /** As `call`, but an error reply throws. */
  async must(...args: readonly (string | number)[]): Promise<Reply> {
    const reply = await this.call(...args);
    if (reply instanceof ErrorReply) throw new Error(`${args.join(' ')} got ${reply.toString()}`);
    return reply;
  }

  /** Sends commands in one write; resolves with their replies, fewer where the connection ended in between. */
  async pipeline(commands: readonly (readonly (string | number)[])[]): Promise<readonly Reply[]> {
    const replies: Reply[] = [];
    const all = commands.map(
      () =>
        new Promise<boolean>((resolve) => {
          this.#awaited.push({
            settle: (reply) => {
              replies.push(reply);
              resolve(true);
            },
            lose: () => resolve(false),
          });
        }),
    );
    const bytes = commands.map((args) =>
      encode(args.map((arg) => Buffer.from(String(arg), 'latin1'))),
    );
    if (this.#isClosed) for (const { lose } of this.#awaited.splice(0)) lose(new ConnectionLost());
    else this.#socket.write(Buffer.concat(bytes));
    await Promise.all(all);
    return replies;
  }

  /** Sends bytes as they are; their replies are in nobody's order. */
  write(bytes: string | Uint8Array): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    let at = 0;
    for (;;) {
      const parsed = parseReply(this.#received, at);
      if (parsed === undefined) break;
      at = parsed.end;
      const awaited = this.#awaited.shift();
      if (awaited === undefined) throw new Error('a reply came that nobody asked for');
      awaited.settle(parsed.reply);
    }
    this.#received = this.#received.slice(at);
  }
}

/** One RESP2 reply of latin1 text from `at`; undefined while it is incomplete. Throws on bytes that are no reply. */
function parseReply(text: string, at: number): { reply: Reply; end: number } | undefined {
  const lineEnd = text.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const line = text.slice(at + 1, lineEnd);
  const next = lineEnd + 2;
  switch (text[at]) {
    case '+':
      return { reply: line, end: next };
    case '-':
      return { reply: new ErrorReply(line), end: next };
    case ':':
      return { reply: Number(line), end: next };
    case '$': {
      const end = next + Number(line);
      if (line === '-1') return { reply: null, end: next };
      if (text.length < end + 2) return undefined;
      return { reply: text.slice(next, end), end: end + 2 };
    }
    case '*': {
      if (line === '-1') return { reply: null, end: next };
      const items: Reply[] = [];
      let end = next;
      while (items.length < Number(line)) {
        const item = parseReply(text, end);
        if (item === undefined) return undefined;
        items.push(item.reply);
        end = item.end;
      }
      return { reply: items, end };
    }
    default:
      throw new Error(`no RESP2 reply: ${JSON.stringify(text.slice(at, at + 40))}`);
  }
}
