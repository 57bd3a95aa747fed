/**
 * The transport over TCP: one connection a lane and pair of nodes, dialled by the node with the higher id, or by the one
 * that does not listen.
 *
 * Owns the listener, the dialled connections and the table of who is connected on which lane. Must never throw on what
 * arrives, hold more than `unverifiedConnectionsMax` sockets of strangers, or call an event after `close`.
 *
 * That exactly one side dials means that two nodes can never replace each other's connections for ever. A node that is
 * not in `peers` may dial in as well; whether it may stay is for `verify` to say. A peer that comes back as another life
 * of itself (member id or incarnation) loses all lanes of its earlier life. Where `control` falls silent, both lanes are
 * closed, and dialling again resolves the peer's name anew: it may have moved.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import type { Timer, Timers } from '../base/clock.ts';
import { NodeError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { Dialler } from './dialler.ts';
import { EndingReport } from './ending-report.ts';
import { ownKindMin } from './frame.ts';
import {
  AcceptorHandshake,
  DiallerHandshake,
  type DialledLane,
  type Handshake,
  type HandshakeOptions,
} from './handshake.ts';
import { SecretVerdict } from './secret-verdict.ts';
import { TcpConnection, type ConnectionOwner, type Ending, type Party } from './tcp-connection.ts';
import type { Address, Lane, Transport, TransportEvents } from './transport.ts';
import { WarningBudget } from './warning-budget.ts';

export interface TcpTransportLimits {
  /** One frame's payload, sent or received. Holds Redis's largest value (512 MB) and what is around it. */
  readonly frameBytesMax: number;
  /** Bytes that wait in a lane when it takes no more frames; the last one may go beyond. */
  readonly dataQueueBytesMax: number;
  readonly controlQueueBytesMax: number;
  /** Sockets that have not finished the handshake; one more closes the oldest. */
  readonly unverifiedConnectionsMax: number;
}

const defaultLimits: TcpTransportLimits = {
  frameBytesMax: 1024 ** 3,
  dataQueueBytesMax: 64 * 1024 ** 2,
  controlQueueBytesMax: 1024 ** 2,
  unverifiedConnectionsMax: 256,
};

const tickMs = 1000;
/** Each side sends on `control` at least every other tick, so this many without a byte mean that nobody is there. */
const silentTicksMax = 10;
/** When the kernel begins to ask whether an idle peer is still there. */
const keepAliveDelayMs = 10_000;

export interface TcpTransportOptions {
  readonly self: NodeId;
  /** Undefined: it does not listen, and dials all its peers. */
  readonly listen: Address | undefined;
  /** All configured nodes; this one may be among them. Addresses are looked up at each connect. */
  readonly peers: ReadonlyMap<NodeId, Address>;
  /** Without one (undefined or empty) only a loopback address may be listened on. */
  readonly secret: string | undefined;
  readonly timers: Timers;
  readonly random: Random;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly logger: Logger;
  readonly limits?: Partial<TcpTransportLimits>;
}

export interface TcpTransport extends Transport {
  /** Where it listens, once started. */
  address(): Address | undefined;
}

export const createTcpTransport = (options: TcpTransportOptions): TcpTransport =>
  new FramedTcpTransport(options);

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(host);

const place = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

class FramedTcpTransport implements TcpTransport, ConnectionOwner {
  readonly #options: TcpTransportOptions;
  readonly #limits: TcpTransportLimits;
  readonly #secrets: SecretVerdict;
  readonly #warnings: WarningBudget;
  readonly #report: EndingReport;
  readonly #lanes: Readonly<Record<Lane, Map<NodeId, TcpConnection>>> = {
    control: new Map(),
    data: new Map(),
  };
  readonly #peers: Map<NodeId, Address>;
  readonly #diallers: Dialler[] = [];
  readonly #dialled: Map<TcpConnection, Dialler> = new Map();
  /** Accepted and not through the handshake, oldest first. */
  readonly #unverified: Set<TcpConnection> = new Set();
  readonly #sockets: Set<TcpConnection> = new Set();
  #server: Server | undefined;
  #events: TransportEvents | undefined;
  #ticker: Timer | undefined;
  #isClosed = false;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#peers = new Map(options.peers);
    const others = [...options.peers.keys()].filter((peer) => peer !== options.self);
    this.#secrets = new SecretVerdict(others.length);
    this.#warnings = new WarningBudget(options.logger);
    this.#report = new EndingReport({
      self: options.self,
      logger: options.logger,
      warnings: this.#warnings,
      secrets: this.#secrets,
      onRefused: (peer, refusal) => this.#live().onRefused(peer, refusal),
    });
  }

  async start(events: TransportEvents): Promise<void> {
    assert(this.#events === undefined, 'a transport is started once');
    const { listen, secret } = this.#options;
    if (listen !== undefined && !secret && !isLoopback(listen.host)) {
      const reason = `peer address ${place(listen)} can be reached from outside, but there is no clusterSecret: set the same clusterSecret on all nodes, or listen on 127.0.0.1`;
      throw new NodeError('config-invalid', reason);
    }
    this.#events = events;
    if (listen !== undefined) await this.#listen(listen);
    if (this.#isClosed) {
      await this.#closeServer();
      return;
    }
    for (const peer of this.#peers.keys()) this.#meet(peer);
    this.#tickLater();
  }

  addPeers(peers: ReadonlyMap<NodeId, Address>): void {
    for (const [peer, address] of peers) {
      if (this.#peers.has(peer)) continue;
      this.#peers.set(peer, address);
      if (this.#events !== undefined && !this.#isClosed) this.#meet(peer);
    }
  }

  send(peer: NodeId, lane: Lane, kind: number, parts: readonly Uint8Array[]): boolean {
    assert(kind >= 0 && kind < ownKindMin, 'kinds from 240 on belong to the transport');
    const { dataQueueBytesMax, controlQueueBytesMax } = this.#limits;
    const queueBytesMax = lane === 'data' ? dataQueueBytesMax : controlQueueBytesMax;
    return this.#lanes[lane].get(peer)?.send(kind, parts, queueBytesMax) ?? false;
  }

  isConnected(peer: NodeId, lane: Lane): boolean {
    return this.#lanes[lane].get(peer)?.isEstablished ?? false;
  }

  queuedBytes(peer: NodeId, lane: Lane): number {
    return this.#lanes[lane].get(peer)?.queuedBytes ?? 0;
  }

  address(): Address | undefined {
    const address = this.#server?.address();
    if (typeof address !== 'object' || address === null) return undefined;
    return { host: address.address, port: address.port };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ticker?.cancel();
    for (const dialler of this.#diallers) dialler.stop();
    this.#lanes.control.clear();
    this.#lanes.data.clear();
    for (const connection of this.#sockets) connection.destroy('is closed by this node');
    await this.#closeServer();
  }

  async #closeServer(): Promise<void> {
    const server = this.#server;
    if (server?.listening !== true) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  }

  accepted(connection: TcpConnection, party: Party): void {
    const { hello, lane } = party;
    this.#unverified.delete(connection);
    this.#secrets.proved();
    this.#dialled.get(connection)?.succeeded();
    for (const other of ['control', 'data'] as const) {
      const earlier = this.#lanes[other].get(hello.nodeId);
      const life = earlier?.party?.hello;
      const isSameLife =
        life?.memberId === hello.memberId && life.incarnation === hello.incarnation;
      if (earlier !== undefined && (other === lane || !isSameLife)) {
        earlier.destroy('replaced by a newer connection');
        this.#leave(earlier);
      }
    }
    if (this.#isClosed) return;
    this.#lanes[lane].set(hello.nodeId, connection);
    this.#options.logger.info({ peer: hello.nodeId, lane }, 'connected to peer');
    this.#live().onConnected(hello.nodeId, lane, hello);
  }

  frame(party: Party, kind: number, payload: Uint8Array): void {
    if (!this.#isClosed) this.#live().onFrame(party.hello.nodeId, party.lane, kind, payload);
  }

  oversized(party: Party | undefined, kind: number, payloadBytes: number): void {
    const { frameBytesMax } = this.#limits;
    const said = { peer: party?.hello.nodeId, kind, payloadBytes, frameBytesMax };
    this.#warnings.warn(said, 'a frame is larger than peers take; it is not sent');
  }

  ended(connection: TcpConnection, ending: Ending): void {
    const dialler = this.#dialled.get(connection);
    this.#sockets.delete(connection);
    this.#unverified.delete(connection);
    this.#dialled.delete(connection);
    if (this.#isClosed) return;
    if (connection.party !== undefined) {
      this.#report.lost(connection, connection.party, ending);
      this.#leave(connection);
    } else if (dialler === undefined) {
      this.#report.stranger(connection, ending);
    } else {
      this.#report.dialled(connection, dialler, ending);
    }
    dialler?.ended();
  }

  async #listen(listen: Address): Promise<void> {
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
    });
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        const why = error.code === 'EADDRINUSE' ? 'it is in use by another process' : error.message;
        const reason = `cannot listen for peers on ${place(listen)}: ${why}; free it or choose another with --peer-port`;
        reject(new NodeError('config-invalid', reason, error));
      };
      server.once('error', fail);
      server.listen(listen.port, listen.host, () => {
        server.off('error', fail);
        server.on('error', (error) => {
          this.#warnings.warn({ error: error.message }, 'cannot accept a connection');
        });
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const handshake = new AcceptorHandshake(this.#handshakeOptions());
    const remote = place({ host: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 });
    const connection = this.#connection(socket, handshake, 'accepted', remote);
    this.#unverified.add(connection);
    if (this.#unverified.size <= this.#limits.unverifiedConnectionsMax) return;
    const [oldest] = this.#unverified;
    if (oldest === undefined) return;
    this.#unverified.delete(oldest);
    oldest.destroy('too many connections without a handshake');
  }

  #meet(peer: NodeId): void {
    const { self, listen } = this.#options;
    if (peer === self) return;
    const isMine = peer < self || listen === undefined;
    const lanes: readonly DialledLane[] = isMine ? ['control', 'data'] : ['probe'];
    for (const lane of lanes) this.#startDialler(peer, lane);
  }

  #startDialler(peer: NodeId, lane: DialledLane): void {
    const { timers, random } = this.#options;
    const dialler: Dialler = new Dialler({
      peer,
      lane,
      timers,
      random,
      dial: () => this.#dial(dialler),
      isWanted: () => lane !== 'probe' || !this.#secrets.isProved,
    });
    this.#diallers.push(dialler);
    dialler.start();
  }

  #dial(dialler: Dialler): void {
    const { peer: expected, lane } = dialler;
    const address = this.#peers.get(expected);
    if (address === undefined) {
      dialler.ended();
      return;
    }
    const socket = connect({
      ...address,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
    });
    const handshake = new DiallerHandshake({ ...this.#handshakeOptions(), expected, lane });
    this.#dialled.set(this.#connection(socket, handshake, 'dialled', place(address)), dialler);
  }

  #handshakeOptions(): HandshakeOptions {
    const { secret, randomBytes } = this.#options;
    const events = this.#live();
    return {
      secret,
      randomBytes,
      hello: () => events.hello(),
      verify: (peer) => events.verify(peer),
    };
  }

  #connection(
    socket: Socket,
    handshake: Handshake,
    origin: 'dialled' | 'accepted',
    remote: string,
  ): TcpConnection {
    const { timers } = this.#options;
    const { frameBytesMax } = this.#limits;
    const options = { socket, handshake, origin, owner: this, timers, frameBytesMax, remote };
    const connection = new TcpConnection(options);
    this.#sockets.add(connection);
    return connection;
  }

  /** Takes a connection out of the table, if it is still in it. */
  #leave(connection: TcpConnection): void {
    const { party } = connection;
    if (party === undefined || this.#isClosed) return;
    const { nodeId } = party.hello;
    if (this.#lanes[party.lane].get(nodeId) !== connection) return;
    this.#lanes[party.lane].delete(nodeId);
    this.#live().onDisconnected(nodeId, party.lane);
  }

  #tickLater(): void {
    this.#ticker = this.#options.timers.after(tickMs, () => {
      this.#warnings.refill();
      for (const [peer, connection] of this.#lanes.control) {
        if (connection.tick() < silentTicksMax) continue;
        connection.destroy('silent for too long');
        this.#lanes.data.get(peer)?.destroy('its control lane was silent for too long');
      }
      if (!this.#isClosed) this.#tickLater();
    });
  }

  #live(): TransportEvents {
    assert(this.#events !== undefined, 'connections exist only after start');
    return this.#events;
  }
}
