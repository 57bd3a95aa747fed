/**
 * One node of a `VirtualCluster`: a disk that stays, and one life after another on it.
 */

import assert from 'node:assert/strict';
import type { Timers } from '../../src/base/clock.ts';
import { NodeError } from '../../src/base/errors.ts';
import {
  clusterId,
  memberId,
  type GroupId,
  type NodeId,
  type ShardId,
} from '../../src/base/ids.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { ShardStatus, Submission } from '../../src/cluster/cluster.ts';
import { Formation } from '../../src/cluster/formation.ts';
import { frameKind } from '../../src/cluster/frames.ts';
import { Member } from '../../src/cluster/member.ts';
import { latin1Slice } from '../../src/command/latin1.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { createMemoryEngine } from '../../src/engine/memory/memory-engine.ts';
import type { GroupWrite, Identity, Log } from '../../src/log/log.ts';
import { createMemoryLog, MemoryDisk } from '../../src/log/memory-log.ts';
import { frameKind as raftFrame } from '../../src/replica/peer-frames.ts';
import type { Replica } from '../../src/replica/replica.ts';
import type { ReplicaSettings } from '../../src/replica/settings.ts';
import type { Namespace } from '../../src/shard/namespace.ts';
import { MemoryTransport, type MemoryNetwork } from '../../src/transport/memory-transport.ts';
import type { Hello, Lane, Refusal, Transport } from '../../src/transport/transport.ts';
import { Calls, type Call } from './virtual-calls.ts';
import { VirtualProcess, type VirtualTime } from './virtual-time.ts';

/** A frame of Raft on its way. */
export interface RaftFrame {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly kind: number;
  readonly payload: Uint8Array;
}

export interface SentFrame {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly lane: Lane;
  readonly kind: number;
  readonly payload: Uint8Array;
  readonly wasTaken: boolean;
}

export interface VirtualNodeOptions {
  readonly id: NodeId;
  readonly members: readonly NodeId[];
  readonly shards: number;
  readonly settings: ReplicaSettings;
  readonly namespaces: readonly Namespace[];
  readonly commandTimeoutMs: number;
  readonly time: VirtualTime;
  readonly network: MemoryNetwork;
  readonly seed: () => number;
  readonly diskMs: () => number;
  readonly onSend: (frame: SentFrame) => void;
  /** After how many ms a frame of Raft that has arrived is taken, each time; none loses it. */
  readonly fate: (frame: RaftFrame) => readonly number[];
  /** What has become durable. */
  readonly onDurable: (node: VirtualNode, writes: readonly GroupWrite[]) => void;
  readonly wrapEngine: (create: () => Engine, shard: ShardId, timers: Timers) => Engine;
}

interface Life {
  readonly process: VirtualProcess;
  readonly engines: Engine[];
  /** By peer, connections that have ended. */
  readonly ended: Map<NodeId, number>;
  log: Log | undefined;
  transport: MemoryTransport | undefined;
  formation: Formation | undefined;
  member: Member | undefined;
  /** Ends the write under way. */
  endWrite: (() => void) | undefined;
}

const now: readonly number[] = [0];
/** Kinds up to here belong to the replicas. */
const raftKindMax = 15;
/** The simulated network needs none. */
const nowhere = { host: '', port: 0 };
const wallStartMs = 1_700_000_000_000;
/** How long a node that must stop leaves its peers to hear why. */
const lastWordsMs = 500;

export class VirtualNode {
  readonly id: NodeId;
  disk: MemoryDisk = new MemoryDisk();
  /** What this node is configured with; changes count from the next start. */
  members: readonly NodeId[];
  shards: number;
  settings: ReplicaSettings;
  namespaces: readonly Namespace[];
  /** An empty directory waits to be added to a cluster. */
  isJoining = false;
  wallOffsetMs = 0;
  /** How fast its monotonic clock runs, from the next start on. */
  clockRate = 1;
  /** Writes are begun and do not end until this is false again. */
  isDiskHeld = false;
  /** The next write fails. */
  isDiskBroken = false;
  /** Writes begun. */
  writes = 0;
  /** Dies in its n-th write from now, which reaches the disk or not. */
  doom: { readonly atWrite: number; readonly isKept: boolean } | undefined;
  /** Why the node stopped by itself, in its last life. */
  failure: NodeError | undefined;
  /** One line for each refusal that may pass. */
  readonly warnings: string[] = [];
  readonly #options: VirtualNodeOptions;
  readonly #calls: Calls;
  #life: Life | undefined;

  constructor(options: VirtualNodeOptions) {
    this.#options = options;
    this.#calls = new Calls(options.time);
    this.id = options.id;
    this.members = options.members;
    this.shards = options.shards;
    this.settings = options.settings;
    this.namespaces = options.namespaces;
  }

  get isUp(): boolean {
    return this.#life !== undefined;
  }

  get isPaused(): boolean {
    return this.#life?.process.isPaused ?? false;
  }

  get identity(): Identity | undefined {
    return this.disk.identity;
  }

  get member(): Member {
    const member = this.#life?.member;
    assert.ok(member !== undefined, `node ${this.id} is up: ${this.failure?.message ?? ''}`);
    return member;
  }

  get formation(): Formation {
    const formation = this.#life?.formation;
    assert.ok(formation !== undefined, `node ${this.id} is up`);
    return formation;
  }

  // What `Membership` asks.
  candidates(): ReturnType<Formation['candidates']> {
    return this.formation.candidates();
  }

  isConnected(node: NodeId): boolean {
    return this.#life?.transport?.isConnected(node, 'data') ?? false;
  }

  get isReady(): boolean {
    return (this.#life?.member?.shards ?? 0) > 0;
  }

  /** Its replica of a group, where it is up and has got that far. */
  replica(group: GroupId): Replica | undefined {
    return this.#life?.member?.replica(group);
  }

  status(): readonly ShardStatus[] {
    return this.isReady ? this.member.status() : [];
  }

  engine(shard = 0): Engine {
    const engine = this.#life?.engines[shard];
    assert.ok(engine !== undefined);
    return engine;
  }

  digest(shard = 0): Promise<string> {
    return this.engine(shard).digest();
  }

  // -- Life and death ------------------------------------------------------------------------------

  start(): void {
    assert.equal(this.#life, undefined, 'one life at a time');
    this.failure = undefined;
    const process = new VirtualProcess((error) => this.#fail(life, error));
    const life: Life = {
      process,
      engines: [],
      ended: new Map(),
      log: undefined,
      transport: undefined,
      formation: undefined,
      member: undefined,
      endWrite: undefined,
    };
    this.#life = life;
    this.#boot(life).catch((error: unknown) => this.#fail(life, error));
  }

  /** The end, as by kill -9 or a power cut: what is not durable is lost. */
  crash(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#end(life);
    this.disk.crash();
  }

  /** The same, but the write under way reaches the disk; nobody hears of it. */
  async crashAfterWrite(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#end(life);
    life.endWrite?.();
    await this.#options.time.advance(0);
    this.disk.crash();
  }

  /** In the middle of a turn of its own. */
  #dieInWrite(life: Life, isKept: boolean): void {
    const { time, network } = this.#options;
    this.doom = undefined;
    this.#end(life);
    if (isKept) life.endWrite?.();
    // Once what waits for the write has settled.
    const { disk } = this;
    network.timers.soon(() => disk.crash());
    time.promised();
  }

  pause(): void {
    if (this.#life !== undefined) this.#life.process.isPaused = true;
  }

  resume(): void {
    if (this.#life?.process.isPaused === true) this.#options.time.resume(this.#life.process);
  }

  /** Stops as a node does that is told to, without handing over. Resolves as time goes on. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    this.#options.time.promised();
    await closeLife(life);
  }

  /** Another, empty directory. */
  wipe(): void {
    assert.equal(this.#life, undefined, 'a directory is wiped while nobody uses it');
    this.disk = new MemoryDisk();
  }

  /** Lets the write that is held end, and holds the next. */
  passWrite(): void {
    this.#life?.endWrite?.();
  }

  releaseDisk(): void {
    this.isDiskHeld = false;
    this.#life?.endWrite?.();
  }

  // -- Clients -------------------------------------------------------------------------------------

  log(line: string, shard = 0): Call {
    return this.call(line, 'log', shard);
  }

  read(line: string, shard = 0): Call {
    return this.call(line, 'read', shard);
  }

  /** A read that this node's own replica may answer. */
  local(line: string, limits: Pick<Submission, 'floor' | 'boundMs'> = {}): Call {
    return this.#calls.begin(this.member, { line, path: 'local', shard: 0, limits });
  }

  call(line: string, path: Submission['path'], shard: number, then?: (call: Call) => void): Call {
    return this.#calls.begin(this.member, { line, path, shard, whenDone: then });
  }

  // -- Wiring --------------------------------------------------------------------------------------

  /** Follows `openNode` and `OutriggerNode` of `src/node.ts`. */
  async #boot(life: Life): Promise<void> {
    const random = seededRandom(this.#options.seed());
    const hex = (count: number): string =>
      Array.from({ length: count }, () => Math.floor(random.next() * 16).toString(16)).join('');
    const log = createMemoryLog({
      nodeId: this.id,
      disk: this.disk,
      settle: () => this.#write(life),
    });
    life.log = log;
    const known = log.identity ?? {
      phase: 'new',
      nodeId: this.id,
      memberId: memberId(hex(16)),
      incarnation: 0,
      clusterId: undefined,
      members: [],
      shards: 0,
    };
    const identity: Identity = { ...known, incarnation: known.incarnation + 1 };
    await log.saveIdentity(identity);
    if (life.process.isDead) return;
    const { network } = this.#options;
    const peers = this.members.filter((peer) => peer !== this.id);
    const transport = new MemoryTransport({
      self: this.id,
      peers,
      secret: undefined,
      network,
      random,
    });
    life.transport = transport;
    const watched = this.#watch(transport);
    const watchedLog = this.#watchLog(log);
    life.member = this.#makeMember({ life, identity, log: watchedLog, transport: watched, random });
    life.formation = new Formation({
      identity,
      members: this.members,
      shards: this.shards,
      engine: 'memory',
      address: nowhere,
      isJoining: this.isJoining,
      table: () => life.member?.meta,
      isGone: (node) => life.member?.placer.isGone(node) ?? false,
      namespaces: this.namespaces,
      save: (next) => log.saveIdentity(next),
      newClusterId: () => clusterId(hex(32)),
      send: (peer, payload) => {
        watched.send(peer, 'control', frameKind.formation, [payload]);
      },
      admitProxy: (peer) => life.member?.admitProxy(peer),
      onFormed: (formed) => {
        this.#startMember(life, formed);
      },
      onFatal: (error) => this.#fail(life, error),
      onRemoved: () => this.#fail(life, new NodeError('removed', 'removed')),
      onDisagreement: (error) => {
        const { time } = this.#options;
        time.timersOf(life.process).after(lastWordsMs, () => this.#fail(life, error));
      },
    });
    await this.#listen(life, transport, life.formation, life.member);
    life.formation.start();
    this.#options.time.promised();
  }

  #startMember(life: Life, formed: Identity): void {
    life.member?.start(formed).catch((error: unknown) => this.#fail(life, error));
  }

  #makeMember(parts: {
    readonly life: Life;
    readonly identity: Identity;
    readonly log: Log;
    readonly transport: Transport;
    readonly random: { next(): number };
  }): Member {
    const { life, identity, log, transport, random } = parts;
    const { settings } = this;
    const { time, commandTimeoutMs, wrapEngine } = this.#options;
    const rate = this.clockRate;
    const timers = time.timersOf(life.process, rate);
    const bornMs = time.nowMs - Math.floor(random.next() * 1e6);
    const clock = {
      monotonicMs: () => (time.nowMs - bornMs) * rate,
      wallMs: () => wallStartMs + time.nowMs + this.wallOffsetMs,
    };
    return new Member({
      nodeId: this.id,
      memberId: identity.memberId,
      incarnation: identity.incarnation,
      log,
      transport,
      clock,
      timers,
      random,
      settings,
      commandTimeoutMs,
      addresses: new Map(this.members.map((id) => [id, nowhere])),
      engineName: 'memory',
      namespaces: this.namespaces,
      makeEngine: (shard) => {
        const create = (): Engine => createMemoryEngine({ random, timers, latin1Slice });
        const engine = wrapEngine(create, shard, timers);
        life.engines[shard] = engine;
        return engine;
      },
      onMembers: () => life.formation?.membersChanged(),
      onFailed: (error) => this.#fail(life, error),
    });
  }

  /** The transport's events, as far as this life is there to hear them. */
  #listen(
    life: Life,
    transport: MemoryTransport,
    formation: Formation,
    member: Member,
  ): Promise<void> {
    const { process } = life;
    const { time } = this.#options;
    return transport.start({
      hello: () => formation.hello(),
      verify: (peer: Hello): Refusal | undefined =>
        process.isPaused ? { kind: 'later', reason: 'it does not answer' } : formation.verify(peer),
      onConnected: (peer, lane, hello) =>
        process.run(() => {
          if (lane === 'control') formation.connected(peer, hello);
          time.promised();
          member.connected(peer, lane, hello);
        }),
      onDisconnected: (peer, lane) =>
        process.run(() => {
          if (lane === 'control') {
            life.ended.set(peer, (life.ended.get(peer) ?? 0) + 1);
            formation.disconnected(peer);
          }
          member.disconnected(peer, lane);
        }),
      onFrame: (peer, _lane, kind, payload) => {
        const take = (): void => {
          const isKnown =
            kind === frameKind.formation
              ? this.#formationFrame(formation, peer, payload)
              : member.receive(peer, kind, payload);
          assert.ok(isKnown, `a frame of kind ${kind} makes sense`);
        };
        const isRaft = kind <= raftKindMax;
        const fate = isRaft ? this.#options.fate({ from: peer, to: this.id, kind, payload }) : now;
        for (const delayMs of fate) {
          if (delayMs === 0) process.run(take);
          else this.#takeLate(life, { peer, kind, delayMs, take });
        }
      },
      onRefused: (_peer, refusal) => {
        if (refusal.kind === 'later') this.warnings.push(refusal.reason);
        else this.#fail(life, new NodeError('peer-refused', refusal.reason));
      },
    });
  }

  /** Times in heartbeats and their answers are of a life's own clock, so these do not outlive their connection. */
  #takeLate(
    life: Life,
    late: {
      readonly peer: NodeId;
      readonly kind: number;
      readonly delayMs: number;
      readonly take: () => void;
    },
  ): void {
    const connections = life.ended.get(late.peer) ?? 0;
    this.#options.time.timersOf(life.process).after(late.delayMs, () => {
      const isCurrent = connections === (life.ended.get(late.peer) ?? 0);
      if (isCurrent || late.kind === raftFrame.raft) late.take();
    });
  }

  /** A step of formation waits for the one before, so it begins in a promise. */
  #formationFrame(formation: Formation, peer: NodeId, payload: Uint8Array): boolean {
    this.#options.time.promised();
    return formation.receive(peer, payload);
  }

  #watch(transport: MemoryTransport): Transport {
    return {
      start: (events) => transport.start(events),
      send: (peer, lane, kind, parts) => {
        const wasTaken = transport.send(peer, lane, kind, parts);
        const payload = Buffer.concat(parts);
        this.#options.onSend({ from: this.id, to: peer, lane, kind, payload, wasTaken });
        return wasTaken;
      },
      isConnected: (peer, lane) => transport.isConnected(peer, lane),
      queuedBytes: (peer, lane) => transport.queuedBytes(peer, lane),
      addPeers: (peers) => transport.addPeers(peers),
      close: () => transport.close(),
    };
  }

  #watchLog(log: Log): Log {
    return {
      isDurable: log.isDurable,
      identity: log.identity,
      saveIdentity: (identity) => log.saveIdentity(identity),
      groups: () => log.groups(),
      storage: (group) => log.storage(group),
      write: async (writes) => {
        await log.write(writes);
        this.#options.onDurable(this, writes);
      },
      close: () => log.close(),
    };
  }

  #write(life: Life): Promise<void> {
    this.writes += 1;
    const { doom } = this;
    if (doom !== undefined && this.writes >= doom.atWrite) {
      this.#options.network.timers.soon(() => {
        if (this.#life === life && life.endWrite !== undefined) this.#dieInWrite(life, doom.isKept);
      });
    }
    return new Promise((resolve, reject) => {
      const end = (): void => {
        if (life.endWrite !== end) return;
        life.endWrite = undefined;
        this.#options.time.promised();
        if (this.isDiskBroken) reject(new Error('no space left on the disk'));
        else resolve();
      };
      life.endWrite = end;
      this.#options.time.timersOf(life.process).after(this.#options.diskMs(), () => {
        if (!this.isDiskHeld) end();
      });
    });
  }

  /** The node stops by itself, as `src/node.ts` has it. */
  #fail(life: Life, error: unknown): void {
    if (this.#life !== life) return;
    this.failure =
      error instanceof NodeError ? error : new NodeError('damaged', String(error), error);
    this.#life = undefined;
    this.#options.time.promised();
    closeLife(life).catch((cause: unknown) => {
      throw cause;
    });
  }

  #end(life: Life): void {
    this.#life = undefined;
    life.process.isDead = true;
    this.#calls.lose();
    life.transport?.close().catch((cause: unknown) => {
      throw cause;
    });
  }
}

async function closeLife(life: Life): Promise<void> {
  await life.member?.close();
  await life.transport?.close();
  await life.log?.close();
  life.process.isDead = true;
}
