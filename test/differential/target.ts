/**
 * What the differential suite drives: anything that takes one command and gives the raw bytes of its reply.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { fitsArity, lookupCommand } from '../../src/command/table.ts';
import { latin1Slice } from '../../src/command/latin1.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { endOfReply } from '../../src/resp/reply-framer.ts';
import { createMemoryEngine } from '../../src/engine/memory/memory-engine.ts';
import { seededRandom } from '../../src/base/random.ts';
import { encode } from '../support/commands.ts';
import { manualTimers } from '../support/manual-timers.ts';
import type { ManualTimers } from '../support/manual-timers.ts';

export interface Target {
  /** Called again only after the reply. SELECT is understood. */
  execute(args: readonly Buffer[]): Promise<Buffer>;
  close(): Promise<void>;
}

/** A server of Redis's protocol on 127.0.0.1, spoken to in RESP2 or RESP3. */
export async function connectTarget(port: number, protocol: 2 | 3 = 2): Promise<Target> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const target = new SocketTarget(socket);
  if (protocol === 3) await target.execute([Buffer.from('HELLO'), Buffer.from('3')]);
  return target;
}

class SocketTarget implements Target {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #waiting: { resolve: (reply: Buffer) => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')));
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      const end = endOfReply(this.#received.toString('latin1'), 0);
      if (end < 0) return;
      const reply = this.#received.subarray(0, end);
      this.#received = this.#received.subarray(end);
      this.#waiting?.resolve(reply);
      this.#waiting = undefined;
    });
  }

  execute(args: readonly Buffer[]): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(encode(args));
    });
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#socket.end();
    await once(this.#socket, 'close');
  }
}

/**
 * The memory engine behind as little front as it needs: SELECT, names and arity. Every command is an entry of its own
 * at the machine's time, since the server beside it lives in that time too.
 */
export function engineTarget(): Target {
  return new EngineTarget();
}

class EngineTarget implements Target {
  readonly #timers: ManualTimers = manualTimers();
  readonly #engine: Engine = createMemoryEngine({
    random: seededRandom(1),
    timers: this.#timers,
    latin1Slice,
  });
  #database = 0;
  #index = 0;
  #timeMs = 0;

  execute(args: readonly Buffer[]): Promise<Buffer> {
    return Promise.resolve(Buffer.from(this.#reply(args), 'latin1'));
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  #reply(args: readonly Buffer[]): string {
    const name = String(args[0]).toLowerCase();
    if (name === 'select') {
      this.#database = Number(String(args[1]));
      return '+OK\r\n';
    }
    const container = lookupCommand(name);
    const spec = container?.subcommands?.get(String(args[1]).toLowerCase()) ?? container;
    if (spec === undefined) return `-ERR unknown command '${name}'\r\n`;
    if (!fitsArity(spec, args.length)) {
      return `-ERR wrong number of arguments for '${spec.name}' command\r\n`;
    }
    this.#index += 1;
    this.#timeMs = Math.max(this.#timeMs, Date.now());
    const commands = [{ database: this.#database, bytes: encode(args) }];
    let reply: string | undefined;
    this.#engine.apply({ index: this.#index, term: 1, timeMs: this.#timeMs, commands }, (all) => {
      [reply] = all;
    });
    this.#timers.runAll();
    if (reply === undefined) throw new Error('the engine gave no reply');
    return reply;
  }
}
