/**
 * The front of a node: wires listener, pipeline and server commands. It answers clients and holds no data.
 */

import { randomInteger, type Random } from '../base/random.ts';
import { defaultRequestLimits, type RequestLimits } from '../resp/decoder.ts';
import { createSlotter } from '../shard/slot.ts';
import { FrontState, type FrontStateOptions } from './front-state.ts';
import { Listener } from './listener.ts';
import { Pipeline } from './pipeline.ts';
import { ServerCommands } from './server/commands.ts';
import type { FrontStatistics } from './statistics.ts';

/** Replies of one connection that wait to be read by it (bytes); a client above it is closed. */
export const outputBytesMaxDefault: number = 256 * 1024 * 1024;

export interface FrontOptions extends Omit<FrontStateOptions, 'requestLimits' | 'outputBytesMax'> {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly requestLimits?: RequestLimits;
  readonly outputBytesMax?: number;
  readonly role: 'member' | 'proxy';
  /** What holds the data: `memory` or `redis`; `unknown` while the shards are. */
  readonly engineName: () => string;
  /** Of Outrigger. */
  readonly nodeVersion: string;
  readonly processId: number;
}

export interface Front {
  /** Listens; rejects with `config-invalid` where the address cannot be bound. */
  start(): Promise<{ readonly port: number }>;
  /** Closes the port, and each connection once what it has read is answered: see `connections` of the statistics. */
  stopTaking(): void;
  /** Closes the port and all connections. Commands already submitted run on. */
  close(): Promise<void>;
  /** Counters since the start; the object lives on and changes. */
  statistics(): Readonly<FrontStatistics>;
}

export function createFront(options: FrontOptions): Front {
  const requestLimits = options.requestLimits ?? defaultRequestLimits;
  const outputBytesMax = options.outputBytesMax ?? outputBytesMaxDefault;
  const state = new FrontState({ ...options, requestLimits, outputBytesMax });
  let listener: Listener | undefined;
  return {
    async start() {
      const slotOf = await createSlotter();
      const server = {
        host: options.host,
        port: options.port,
        runId: runId(options.random),
        role: options.role,
        engineName: options.engineName,
        version: options.nodeVersion,
        processId: options.processId,
        startedMs: state.clock.monotonicMs(),
      };
      const serverCommands = new ServerCommands({ state, server });
      const { engineName } = options;
      const pipeline = new Pipeline({ state, serverCommands, slotOf, engineName });
      const take = pipeline.take.bind(pipeline);
      listener = new Listener({ state, take, host: options.host, port: options.port });
      const port = await listener.start();
      serverCommands.listensOn(port);
      return { port };
    },
    stopTaking() {
      listener?.stopTaking();
    },
    async close() {
      await listener?.close();
    },
    statistics: () => state.statistics,
  };
}

function runId(random: Random): string {
  return Array.from({ length: 40 }, () => randomInteger(random, 0, 15).toString(16)).join('');
}
