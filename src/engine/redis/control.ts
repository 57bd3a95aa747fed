/**
 * The control connection to the fronted Redis: options, INFO, CONFIG, clients. It writes no data.
 *
 * It is ioredis with everything switched off by which a command could run twice or wait unseen: no resending, no retries, no offline
 * queue, no connecting again.
 */

import type { Redis } from 'ioredis';
import type { RedisAddress } from './address.ts';

export interface ControlOptions {
  readonly address: RedisAddress;
  readonly name: string;
  /** For connecting and for each reply. */
  readonly timeoutMs: number;
  /** The connection ended, not by `close`. */
  readonly onBroken: (reason: string) => void;
}

/** What a command may come back with: RESP's types, an error being thrown. */
export type Answer = string | number | null | readonly Answer[];

export class Control {
  readonly #redis: Redis;
  #isClosed = false;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Connects and logs in. Rejects with what Redis or the socket says. */
  static async open(options: ControlOptions): Promise<Control> {
    // Loaded only by nodes that front a Redis: it takes nine megabytes.
    const { Redis } = await import('ioredis');
    const { address, name, timeoutMs } = options;
    const redis = new Redis({
      ...placeOf(address),
      ...(address.user === undefined ? {} : { username: address.user }),
      ...(address.password === undefined ? {} : { password: address.password }),
      connectionName: name,
      protocol: 2,
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      disableClientInfo: true,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
    });
    const control = new Control(redis);
    // What connecting rejects with says less.
    let problem = 'the connection was closed';
    redis.on('error', (error: Error) => {
      problem = error.message;
    });
    redis.on('end', () => {
      if (!control.#isClosed) options.onBroken(problem);
    });
    try {
      await redis.connect();
    } catch (cause) {
      control.close();
      throw new Error(problem, { cause });
    }
    return control;
  }

  /** Rejects with an Error that carries Redis's text, or where no reply comes in time. */
  async call(name: string, ...args: readonly (string | number)[]): Promise<Answer> {
    return (await this.#redis.call(name, ...args)) as Answer;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#redis.disconnect();
  }
}

function placeOf({ endpoint }: RedisAddress): object {
  switch (endpoint.kind) {
    case 'unix':
      return { path: endpoint.path };
    case 'tcp':
      return { host: endpoint.host, port: endpoint.port };
    case 'tls':
      return { host: endpoint.host, port: endpoint.port, tls: {} };
  }
}
