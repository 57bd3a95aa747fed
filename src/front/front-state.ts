/**
 * What the connections of one node share: their surroundings, the list of them, and who is to be called when.
 */

import type { Clock, Timers } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { RequestLimits } from '../resp/decoder.ts';
import type { Connection } from './connection.ts';
import { noStatistics, type FrontStatistics } from './statistics.ts';

export interface FrontStateOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly random: Random;
  readonly maxClients: number;
  readonly requestLimits: RequestLimits;
  readonly outputBytesMax: number;
  readonly commandTimeoutMs: number;
}

/** Replies are handed to the socket at the latest when so many bytes have come together. */
const writeBytesMax = 256 * 1024;

export class FrontState {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly random: Random;
  readonly requestLimits: RequestLimits;
  readonly outputBytesMax: number;
  readonly writeBytesMax: number = writeBytesMax;
  readonly statistics: FrontStatistics = noStatistics();
  readonly turn: TurnList;
  /** May be changed by CONFIG SET. */
  maxClients: number;
  readonly commandTimeoutMs: number;
  readonly #connections = new Map<number, Connection>();
  #lastClientId = 0;
  #waitsForRoom: Connection[] = [];
  #waitsForShards = new Set<Connection>();

  constructor(options: FrontStateOptions) {
    this.cluster = options.cluster;
    this.clock = options.clock;
    this.timers = options.timers;
    this.logger = options.logger;
    this.random = options.random;
    this.maxClients = options.maxClients;
    this.requestLimits = options.requestLimits;
    this.outputBytesMax = options.outputBytesMax;
    this.commandTimeoutMs = options.commandTimeoutMs;
    this.turn = new TurnList(options.timers);
  }

  /** Ascending by client id. */
  get connections(): ReadonlyMap<number, Connection> {
    return this.#connections;
  }

  nextClientId(): number {
    this.#lastClientId += 1;
    return this.#lastClientId;
  }

  remember(connection: Connection): void {
    this.#connections.set(connection.client.id, connection);
    this.statistics.connections = this.#connections.size;
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection.client.id);
    this.#waitsForShards.delete(connection);
    this.statistics.connections = this.#connections.size;
  }

  /** The connection's current command waits until the cluster has room for it. */
  waitForRoom(connection: Connection): void {
    connection.hold('full');
    this.#waitsForRoom.push(connection);
    if (this.#waitsForRoom.length > 1) return;
    this.cluster.onDrained(() => {
      const waiting = this.#waitsForRoom;
      this.#waitsForRoom = [];
      for (const each of waiting) each.resume('full');
    });
  }

  /** The connection's current command waits until the shards are known, or `commandTimeoutMs`. */
  waitForShards(connection: Connection): void {
    connection.hold('not-ready');
    this.#waitsForShards.add(connection);
    this.timers.after(this.commandTimeoutMs, () => {
      if (!this.#waitsForShards.delete(connection)) return;
      connection.hasWaitedForShards = true;
      connection.resume('not-ready');
    });
    if (this.#waitsForShards.size > 1) return;
    this.cluster.onReady(() => {
      const waiting = this.#waitsForShards;
      this.#waitsForShards = new Set();
      for (const each of waiting) each.resume('not-ready');
    });
  }
}

/** Calls the connections that asked for it, together, once a turn of the event loop. */
export class TurnList {
  readonly #timers: Timers;
  #due: Connection[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  add(connection: Connection): void {
    this.#due.push(connection);
    if (this.#due.length > 1) return;
    this.#timers.endOfTurn(() => {
      const due = this.#due;
      this.#due = [];
      for (const each of due) each.turnEnded();
    });
  }
}
