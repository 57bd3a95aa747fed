/**
 * Wires one node: the only file that chooses implementations.
 *
 * Order of life: open the log, raise the incarnation, listen for peers, form or recognise the cluster, bring up the
 * replicas, then listen for clients. Stopping goes the other way.
 */

import { NodeError } from './base/errors.ts';
import { clusterId, memberId, nodeId, type NodeId } from './base/ids.ts';
import { silentLogger, type Logger } from './base/logger.ts';
import type { ShardStatus } from './cluster/cluster.ts';
import { Formation } from './cluster/formation.ts';
import { frameKind } from './cluster/frames.ts';
import { Member } from './cluster/member.ts';
import { membersMax } from './cluster/placement.ts';
import { latin1Slice } from './command/latin1.ts';
import { createMemoryEngine } from './engine/memory/memory-engine.ts';
import { createFront, type Front } from './front/front.ts';
import type { FrontStatistics } from './front/statistics.ts';
import type { Identity, Log } from './log/log.ts';
import { openLevelLog } from './log/level-log.ts';
import { createMemoryLog } from './log/memory-log.ts';
import { replicaSettings } from './replica/settings.ts';
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
  readonly nodeId: number;
  /** All members, this node among them; 1…5. Addresses are looked up at each connect. */
  readonly members: readonly MemberConfig[];
  /** `new` lets an empty directory take part in forming a cluster; `existing` refuses it. */
  readonly bootstrap: 'new' | 'existing';
  /** 1…64, fixed when the cluster forms. */
  readonly shards: number;
  readonly engine: 'memory';
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
  bootstrap: 'new',
  shards: 1,
  engine: 'memory',
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

/** How long a stopping node waits for its leaderships to move and for its clients' commands to be answered. */
const leaveMs = 1_000;
const leaveStepMs = 20;
/** How long a node that must stop because a peer is configured differently lives on, for that peer to hear it. */
const lastWordsMs = 500;

/**
 * Starts a node. Resolves once it listens for peers and clients; the cluster may still be forming.
 *
 * Rejects with a NodeError: `config-invalid`, `locked`, `damaged`, `storage-failed`.
 */
export async function openNode(config: NodeConfig): Promise<OutriggerNode> {
  checkConfig(config);
  const system = machineSystem(config.clockOffsetMs);
  const log = await openLog(config);
  try {
    const identity = await startLife(config, log, system);
    const node = new OutriggerNode({ config, system, log, identity });
    await node.start();
    return node;
  } catch (error) {
    await log.close();
    throw error;
  }
}

export class OutriggerNode {
  readonly #config: NodeConfig;
  readonly #system: System;
  readonly #log: Log;
  readonly #transport: TcpTransport;
  readonly #formation: Formation;
  readonly #member: Member;
  readonly #front: Front | undefined;
  readonly #startedMs: number;
  readonly #identity: Identity;
  #clientPort: number | undefined;
  /** The replicas come up; a failure has been told. */
  #starting: Promise<void> = Promise.resolve();
  #isStopping = false;
  #hasFailed = false;
  #stopped: Promise<void> | undefined;

  constructor(options: {
    readonly config: NodeConfig;
    readonly system: System;
    readonly log: Log;
    readonly identity: Identity;
  }) {
    const { config, system, log, identity } = options;
    this.#config = config;
    this.#system = system;
    this.#log = log;
    this.#identity = identity;
    this.#startedMs = system.clock.monotonicMs();
    this.#transport = this.#makeTransport();
    this.#member = this.#makeMember();
    this.#formation = this.#makeFormation();
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
  get cluster(): Member {
    return this.#member;
  }

  async start(): Promise<void> {
    await this.#transport.start({
      hello: () => this.#formation.hello(),
      verify: (peer) => this.#formation.verify(peer),
      onConnected: (peer, lane, hello) => {
        if (lane === 'control') this.#formation.connected(peer, hello);
        this.#member.connected(peer, lane);
      },
      onDisconnected: (peer, lane) => {
        if (lane === 'control') this.#formation.disconnected(peer);
        this.#member.disconnected(peer, lane);
      },
      onFrame: (peer, _lane, kind, payload) => this.#receive(peer, kind, payload),
      onRefused: (peer, refusal) => {
        if (refusal.kind === 'fatal') this.#fail(new NodeError('peer-refused', refusal.reason));
        else this.#config.logger.warn({ peer }, `refused by a peer: ${refusal.reason}`);
      },
    });
    try {
      this.#clientPort = (await this.#front?.start())?.port;
    } catch (error) {
      // Peers may have formed the cluster meanwhile.
      this.#isStopping = true;
      await this.#closeAllButLog();
      throw error;
    }
    this.#formation.start();
  }

  status(): NodeStatus {
    const { phase, clusterId: cluster } = this.#formation.identity;
    const isForming = phase !== 'formed';
    const isRunning = this.#member.shards > 0;
    return {
      nodeId: this.#config.nodeId,
      memberId: this.#identity.memberId,
      clusterId: cluster,
      incarnation: this.#identity.incarnation,
      phase: this.#isStopping
        ? 'stopping'
        : isForming
          ? 'forming'
          : isRunning
            ? 'running'
            : 'joining',
      uptimeMs: Math.round(this.#system.clock.monotonicMs() - this.#startedMs),
      shards: this.#member.status(),
      peers: this.#config.members
        .filter(({ id }) => id !== this.#config.nodeId)
        .map(({ id }) => ({ id, isConnected: this.#transport.isConnected(nodeId(id), 'control') })),
    };
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
        { connections: this.#connections, pendingCommands: this.#member.pendingCommands },
        `stops although leaderships or clients' commands are still under way after ${leaveMs} ms`,
      );
    }
    await this.#close();
  }

  /** Whether there is something to wait for before the node leaves. */
  #isUnderWay(): boolean {
    if (this.#hasFailed) return false;
    const isHandingOver = this.#member.handOver();
    return isHandingOver || this.#connections > 0 || this.#member.pendingCommands > 0;
  }

  get #connections(): number {
    return this.#front?.statistics().connections ?? 0;
  }

  async #close(): Promise<void> {
    await this.#closeAllButLog();
    await this.#log.close();
  }

  async #closeAllButLog(): Promise<void> {
    await this.#front?.close();
    await this.#starting;
    await this.#member.close();
    await this.#transport.close();
  }

  #receive(peer: NodeId, kind: number, payload: Uint8Array): void {
    const isKnown =
      kind === frameKind.formation
        ? this.#formation.receive(peer, payload)
        : this.#member.receive(peer, kind, payload);
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

  #makeTransport(): TcpTransport {
    const config = this.#config;
    const { timers, random, randomBytes } = this.#system;
    const peers = config.members.map(({ id, host, port }) => [nodeId(id), { host, port }] as const);
    return createTcpTransport({
      self: nodeId(config.nodeId),
      listen: { host: config.peerHost, port: config.peerPort },
      peers: new Map(peers),
      secret: config.clusterSecret,
      timers,
      random,
      randomBytes,
      logger: config.logger,
    });
  }

  #makeMember(): Member {
    const { clock, timers, random } = this.#system;
    return new Member({
      nodeId: nodeId(this.#config.nodeId),
      memberId: this.#identity.memberId,
      incarnation: this.#identity.incarnation,
      log: this.#log,
      transport: this.#transport,
      clock,
      timers,
      random,
      settings: replicaSettings(this.#config),
      commandTimeoutMs: this.#config.commandTimeoutMs,
      makeEngine: () => createMemoryEngine({ random, timers, latin1Slice }),
      onFailed: (error) => this.#fail(error),
    });
  }

  #makeFormation(): Formation {
    return new Formation({
      identity: this.#identity,
      members: this.#config.members.map(({ id }) => nodeId(id)).sort((a, b) => a - b),
      shards: this.#config.shards,
      save: (identity) => this.#log.saveIdentity(identity),
      newClusterId: () => clusterId(Buffer.from(this.#system.randomBytes(16)).toString('hex')),
      send: (peer, payload) => {
        this.#transport.send(peer, 'control', frameKind.formation, [payload]);
      },
      onFormed: (identity) => {
        if (this.#isStopping) return;
        this.#starting = this.#member.start(identity).catch((error: unknown) => this.#fail(error));
      },
      onFatal: (error) => this.#fail(error),
      onDisagreement: (error) => {
        this.#system.timers.after(lastWordsMs, () => this.#fail(error));
      },
    });
  }

  #makeFront(port: number): Front {
    const { clock, timers, random } = this.#system;
    const { clientHost: host, maxClients, engine, version, logger } = this.#config;
    return createFront({
      cluster: this.#member,
      clock,
      timers,
      random,
      logger,
      host,
      port,
      maxClients,
      commandTimeoutMs: this.#config.commandTimeoutMs,
      engineName: engine,
      nodeVersion: version,
      processId: process.pid,
    });
  }
}

/** What the program's schema cannot promise for those who use the library. */
function checkConfig(config: NodeConfig): void {
  const ids = config.members.map(({ id }) => id);
  const invalid = (message: string): NodeError => new NodeError('config-invalid', message);
  if (!ids.includes(config.nodeId)) {
    throw invalid(
      `node ${config.nodeId} is not among the members (${ids.join(', ')}): add it, or set nodeId`,
    );
  }
  if (new Set(ids).size < ids.length) throw invalid('members: two have the same id');
  if (ids.length > membersMax) {
    throw invalid(`members: ${ids.length} are given, a cluster has 1 to ${membersMax}`);
  }
  if (config.shards < 1 || config.shards > shardsMax) {
    throw invalid(`shards: ${config.shards} is not 1 to ${shardsMax}`);
  }
  if (config.electionTimeoutMs < 4 * config.heartbeatMs) {
    throw invalid('electionTimeoutMs must be at least 4 times heartbeatMs');
  }
}

function openLog(config: NodeConfig): Promise<Log> {
  const node = nodeId(config.nodeId);
  if (config.storage === 'memory') {
    config.logger.warn({}, 'storage is memory: this node forgets everything when it stops');
    return Promise.resolve(createMemoryLog({ nodeId: node }));
  }
  if (config.dataDirectory === undefined) {
    throw new NodeError('config-invalid', 'dataDirectory is needed with storage level: set it');
  }
  return openLevelLog({ directory: config.dataDirectory, nodeId: node });
}

/** Makes durable that the directory lives once more, before anybody hears of it. */
async function startLife(config: NodeConfig, log: Log, system: System): Promise<Identity> {
  const known = log.identity;
  const directory = config.dataDirectory ?? 'memory';
  if (known === undefined && config.bootstrap === 'existing') {
    throw new NodeError(
      'config-invalid',
      `the data directory ${directory} is empty but bootstrap is existing: put the directory back, or set bootstrap to new`,
    );
  }
  if (known !== undefined && known.phase !== 'new' && known.shards !== config.shards) {
    throw new NodeError(
      'config-invalid',
      `shards is ${config.shards}, but the cluster in ${directory} was formed with ${known.shards}: set shards to ${known.shards}`,
    );
  }
  const identity: Identity = known ?? {
    phase: 'new',
    nodeId: nodeId(config.nodeId),
    memberId: memberId(Buffer.from(system.randomBytes(8)).toString('hex')),
    incarnation: 0,
    clusterId: undefined,
    members: [],
    shards: 0,
  };
  const next = { ...identity, incarnation: identity.incarnation + 1 };
  await log.saveIdentity(next);
  return next;
}
