/**
 * Accepts clients on the client port, up to `maxClients`, and gives each a connection.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { NodeError } from '../base/errors.ts';
import { Client } from './client.ts';
import { Connection, type TakeCommand } from './connection.ts';
import { maxClientsReply } from './error-replies.ts';
import type { FrontState } from './front-state.ts';

/** Connections that the kernel keeps until they are accepted; Redis's default. */
const backlog = 511;

export interface ListenerOptions {
  readonly state: FrontState;
  readonly take: TakeCommand;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export class Listener {
  readonly #state: FrontState;
  readonly #take: TakeCommand;
  readonly #host: string;
  readonly #port: number;
  readonly #server: Server;
  #closed: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#state = options.state;
    this.#take = options.take;
    this.#host = options.host;
    this.#port = options.port;
    // A client may end its side before it has read the replies; keep-alive finds those that vanished.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Resolves with the bound port; rejects with `config-invalid` where it cannot be bound. */
  async start(): Promise<number> {
    this.#server.listen({ host: this.#host, port: this.#port, backlog });
    try {
      await once(this.#server, 'listening');
    } catch (error) {
      throw new NodeError('config-invalid', this.#whyNot(error), error);
    }
    this.#server.on('error', (error) => {
      this.#state.logger.error({ error: error.message }, 'the client port cannot accept');
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Accepts nobody any more. Connections take and answer what they have read and what already waits to be read, then close. */
  stopTaking(): void {
    this.#closed ??= this.#stopAccepting();
    this.#state.timers.soon(() => {
      for (const connection of this.#state.connections.values()) connection.endInput();
    });
  }

  /** Accepts nobody any more and closes all connections at once. */
  async close(): Promise<void> {
    this.#closed ??= this.#stopAccepting();
    for (const connection of this.#state.connections.values()) connection.destroy();
    await this.#closed;
  }

  /** Resolves once all connections have closed, too. */
  #stopAccepting(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    const { statistics, clock } = this.#state;
    if (this.#state.connections.size >= this.#state.maxClients) {
      statistics.connectionsRefused += 1;
      socket.on('error', () => socket.destroy());
      socket.end(maxClientsReply, 'latin1');
      socket.destroySoon();
      return;
    }
    statistics.connectionsAccepted += 1;
    const client = new Client({
      id: this.#state.nextClientId(),
      address: `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`,
      localAddress: `${socket.localAddress ?? '?'}:${socket.localPort ?? 0}`,
      nowMs: clock.monotonicMs(),
    });
    this.#state.remember(new Connection({ client, socket, state: this.#state, take: this.#take }));
  }

  #whyNot(error: unknown): string {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const where = `port ${this.#port} on ${this.#host}`;
    switch (code) {
      case 'EADDRINUSE':
        return `${where} is in use by another process; choose another with --client-port or stop that process`;
      case 'EACCES':
        return `${where} may not be bound by this user; choose one above 1023 with --client-port`;
      case 'EADDRNOTAVAIL':
        return `${this.#host} is no address of this machine; choose another with --client-host`;
      default:
        return `${where} cannot be bound (${code}); choose another with --client-host and --client-port`;
    }
  }
}
