/**
 * Wires what makes a node a member: log and identity, formation, replicas and their engines.
 *
 * Order of life: open the log, raise the incarnation, form or recognise the cluster, bring up the replicas.
 */

import { assert } from './base/assert.ts';
import { NodeError } from './base/errors.ts';
import {
  clusterId,
  memberId,
  nodeId,
  type ClusterId,
  type MemberId,
  type NodeId,
} from './base/ids.ts';
import { Formation } from './cluster/formation.ts';
import { frameKind } from './cluster/frames.ts';
import { Member } from './cluster/member.ts';
import { latin1Slice } from './command/latin1.ts';
import { createMemoryEngine } from './engine/memory/memory-engine.ts';
import type { Identity, Log } from './log/log.ts';
import { createMemoryLog } from './log/memory-log.ts';
import type { Membership } from './members.ts';
import type { NodePart, PartSurroundings, PreparedPart } from './node-part.ts';
import type { EngineMaker } from './node-redis.ts';
import type { NodeConfig } from './node.ts';
import { replicaSettings } from './replica/settings.ts';
import type { System } from './system.ts';
import type { Address, Hello, Lane, Refusal } from './transport/transport.ts';

/** How long a node that must stop because a peer is configured differently lives on, for that peer to hear it. */
const lastWordsMs = 500;

/** Rejects with a NodeError: `config-invalid`, `locked`, `damaged`, `storage-failed`. */
export async function prepareMember(config: NodeConfig, system: System): Promise<PreparedPart> {
  const log = await openLog(config);
  try {
    const identity = await startLife(config, log, system);
    const makeEngine = await prepareEngines(config, system, identity);
    return {
      make: (surroundings) => new MemberPart({ ...surroundings, log, identity, makeEngine }),
      release: () => log.close(),
    };
  } catch (error) {
    await log.close();
    throw error;
  }
}

interface MemberPartOptions extends PartSurroundings {
  readonly log: Log;
  readonly identity: Identity;
  readonly makeEngine: EngineMaker;
}

class MemberPart implements NodePart {
  readonly cluster: Member;
  readonly membership: Membership;
  readonly #options: MemberPartOptions;
  readonly #formation: Formation;
  /** The replicas come up; a failure has been told. */
  #starting: Promise<void> = Promise.resolve();

  constructor(options: MemberPartOptions) {
    this.#options = options;
    this.cluster = this.#makeMember();
    this.#formation = this.#makeFormation();
    const { transport } = options;
    this.membership = {
      member: this.cluster,
      candidates: () => this.#formation.candidates(),
      isConnected: (node) => transport.isConnected(node, 'data'),
    };
  }

  get memberId(): MemberId {
    return this.#options.identity.memberId;
  }

  get incarnation(): number {
    return this.#options.identity.incarnation;
  }

  get clusterId(): ClusterId | undefined {
    return this.#formation.identity.clusterId;
  }

  get phase(): NodePart['phase'] {
    if (this.#formation.identity.phase !== 'formed') return 'forming';
    return this.cluster.shards > 0 ? 'running' : 'joining';
  }

  hello(): Hello {
    return this.#formation.hello();
  }

  verify(peer: Hello): Refusal | undefined {
    return this.#formation.verify(peer);
  }

  start(): void {
    this.#formation.start();
  }

  connected(peer: NodeId, lane: Lane, hello: Hello): void {
    if (lane === 'control') this.#formation.connected(peer, hello);
    this.cluster.connected(peer, lane, hello);
  }

  disconnected(peer: NodeId, lane: Lane): void {
    if (lane === 'control') this.#formation.disconnected(peer);
    this.cluster.disconnected(peer, lane);
  }

  receive(peer: NodeId, kind: number, payload: Uint8Array): boolean {
    return kind === frameKind.formation
      ? this.#formation.receive(peer, payload)
      : this.cluster.receive(peer, kind, payload);
  }

  handOver(): boolean {
    return this.cluster.placer.handOver();
  }

  #removed(): void {
    const { config, leave } = this.#options;
    leave(
      new NodeError(
        'removed',
        `node ${config.nodeId} was removed from the cluster: its data directory is of no more use, and its id is never used again`,
      ),
    );
  }

  async close(): Promise<void> {
    await this.#starting;
    await this.cluster.close();
  }

  #makeMember(): Member {
    const { config, system, transport, identity, log, makeEngine, fail } = this.#options;
    const { clock, timers, random } = system;
    return new Member({
      nodeId: nodeId(config.nodeId),
      memberId: identity.memberId,
      incarnation: identity.incarnation,
      log,
      transport,
      clock,
      timers,
      random,
      settings: replicaSettings(config),
      commandTimeoutMs: config.commandTimeoutMs,
      engineName: config.engine,
      namespaces: config.namespaces,
      addresses: addressesIn(config),
      makeEngine: (shard) => {
        assert(this.clusterId !== undefined, 'engines are made once the cluster has formed');
        return makeEngine(shard, this.clusterId);
      },
      onMembers: () => this.#formation.membersChanged(),
      onFailed: fail,
    });
  }

  #makeFormation(): Formation {
    const { config, system, transport, identity, log, isStopping, fail } = this.#options;
    return new Formation({
      identity,
      members: config.members.map(({ id }) => nodeId(id)).sort((a, b) => a - b),
      shards: config.shards,
      engine: config.engine,
      address: addressesIn(config).get(nodeId(config.nodeId)) ?? {
        host: config.peerHost,
        port: config.peerPort,
      },
      isJoining: config.bootstrap === 'join',
      table: () => this.cluster.meta,
      isGone: (node) => this.cluster.placer.isGone(node),
      namespaces: config.namespaces,
      save: (next) => log.saveIdentity(next),
      newClusterId: () => clusterId(Buffer.from(system.randomBytes(16)).toString('hex')),
      send: (peer, payload) => {
        transport.send(peer, 'control', frameKind.formation, [payload]);
      },
      admitProxy: (peer) => this.cluster.admitProxy(peer),
      onFormed: (formed) => {
        if (isStopping()) return;
        this.#starting = this.cluster.start(formed).catch(fail);
      },
      onFatal: fail,
      onRemoved: () => this.#removed(),
      onDisagreement: (error) => {
        system.timers.after(lastWordsMs, () => fail(error));
      },
    });
  }
}

const addressesIn = ({ members }: NodeConfig): ReadonlyMap<NodeId, Address> =>
  new Map(members.map(({ id, host, port }) => [nodeId(id), { host, port }]));

/** What fronts a Redis is loaded only where there is one. */
async function prepareEngines(
  config: NodeConfig,
  system: System,
  { memberId: member }: Identity,
): Promise<EngineMaker> {
  const { random, timers } = system;
  if (config.engine === 'memory') return () => createMemoryEngine({ random, timers, latin1Slice });
  const { prepareRedisEngines } = await import('./node-redis.ts');
  return await prepareRedisEngines(config, system, member);
}

/** LevelDB is loaded only where it is used. */
async function openLog(config: NodeConfig): Promise<Log> {
  const node = nodeId(config.nodeId);
  if (config.storage === 'memory') {
    config.logger.warn({}, 'storage is memory: this node forgets everything when it stops');
    return createMemoryLog({ nodeId: node });
  }
  if (config.dataDirectory === undefined) {
    throw new NodeError('config-invalid', 'dataDirectory is needed with storage level: set it');
  }
  const { openLevelLog } = await import('./log/level-log.ts');
  return await openLevelLog({ directory: config.dataDirectory, nodeId: node });
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
