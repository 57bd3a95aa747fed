/**
 * Wires one node: its ports, and behind them what its role asks for (`node-member`, `node-proxy`). These files alone choose
 * implementations, and what a role does not need is not even loaded.
 *
 * Order of life: prepare the part (a member opens its log), listen for peers, then for clients, start the part. Stopping
 * goes the other way.
 */

import { NodeError } from './base/errors.ts';
import { nodeId, type NodeId } from './base/ids.ts';
import { silentLogger, type Logger } from './base/logger.ts';
import type { ShardStatus } from './cluster/cluster.ts';
import { membersMax } from './cluster/placement.ts';
import { createFront, type Front } from './front/front.ts';
import type { FrontStatistics } from './front/statistics.ts';
import { whyNotSwitch } from './front/upstream/switch.ts';
import {
  commandMembers,
  listMembers,
  transferLeadership,
  type MemberCommand,
  type MemberList,
} from './members.ts';
import type { ChangeOutcome } from './meta-change.ts';
import { changeNamespaces, type NamespaceChange } from './namespaces.ts';
import type { NodeCluster, NodePart, PreparedPart } from './node-part.ts';
import { parseNamespaces, withoutSecrets, type Namespace } from './shard/namespace.ts';
import { shardsMax } from './shard/shard-map.ts';
import { machineSystem, type System } from './system.ts';
import { createTcpTransport, type TcpTransport } from './transport/tcp-transport.ts';

export interface MemberConfig {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** Everything a node is told. Durations in ms. */
export interface NodeConfig {
  /** A member's is 1…65,535 and never given to another node; `drawProxyId` makes one for a proxy. */
  readonly nodeId: number;
  /**
   * A member holds replicas, in its log and in its engine. A proxy holds none and brings commands to the members; of what
   * is below, `bootstrap` to `dataDirectory` and what is said of peers' ports, elections and clocks is nothing to it.
   */
  readonly role: 'member' | 'proxy';
  /** All members, this node among them if it is one; 1…5. Addresses are looked up at each connect. */
  readonly members: readonly MemberConfig[];
  /**
   * What an empty directory is for: `new` takes part in forming a cluster, `join` waits to be added to one, `existing` refuses
   * it. A directory that is not empty goes on where it was.
   */
  readonly bootstrap: 'new' | 'join' | 'existing';
  /** 1…64, fixed when the cluster forms. */
  readonly shards: number;
  readonly engine: 'memory' | 'redis';
  /** For `redis`: where the node's own Redis is, `redis://host:port`, `rediss://host:port` or `unix:/path`. */
  readonly redisUrl: string;
  readonly redisUser: string | undefined;
  readonly redisPassword: string | undefined;
  /** For `redis`: clears a Redis that is not this node's, once. */
  readonly wipe: boolean;
  /** What the cluster begins with; afterwards `changeNamespaces` counts, and this no more. */
  readonly namespaces: readonly Namespace[];
  readonly storage: 'level' | 'memory';
  /** Needed for `level`. */
  readonly dataDirectory: string | undefined;
  readonly clientHost: string;
  /** 0: any free one. Undefined: no listener. */
  readonly clientPort: number | undefined;
  readonly peerHost: string;
  readonly peerPort: number;
  /** Undefined only where peers are on loopback. */
  readonly clusterSecret: string | undefined;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly maxClients: number;
  readonly reads: 'lease' | 'read-index';
  /** Taken off each lease: how much monotonic clocks may differ within an election timeout. */
  readonly clockDriftMs: number;
  /** Shifts the wall clock, for tests. */
  readonly clockOffsetMs: number;
  readonly logger: Logger;
  /** This program's. */
  readonly version: string;
  /** The node cannot go on; it has stopped answering. Called at most once; by default it throws, which ends the process. */
  readonly onFatal: (error: NodeError) => void;
}

/** What a node is told where nothing else is said: a lone member on loopback, on disk once `dataDirectory` is given. */
export const nodeDefaults: Omit<NodeConfig, 'nodeId' | 'members' | 'peerPort'> = {
  role: 'member',
  bootstrap: 'new',
  shards: 1,
  engine: 'memory',
  redisUrl: 'redis://127.0.0.1:6380',
  redisUser: undefined,
  redisPassword: undefined,
  wipe: false,
  namespaces: [],
  storage: 'level',
  dataDirectory: undefined,
  clientHost: '127.0.0.1',
  clientPort: 6379,
  peerHost: '127.0.0.1',
  clusterSecret: undefined,
  heartbeatMs: 50,
  electionTimeoutMs: 500,
  commandTimeoutMs: 5_000,
  maxClients: 10_000,
  reads: 'lease',
  clockDriftMs: 50,
  clockOffsetMs: 0,
  logger: silentLogger,
  version: '0.1.0',
  onFatal: (error) => {
    throw error;
  },
};

export interface NodeStatus {
  readonly nodeId: number;
  readonly role: NodeConfig['role'];
  readonly memberId: string;
  readonly clusterId: string | undefined;
  readonly incarnation: number;
  readonly phase: 'forming' | 'joining' | 'running' | 'stopping';
  readonly uptimeMs: number;
  readonly shards: readonly ShardStatus[];
  readonly peers: readonly { readonly id: number; readonly isConnected: boolean }[];
}

/** Plain numbers, read at each scrape. */
export interface NodeMetrics {
  readonly status: NodeStatus;
  readonly front: FrontStatistics | undefined;
}

const proxyIdMin = 2 ** 31;
const onlyMembers: ChangeOutcome = {
  kind: 'refused',
  reason: 'this node is a proxy: ask a member',
};
/** How long a stopping node waits for its leaderships to move and for its clients' commands to be answered. */
const leaveMs = 1_000;
const leaveStepMs = 20;

/**
 * Starts a node. Resolves once it listens for peers and clients; the cluster may still be forming.
 *
 * Rejects with a NodeError: `config-invalid`, `locked`, `damaged`, `storage-failed`.
 */
export async function openNode(config: NodeConfig): Promise<OutriggerNode> {
  checkConfig(config);
  const system = machineSystem(config.clockOffsetMs);
  const prepared = await prepare(config, system);
  try {
    const node = new OutriggerNode({ config, system, prepared });
    await node.start();
    return node;
  } catch (error) {
    await prepared.release();
    throw error;
  }
}

async function prepare(config: NodeConfig, system: System): Promise<PreparedPart> {
  if (config.role === 'proxy') return (await import('./node-proxy.ts')).prepareProxy();
  return await (await import('./node-member.ts')).prepareMember(config, system);
}

/** A node id for a proxy that is given none: from a range that no member's comes from, so that no two are likely to be the same. */
export function drawProxyId(): number {
  const { randomBytes } = machineSystem(0);
  return proxyIdMin + (Buffer.from(randomBytes(4)).readUInt32BE(0) >>> 1);
}

/** Loads what `openNode` loads only where it is used, for those who fill a compile cache. */
export async function loadParts(): Promise<void> {
  await Promise.all([
    import('./node-member.ts'),
    import('./node-proxy.ts'),
    import('./node-redis.ts'),
    import('./log/level-log.ts'),
  ]);
}

export class OutriggerNode {
  readonly #config: NodeConfig;
  readonly #system: System;
  readonly #prepared: PreparedPart;
  readonly #transport: TcpTransport;
  readonly #part: NodePart;
  readonly #front: Front | undefined;
  readonly #startedMs: number;
  #clientPort: number | undefined;
  #isStopping = false;
  #hasFailed = false;
  #stopped: Promise<void> | undefined;

  constructor(options: {
    readonly config: NodeConfig;
    readonly system: System;
    readonly prepared: PreparedPart;
  }) {
    const { config, system, prepared } = options;
    this.#config = config;
    this.#system = system;
    this.#prepared = prepared;
    this.#startedMs = system.clock.monotonicMs();
    this.#transport = this.#makeTransport();
    this.#part = prepared.make({
      config,
      system,
      transport: this.#transport,
      isStopping: () => this.#isStopping,
      fail: (error) => this.#fail(error),
      leave: (error) => this.#leave(error),
    });
    this.#front = config.clientPort === undefined ? undefined : this.#makeFront(config.clientPort);
  }

  /** Where clients connect; undefined without a listener. */
  get clientPort(): number | undefined {
    return this.#clientPort;
  }

  get peerPort(): number | undefined {
    return this.#transport.address()?.port;
  }

  /** The node's part in the cluster, for those who submit commands in-process. */
  get cluster(): NodeCluster {
    return this.#part.cluster;
  }

  async start(): Promise<void> {
    await this.#transport.start({
      hello: () => this.#part.hello(),
      verify: (peer) => this.#part.verify(peer),
      onConnected: (peer, lane, hello) => this.#part.connected(peer, lane, hello),
      onDisconnected: (peer, lane) => this.#part.disconnected(peer, lane),
      onFrame: (peer, _lane, kind, payload) => this.#receive(peer, kind, payload),
      onRefused: (_peer, refusal) => {
        // Others are logged where they are met, and may pass.
        if (refusal.kind === 'fatal') this.#fail(new NodeError('peer-refused', refusal.reason));
      },
    });
    try {
      this.#clientPort = (await this.#front?.start())?.port;
    } catch (error) {
      // Peers may have formed the cluster meanwhile.
      this.#isStopping = true;
      await this.#closeAllButPrepared();
      throw error;
    }
    this.#part.start();
  }

  status(): NodeStatus {
    const { memberId, clusterId, incarnation, phase, cluster } = this.#part;
    return {
      nodeId: this.#config.nodeId,
      role: this.#config.role,
      memberId,
      clusterId,
      incarnation,
      phase: this.#isStopping ? 'stopping' : phase,
      uptimeMs: Math.round(this.#system.clock.monotonicMs() - this.#startedMs),
      shards: cluster.status(),
      peers: this.#config.members
        .filter(({ id }) => id !== this.#config.nodeId)
        .map(({ id }) => ({ id, isConnected: this.#transport.isConnected(nodeId(id), 'control') })),
    };
  }

  /** The table as this node knows it, without upstreams' passwords. */
  namespaces(): readonly Namespace[] {
    return this.#part.cluster.namespaces.rows.map(withoutSecrets);
  }

  /** Rejects with a NodeError: `in-doubt` where it may have been made, any other where it was not. */
  changeNamespaces(change: NamespaceChange): Promise<ChangeOutcome> {
    const { cluster } = this.#part;
    const { commandTimeoutMs } = this.#config;
    const { timers } = this.#system;
    return changeNamespaces(cluster, change, {
      whyNot: (made) => whyNotSwitch(made, { cluster, timers, commandTimeoutMs }),
      // What a node took before it heard of a change is answered, or has failed, by then.
      settled: () => new Promise((resolve) => void timers.after(commandTimeoutMs, resolve)),
    });
  }

  /** Who holds the data, as this node knows it; undefined where it is not a member. */
  members(): MemberList | undefined {
    const { membership } = this.#part;
    return membership && listMembers(membership);
  }

  /** Rejects with a NodeError: `in-doubt` where it may have been made, any other where it was not. */
  async changeMembers(command: MemberCommand): Promise<ChangeOutcome> {
    const { membership } = this.#part;
    if (membership === undefined) return onlyMembers;
    return await commandMembers(membership, command);
  }

  /** Offers the leadership of a shard, or of all groups, to a member. */
  transferLeadership(to: number, shard: number | undefined): ChangeOutcome {
    const { membership } = this.#part;
    return membership === undefined ? onlyMembers : transferLeadership(membership, to, shard);
  }

  metrics(): NodeMetrics {
    return { status: this.status(), front: this.#front?.statistics() };
  }

  /**
   * Takes no further commands and gives leaderships away, both at once; closes everything when nothing is under way any more, at the latest
   * after `leaveMs`. Every call gets the same promise.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#isStopping = true;
    this.#front?.stopTaking();
    const untilMs = this.#system.clock.monotonicMs() + leaveMs;
    while (this.#isUnderWay() && this.#system.clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => {
        this.#system.timers.after(leaveStepMs, resolve);
      });
    }
    if (this.#isUnderWay()) {
      this.#config.logger.warn(
        { connections: this.#connections, pendingCommands: this.#part.cluster.pendingCommands },
        `stops although leaderships or clients' commands are still under way after ${leaveMs} ms`,
      );
    }
    await this.#close();
  }

  /** Whether there is something to wait for before the node leaves. */
  #isUnderWay(): boolean {
    if (this.#hasFailed) return false;
    const isHandingOver = this.#part.handOver();
    return isHandingOver || this.#connections > 0 || this.#part.cluster.pendingCommands > 0;
  }

  get #connections(): number {
    return this.#front?.statistics().connections ?? 0;
  }

  async #close(): Promise<void> {
    await this.#closeAllButPrepared();
    await this.#prepared.release();
  }

  async #closeAllButPrepared(): Promise<void> {
    await this.#front?.close();
    await this.#part.close();
    await this.#transport.close();
  }

  #receive(peer: NodeId, kind: number, payload: Uint8Array): void {
    const isKnown = this.#part.receive(peer, kind, payload);
    if (!isKnown) this.#config.logger.warn({ peer, kind }, 'dropped a frame that makes no sense');
  }

  /** The first failure stops the node; whatever it says afterwards would be worth nothing. */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    const failure =
      error instanceof NodeError
        ? error
        : new NodeError(
            'assertion-failed',
            `a bug in Outrigger, please report it: ${String(error)}`,
            error,
          );
    if (this.#isStopping) {
      // What closing itself breaks off is no failure.
      if (failure.code === 'closing') return;
      this.#hasFailed = true;
      this.#config.logger.error(
        { code: failure.code },
        `failed while stopping: ${failure.message}`,
      );
      return;
    }
    this.#hasFailed = true;
    this.#isStopping = true;
    this.#config.onFatal(failure);
    this.#stopped ??= this.#close();
    this.#stopped.catch((cause: unknown) => {
      this.#config.logger.error({ cause: String(cause) }, 'closing after a failure failed');
    });
  }

  #leave(error: NodeError): void {
    if (this.#isStopping) return;
    this.stop().then(
      () => this.#config.onFatal(error),
      (failure: unknown) => this.#fail(failure),
    );
  }

  #makeTransport(): TcpTransport {
    const config = this.#config;
    const { timers, random, randomBytes } = this.#system;
    const peers = config.members.map(({ id, host, port }) => [nodeId(id), { host, port }] as const);
    return createTcpTransport({
      self: nodeId(config.nodeId),
      listen:
        config.role === 'proxy' ? undefined : { host: config.peerHost, port: config.peerPort },
      peers: new Map(peers),
      secret: config.clusterSecret,
      timers,
      random,
      randomBytes,
      logger: config.logger,
    });
  }

  #makeFront(port: number): Front {
    const { clock, timers, random } = this.#system;
    const { clientHost: host, maxClients, role, version, logger } = this.#config;
    return createFront({
      cluster: this.#part.cluster,
      clock,
      timers,
      random,
      logger,
      host,
      port,
      maxClients,
      commandTimeoutMs: this.#config.commandTimeoutMs,
      role,
      engineName: () => this.#part.cluster.meta?.engine ?? 'unknown',
      nodeVersion: version,
      processId: process.pid,
    });
  }
}

/** What the program's schema cannot promise for those who use the library. */
function checkConfig(config: NodeConfig): void {
  const ids = config.members.map(({ id }) => id);
  const invalid = (message: string): NodeError => new NodeError('config-invalid', message);
  if (config.role === 'proxy' && ids.includes(config.nodeId)) {
    throw invalid(
      `node ${config.nodeId} is one of the members (${ids.join(', ')}): give the proxy another nodeId`,
    );
  }
  if (config.role === 'member' && !ids.includes(config.nodeId)) {
    throw invalid(
      `node ${config.nodeId} is not among the members (${ids.join(', ')}): add it, or set nodeId`,
    );
  }
  if (new Set(ids).size < ids.length) throw invalid('members: two have the same id');
  if (config.bootstrap === 'new' && ids.length > membersMax) {
    throw invalid(`members: ${ids.length} are given, a cluster forms with 1 to ${membersMax}`);
  }
  if (config.shards < 1 || config.shards > shardsMax) {
    throw invalid(`shards: ${config.shards} is not 1 to ${shardsMax}`);
  }
  const namespaces = parseNamespaces(config.namespaces);
  if (namespaces.kind === 'invalid') throw invalid(namespaces.reason);
  if (config.electionTimeoutMs < 4 * config.heartbeatMs) {
    throw invalid('electionTimeoutMs must be at least 4 times heartbeatMs');
  }
}
