/**
 * A front on a free port over a fake cluster, and raw clients for it.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { silentLogger } from '../../src/base/logger.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { createFront, type Front, type FrontOptions } from '../../src/front/front.ts';
import { endOfReply } from '../../src/resp/reply-framer.ts';
import { machineSystem } from '../../src/system.ts';

export interface TestFront extends AsyncDisposable {
  readonly front: Front;
  readonly port: number;
}

export type TestFrontOptions = Partial<Omit<FrontOptions, 'engineName'>> & {
  readonly engineName?: string;
};

export async function startFront(
  cluster: Cluster,
  { engineName = 'memory', ...options }: TestFrontOptions = {},
): Promise<TestFront> {
  const { clock, timers } = machineSystem(0);
  const front = createFront({
    cluster,
    clock,
    timers,
    logger: silentLogger,
    random: seededRandom(1),
    host: '127.0.0.1',
    port: 0,
    maxClients: 10_000,
    commandTimeoutMs: 5000,
    role: 'member',
    engineName: () => engineName,
    nodeVersion: '0.0.0-test',
    processId: process.pid,
    ...options,
  });
  const { port } = await front.start();
  return { front, port, [Symbol.asyncDispose]: () => front.close() };
}

/** A client that sees the bytes themselves. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket;
  #received = '';
  #isClosed = false;
  #changed: (() => void) | undefined;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1').setNoDelay(true);
    this.socket.on('data', (text: string) => {
      this.#received += text;
      this.#changed?.();
    });
    this.socket.on('close', () => {
      this.#isClosed = true;
      this.#changed?.();
    });
    // A reset ends the stream like any close; what came before it is what tests look at.
    this.socket.on('error', () => this.socket.destroy());
  }

  static async connect(port: number): Promise<RawClient> {
    const client = new RawClient(port);
    await once(client.socket, 'connect');
    return client;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The next whole replies, as they came. */
  async replies(count: number): Promise<string> {
    return this.#waitFor(() => {
      let end = 0;
      for (let found = 0; found < count; found += 1) {
        end = endOfReply(this.#received, end);
        if (end < 0) return -1;
      }
      return end;
    });
  }

  /** Sends a command line or bytes, and gives the one reply to it. */
  async ask(bytes: string | Buffer): Promise<string> {
    this.send(typeof bytes === 'string' && !bytes.endsWith('\r\n') ? `${bytes}\r\n` : bytes);
    return this.replies(1);
  }

  /** All that comes until the server closes. */
  async rest(): Promise<string> {
    return this.#waitFor(() => (this.#isClosed ? this.#received.length : -1));
  }

  /** What has come and has not been taken. */
  get received(): string {
    return this.#received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    if (!this.#isClosed) await once(this.socket, 'close');
  }

  async #waitFor(endOf: () => number): Promise<string> {
    for (;;) {
      const end = endOf();
      if (end >= 0) {
        const taken = this.#received.slice(0, end);
        this.#received = this.#received.slice(end);
        return taken;
      }
      if (this.#isClosed) throw new Error(`closed with ${JSON.stringify(this.#received)}`);
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }
}
