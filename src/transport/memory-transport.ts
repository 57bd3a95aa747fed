/**
 * A transport between nodes of one process, over a network that can be cut, slowed and broken on command.
 *
 * Owns connections between the transports that joined one `MemoryNetwork`. It keeps the contract of the port as TCP
 * does: order, whole frames, bounded queues, handshake with secret, hello and refusals.
 * Must never deliver inside `send`, nor read any clock: all waiting goes through the given `Timers`.
 *
 * A cut behaves as a lost route does to TCP: nothing arrives in the cut direction, what was sent waits and arrives late
 * when the route is back, and a connection on which something waited for `stalledMsMax` breaks, at both ends, with what was
 * in it. Nothing is ever lost in the middle of a connection.
 */

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import type { Timer, Timers } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import { Dialler } from './dialler.ts';
import { ownKindMin } from './frame.ts';
import { SecretVerdict } from './secret-verdict.ts';
import type { Address, Hello, Lane, Refusal, Transport, TransportEvents } from './transport.ts';

const dataQueueBytesMax = 64 * 1024 ** 2;
const controlQueueBytesMax = 1024 ** 2;
const frameBytesMax = 1024 ** 3;
/** As long as TCP transports wait for a silent peer. */
const stalledMsMax = 10_000;

const lanes: readonly Lane[] = ['control', 'data'];

const route = (from: NodeId, to: NodeId, lane: Lane): string => `${from}>${to} ${lane}`;

export interface MemoryNetworkOptions {
  readonly timers: Timers;
  /** How long a frame travels, asked for each; frames of a lane stay in order. None: until the end of the turn. */
  readonly delayMs?: (from: NodeId, to: NodeId, lane: Lane) => number;
}

export interface MemoryTransportOptions {
  readonly self: NodeId;
  readonly peers: readonly NodeId[];
  readonly secret: string | undefined;
  readonly network: MemoryNetwork;
  readonly random: Random;
}

/** Where memory transports find each other. */
export class MemoryNetwork {
  readonly timers: Timers;
  readonly #delayMs: ((from: NodeId, to: NodeId, lane: Lane) => number) | undefined;
  readonly #nodes: Map<NodeId, MemoryTransport> = new Map();
  /** Routes on which nothing arrives. */
  readonly #cuts: Set<string> = new Set();

  constructor(options: MemoryNetworkOptions) {
    this.timers = options.timers;
    this.#delayMs = options.delayMs;
  }

  /** Nothing that `from` sends reaches `to`, on one lane or on both; the other direction stays as it is. */
  cut(from: NodeId, to: NodeId, lane?: Lane): void {
    for (const each of lanes) {
      if (lane === undefined || lane === each) this.#cuts.add(route(from, to, each));
    }
  }

  heal(from: NodeId, to: NodeId): void {
    for (const lane of lanes) this.#cuts.delete(route(from, to, lane));
    for (const node of this.#nodes.values()) node.resume();
  }

  healAll(): void {
    this.#cuts.clear();
    for (const node of this.#nodes.values()) node.resume();
  }

  /** Breaks the connections between two nodes, which then dial again. */
  disconnect(one: NodeId, other: NodeId): void {
    for (const lane of lanes) this.#nodes.get(one)?.breakLane(other, lane);
  }

  isCut(from: NodeId, to: NodeId, lane: Lane): boolean {
    return this.#cuts.has(route(from, to, lane));
  }

  /** Calls after the time that a frame takes. */
  travel(from: NodeId, to: NodeId, lane: Lane, call: () => void): void {
    const delayMs = this.#delayMs?.(from, to, lane) ?? 0;
    if (delayMs > 0) this.timers.after(delayMs, call);
    else this.timers.soon(call);
  }

  find(node: NodeId): MemoryTransport | undefined {
    return this.#nodes.get(node);
  }

  join(node: NodeId, transport: MemoryTransport): void {
    assert(!this.#nodes.has(node), 'a node is in the network once');
    this.#nodes.set(node, transport);
  }

  leave(node: NodeId, transport: MemoryTransport): void {
    if (this.#nodes.get(node) === transport) this.#nodes.delete(node);
  }
}

interface Parcel {
  readonly kind: number;
  readonly payload: Uint8Array;
  hasArrived: boolean;
}

/** One end of a connection: what this end sends waits here until it is delivered at the other end. */
class MemoryLane {
  readonly owner: MemoryTransport;
  readonly peer: Hello;
  readonly lane: Lane;
  readonly #network: MemoryNetwork;
  readonly #parcels: Parcel[] = [];
  #other: MemoryLane | undefined;
  #bytes = 0;
  #isDead = false;
  #stall: Timer | undefined;

  constructor(options: {
    owner: MemoryTransport;
    peer: Hello;
    lane: Lane;
    network: MemoryNetwork;
  }) {
    this.owner = options.owner;
    this.peer = options.peer;
    this.lane = options.lane;
    this.#network = options.network;
  }

  join(other: MemoryLane): void {
    this.#other = other;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  send(kind: number, parts: readonly Uint8Array[]): boolean {
    const payload = Buffer.concat(parts);
    const bytesMax = this.lane === 'data' ? dataQueueBytesMax : controlQueueBytesMax;
    if (payload.length > frameBytesMax || this.#bytes >= bytesMax) return false;
    const parcel = { kind, payload, hasArrived: false };
    this.#parcels.push(parcel);
    this.#bytes += payload.length;
    this.#network.travel(this.owner.self, this.peer.nodeId, this.lane, () => {
      parcel.hasArrived = true;
      this.deliver();
    });
    return true;
  }

  /** Hands over what has arrived, up to the first parcel that has not. */
  deliver(): void {
    for (let parcel = this.#parcels[0]; parcel?.hasArrived === true; parcel = this.#parcels[0]) {
      if (this.#isDead) return;
      if (this.#network.isCut(this.owner.self, this.peer.nodeId, this.lane)) {
        this.#stall ??= this.#network.timers.after(stalledMsMax, () => this.breakUp());
        return;
      }
      this.#stall?.cancel();
      this.#stall = undefined;
      this.#parcels.shift();
      this.#bytes -= parcel.payload.length;
      this.#other?.owner.receive(this.#other, parcel.kind, parcel.payload);
    }
  }

  /** Ends the connection at both ends; what is in it is lost. */
  breakUp(): void {
    if (this.#isDead) return;
    const other = this.#other;
    this.#die();
    if (other !== undefined) other.#die();
    this.owner.left(this);
    other?.owner.left(other);
  }

  #die(): void {
    this.#isDead = true;
    this.#parcels.length = 0;
    this.#bytes = 0;
    this.#stall?.cancel();
  }
}

export class MemoryTransport implements Transport {
  readonly self: NodeId;
  readonly #options: MemoryTransportOptions;
  readonly #secrets: SecretVerdict;
  readonly #lanes: Readonly<Record<Lane, Map<NodeId, MemoryLane>>> = {
    control: new Map(),
    data: new Map(),
  };
  readonly #peers: Set<NodeId>;
  readonly #diallers: Dialler[] = [];
  #events: TransportEvents | undefined;
  #isClosed = false;

  constructor(options: MemoryTransportOptions) {
    this.self = options.self;
    this.#options = options;
    this.#peers = new Set(options.peers);
    this.#secrets = new SecretVerdict(options.peers.filter((peer) => peer !== this.self).length);
  }

  start(events: TransportEvents): Promise<void> {
    assert(this.#events === undefined, 'a transport is started once');
    this.#events = events;
    this.#options.network.join(this.self, this);
    for (const peer of this.#peers) this.#dial(peer);
    return Promise.resolve();
  }

  addPeers(peers: ReadonlyMap<NodeId, Address>): void {
    for (const peer of peers.keys()) {
      if (this.#peers.has(peer)) continue;
      this.#peers.add(peer);
      if (this.#events !== undefined && !this.#isClosed) this.#dial(peer);
    }
  }

  /** Both lanes to a peer with a lower id; others dial this node. */
  #dial(peer: NodeId): void {
    const { network, random } = this.#options;
    if (peer >= this.self) return;
    for (const lane of lanes) {
      const dialler: Dialler = new Dialler({
        peer,
        lane,
        timers: network.timers,
        random,
        dial: () => network.travel(this.self, peer, lane, () => this.#meet(dialler, lane)),
        isWanted: () => true,
      });
      this.#diallers.push(dialler);
      dialler.start();
    }
  }

  send(peer: NodeId, lane: Lane, kind: number, parts: readonly Uint8Array[]): boolean {
    assert(kind >= 0 && kind < ownKindMin, 'kinds from 240 on belong to the transport');
    return this.#lanes[lane].get(peer)?.send(kind, parts) ?? false;
  }

  isConnected(peer: NodeId, lane: Lane): boolean {
    return this.#lanes[lane].has(peer);
  }

  queuedBytes(peer: NodeId, lane: Lane): number {
    return this.#lanes[lane].get(peer)?.bytes ?? 0;
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    for (const dialler of this.#diallers) dialler.stop();
    this.#options.network.leave(this.self, this);
    for (const lane of lanes) {
      for (const connection of this.#lanes[lane].values()) connection.breakUp();
    }
    return Promise.resolve();
  }

  breakLane(peer: NodeId, lane: Lane): void {
    this.#lanes[lane].get(peer)?.breakUp();
  }

  /** A route is back: what waited goes on. */
  resume(): void {
    for (const lane of lanes) {
      for (const connection of this.#lanes[lane].values()) connection.deliver();
    }
  }

  receive(at: MemoryLane, kind: number, payload: Uint8Array): void {
    if (!this.#isClosed) this.#events?.onFrame(at.peer.nodeId, at.lane, kind, payload);
  }

  left(connection: MemoryLane): void {
    const { peer, lane } = connection;
    if (this.#lanes[lane].get(peer.nodeId) !== connection) return;
    this.#lanes[lane].delete(peer.nodeId);
    if (this.#isClosed) return;
    this.#events?.onDisconnected(peer.nodeId, lane);
    this.#diallers
      .find((dialler) => dialler.peer === peer.nodeId && dialler.lane === lane)
      ?.ended();
  }

  /** The handshake of TCP in one step: the dialler's hello has arrived, and the answers come back at once. */
  #meet(dialler: Dialler, lane: Lane): void {
    const { network } = this.#options;
    const other = network.find(dialler.peer);
    const isReachable =
      !network.isCut(this.self, dialler.peer, lane) &&
      !network.isCut(dialler.peer, this.self, lane);
    if (this.#isClosed) return;
    if (other === undefined || !isReachable || !this.#isAgreed(other)) {
      dialler.ended();
      return;
    }
    const mine = this.#live().hello();
    const theirs = other.#live().hello();
    const [fromMe, fromThem] = [this.#live().verify(theirs), other.#live().verify(mine)];
    if (fromMe !== undefined) other.#refused(this.self, fromMe);
    if (fromThem !== undefined) this.#refused(other.self, fromThem);
    if (fromMe !== undefined || fromThem !== undefined || this.#isClosed || other.#isClosed) {
      dialler.ended();
      return;
    }
    const here = new MemoryLane({ owner: this, peer: theirs, lane, network });
    const there = new MemoryLane({ owner: other, peer: mine, lane, network });
    here.join(there);
    there.join(here);
    dialler.succeeded();
    other.#enter(there);
    if (here.isDead) dialler.ended();
    else this.#enter(here);
  }

  /** Compares the secrets; where they differ both ends learn it, as both dial or probe each other over TCP. */
  #isAgreed(other: MemoryTransport): boolean {
    if ((this.#options.secret ?? '') === (other.#options.secret ?? '')) {
      this.#secrets.proved();
      other.#secrets.proved();
      return true;
    }
    this.#mismatched(other.self);
    other.#mismatched(this.self);
    return false;
  }

  #mismatched(peer: NodeId): void {
    const kind = this.#secrets.mismatched(peer);
    this.#refused(peer, { kind, reason: `clusterSecret does not match that of node ${peer}` });
  }

  #refused(peer: NodeId, refusal: Refusal): void {
    if (!this.#isClosed) this.#live().onRefused(peer, refusal);
  }

  #enter(connection: MemoryLane): void {
    const { peer, lane } = connection;
    assert(!this.#lanes[lane].has(peer.nodeId), 'an earlier life left the network, and its lanes');
    if (this.#isClosed) return;
    this.#lanes[lane].set(peer.nodeId, connection);
    this.#live().onConnected(peer.nodeId, lane, peer);
  }

  #live(): TransportEvents {
    assert(this.#events !== undefined, 'connections exist only after start');
    return this.#events;
  }
}
