/**
 * A node that holds replicas: takes commands from the front to their shard's leader, here or at a peer, and brings the
 * replies back.
 *
 * Owns the replicas and their loop from the moment the cluster has formed. Decides nothing about consensus, and knows of
 * a command only whether it goes through the log.
 */

import { assert } from '../base/assert.ts';
import type { Clock, Timers } from '../base/clock.ts';
import { NodeError } from '../base/errors.ts';
import {
  groupId,
  groupOfShard,
  index,
  metaGroup,
  noNode,
  noSession,
  shardId,
  term,
  type GroupId,
  type MemberId,
  type NodeId,
  type ShardId,
} from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { Engine } from '../engine/engine.ts';
import type { GroupWrite, Identity, Log } from '../log/log.ts';
import { encodeCommands } from '../replica/batch.ts';
import { WallClocks } from '../replica/cluster-time.ts';
import { Peers } from '../replica/peers.ts';
import { ReadyLoop } from '../replica/ready-loop.ts';
import { Replica, type ReplicaEvents } from '../replica/replica.ts';
import type { ReplicaSettings } from '../replica/settings.ts';
import type { Namespace } from '../shard/namespace.ts';
import { NamespaceTable, noNamespaces } from '../shard/namespace-table.ts';
import { initialShardMap, type ShardMap } from '../shard/shard-map.ts';
import type { Address, Hello, Lane, Refusal, Transport } from '../transport/transport.ts';
import type { Cluster, ShardStatus, Submission } from './cluster.ts';
import { Forward } from './forward.ts';
import { frameKind } from './frames.ts';
import { addressesOf, type MemberRecord } from './membership.ts';
import type { MetaState } from './meta-state.ts';
import { encodeForm, MetaEngine } from './meta.ts';
import type { Leader } from './origin.ts';
import { NearReads } from './near-reads.ts';
import { Origins } from './origins.ts';
import { firstLeader, initialMembers } from './placement.ts';
import { Placer } from './placer.ts';
import { Ticker } from './ticker.ts';
import type { ViewFrame } from './view.ts';
import { Watchers } from './watchers.ts';

/** Ticks that pass before a new group's first leader stands: its peers are there by then. */
const firstCampaignTicks = 2;

export interface MemberOptions {
  readonly nodeId: NodeId;
  readonly memberId: MemberId;
  readonly incarnation: number;
  readonly log: Log;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly settings: ReplicaSettings;
  readonly commandTimeoutMs: number;
  readonly makeEngine: (shard: ShardId) => Engine;
  /** Of all configured members, this node among them. */
  readonly addresses: ReadonlyMap<NodeId, Address>;
  /** The name of what `makeEngine` makes: all members of a cluster have the same. */
  readonly engineName: string;
  /** What a cluster begins with that this node forms; all its members agree on it. */
  readonly namespaces: readonly Namespace[];
  /** The table of members may have changed, or a removed one is gone. */
  readonly onMembers: () => void;
  /** The node must stop: a write failed, an entry cannot be applied, an assertion does not hold. */
  readonly onFailed: (error: unknown) => void;
}

export class Member implements Cluster {
  readonly nodeId: NodeId;
  readonly #options: MemberOptions;
  readonly #walls: WallClocks;
  readonly #peers: Peers;
  readonly #loop: ReadyLoop;
  readonly #forward: Forward;
  readonly #meta: MetaEngine;
  readonly #placer: Placer;
  readonly #ticker: Ticker;
  readonly #origins: Origins;
  readonly #nearReads: NearReads;
  readonly #watchers: Watchers;
  /** By group. */
  readonly #replicas: Replica[] = [];
  #namespaces = noNamespaces;
  #identity: Identity | undefined;
  #newGroups = new Set<GroupId>();
  #ticks = 0;
  #isClosed = false;
  #whenReady: (() => void)[] = [];

  constructor(options: MemberOptions) {
    const { nodeId, memberId, incarnation, clock, transport } = options;
    this.#options = options;
    this.nodeId = nodeId;
    this.#walls = new WallClocks({ clock, self: nodeId });
    this.#peers = new Peers({
      self: nodeId,
      transport,
      clock,
      walls: this.#walls,
      promiseMs: options.settings.promiseMs,
      replicaOf: (group) => this.#replicas[group],
    });
    this.#loop = new ReadyLoop({
      self: nodeId,
      timers: options.timers,
      log: options.log,
      peers: this.#peers,
      gather: () => this.#origins.flush(),
      onFailed: options.onFailed,
    });
    this.#forward = new Forward({
      self: nodeId,
      member: memberId,
      incarnation,
      transport,
      groupOf: (group) => this.#origins.group(group),
    });
    this.#nearReads = new NearReads({
      transport,
      hasRoom: (group) =>
        group !== metaGroup && this.#replicas[group] !== undefined && !this.#origins.isFull,
      submit: (group, submission) => this.#submitTo(group, submission),
    });
    this.#origins = new Origins({
      clock,
      timers: options.timers,
      commandTimeoutMs: options.commandTimeoutMs,
      forward: this.#forward,
      leaderOf: (group) => this.#leaderOf(group),
      members: () => this.meta?.members.map(({ nodeId: id }) => id) ?? [],
    });
    this.#watchers = new Watchers({
      self: nodeId,
      timers: options.timers,
      transport,
      view: () => this.#tell(),
    });
    this.#meta = new MetaEngine({ onChanged: (state) => this.#metaChanged(state) });
    this.#placer = new Placer({
      self: nodeId,
      transport,
      replicas: this.#replicas,
      meta: () => this.meta,
      onGone: () => options.onMembers(),
    });
    this.#ticker = new Ticker({
      clock,
      timers: options.timers,
      intervalMs: options.settings.heartbeatMs,
      call: () => this.#tick(),
    });
  }

  get meta(): MetaState | undefined {
    return this.#meta.state;
  }

  get shardMap(): ShardMap | undefined {
    return this.#meta.state?.shardMap;
  }

  get shards(): number {
    return this.shardMap?.shards ?? 0;
  }

  get namespaces(): NamespaceTable {
    return this.#namespaces;
  }

  /** This node's replica of a group, once it is open. */
  replica(group: GroupId): Replica | undefined {
    return this.#replicas[group];
  }

  /** Submitted and not answered. */
  get pendingCommands(): number {
    return this.#origins.pendingCommands;
  }

  get isFull(): boolean {
    return this.#origins.isFull;
  }

  /** The cluster has formed: brings up the replicas, creating those that the directory does not have. */
  async start(identity: Identity): Promise<void> {
    const { log } = this.#options;
    this.#identity = identity;
    const existing = new Set(log.groups());
    const members = identity.members.map(({ nodeId }) => nodeId);
    const created: GroupWrite[] = [];
    for (let group = 0; group <= identity.shards; group++) {
      if (existing.has(groupId(group))) continue;
      const base = { index: index(0), term: term(0), confState: initialMembers(members) };
      created.push({ group: groupId(group), base, entries: [] });
      this.#newGroups.add(groupId(group));
    }
    if (created.length > 0) await log.write(created);
    for (let group = 0; group <= identity.shards; group++) {
      if (this.#isClosed) return;
      this.#open(groupId(group));
    }
    if (!this.#isClosed) this.#ticker.start();
  }

  /** Whether one more proxy may connect. */
  admitProxy(peer: Hello): Refusal | undefined {
    return this.#watchers.admit(peer);
  }

  /** A lane to a peer is up. */
  connected(peer: NodeId, lane: Lane, hello: Hello): void {
    this.#watchers.connected(peer, lane, hello);
    if (lane === 'data') this.#origins.connected(peer);
  }

  disconnected(peer: NodeId, lane: Lane): void {
    this.#watchers.disconnected(peer, lane);
    if (lane !== 'data') return;
    this.#origins.disconnected(peer);
    this.#nearReads.disconnected(peer);
    for (const replica of this.#replicas) replica.peerUnreachable(peer);
  }

  /** False where the frame makes no sense. */
  receive(from: NodeId, kind: number, payload: Uint8Array): boolean {
    if (this.#watchers.has(from) && !this.#watchers.mayReceive(kind)) return false;
    if (kind < 16) return this.#peers.receive(from, kind, payload);
    if (kind === frameKind.nearRead) return this.#nearReads.receive(from, payload);
    if (kind === frameKind.transfer) return this.#placer.receive(payload);
    return this.#forward.receive(from, kind, payload);
  }

  submit(shard: ShardId, submission: Submission): void {
    this.#submitTo(groupOfShard(shard), submission);
  }

  /** Takes a command to the log of the meta group, once the cluster has formed. */
  submitMeta(submission: Submission): void {
    this.#submitTo(metaGroup, submission);
  }

  #submitTo(group: GroupId, submission: Submission): void {
    this.#origins.submit(group, submission);
    const replica = this.#replicas[group];
    if (replica !== undefined) this.#loop.wake(replica);
  }

  readsLocally(shard: ShardId): boolean {
    return this.#origins.readsLocally(groupOfShard(shard));
  }

  onDrained(call: () => void): void {
    this.#origins.onDrained(call);
  }

  onReady(call: () => void): void {
    if (this.shardMap === undefined) this.#whenReady.push(call);
    else call();
  }

  status(): readonly ShardStatus[] {
    return this.#replicas.slice(1).map((replica) => {
      const { databases, bytes, hits, misses, expired } = replica.engine.statistics();
      return {
        shard: shardId(replica.group - 1),
        role: replica.role,
        leader: replica.leader,
        term: replica.term,
        commit: replica.commitIndex,
        applied: replica.appliedIndex,
        voters: replica.members.voters,
        proposals: replica.proposals,
        leaderChanges: replica.leaderChanges,
        engineProblem: replica.engineProblem,
        databases,
        bytes,
        hits,
        misses,
        expired,
      };
    });
  }

  /** Looks after members and leaderships. */
  get placer(): Placer {
    return this.#placer;
  }

  /** Stops the loop and answers whoever still waits; resolves once the write under way has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ticker.stop();
    await this.#loop.stop();
    this.#origins.close();
    for (const replica of this.#replicas) {
      replica.close();
      await replica.engine.close();
    }
  }

  #open(group: GroupId): void {
    const { nodeId, log, clock, random, settings, makeEngine } = this.#options;
    const engine = group === metaGroup ? this.#meta : makeEngine(shardId(group - 1));
    const replica = new Replica({
      group,
      node: nodeId,
      storage: log.storage(group),
      isNewGroup: this.#newGroups.has(group),
      engine,
      clock,
      random,
      walls: this.#walls,
      settings,
      events: this.#events(),
    });
    this.#replicas[group] = replica;
    this.#origins.add(group, replica);
    replica.open();
    this.#loop.wake(replica);
  }

  #events(): ReplicaEvents {
    return {
      onWork: (replica) => this.#loop.wake(replica),
      onApplied: (group) => this.#origins.applied(group),
      onLeadership: (group) => this.#leadershipChanged(group),
      onGroupAnswer: (group, to, answer) => this.#forward.answer(group, to, answer),
      onSessionOpened: (group, asked, session) => this.#forward.opened(group, asked, session),
      onFailed: this.#options.onFailed,
    };
  }

  #leaderOf(group: GroupId): Leader | undefined {
    const replica = this.#replicas[group];
    if (replica === undefined || replica.leader === noNode) return undefined;
    return { node: replica.leader, term: replica.term };
  }

  #leadershipChanged(group: GroupId): void {
    const replica = this.#replicas[group];
    if (replica === undefined) return;
    if (group === metaGroup) this.#formMeta(replica);
    this.#origins.leaderChanged(group);
    this.#watchers.changed();
  }

  /** What proxies are told. */
  #tell(): ViewFrame | undefined {
    const meta = this.#meta.state;
    if (meta === undefined) return undefined;
    const leaders = this.#replicas.map(({ group, leader, term: inTerm }) => {
      return { group, leader, term: inTerm };
    });
    return { clusterId: meta.clusterId, meta, leaders };
  }

  /** The first leader of the meta group writes down what the cluster was formed with. */
  #formMeta(replica: Replica): void {
    const identity = this.#identity;
    if (!replica.isServing || this.#meta.state !== undefined || identity === undefined) return;
    const { clusterId, members, shards } = identity;
    assert(clusterId !== undefined, 'a formed cluster has an id');
    const { engineName: engine, namespaces } = this.#options;
    const shardMap = initialShardMap(shards);
    const voters = members.map((member): MemberRecord => {
      const address = this.#options.addresses.get(member.nodeId);
      assert(address !== undefined, 'who forms a cluster is configured with all its members');
      return { ...member, address, role: 'voter' };
    });
    const table = { members: voters, removed: [] };
    const form = encodeForm({ clusterId, ...table, shardMap, engine, namespaces });
    const body = encodeCommands([{ database: 0, bytes: form }]);
    replica.logUnsessioned(
      {
        kind: 'commands',
        session: noSession,
        sequence: 0,
        acknowledged: 0,
        isAlone: false,
        count: 1,
        body,
      },
      () => undefined,
    );
  }

  #tick(): void {
    this.#ticks += 1;
    for (const replica of this.#replicas) replica.tick(this.#ticks);
    this.#origins.tick();
    this.#nearReads.tick();
    this.#watchers.tick();
    if (this.#ticks === firstCampaignTicks) this.#firstCampaigns();
    this.#placer.tick();
  }

  #firstCampaigns(): void {
    for (const group of this.#newGroups) {
      const replica = this.#replicas[group];
      if (replica === undefined || replica.leader !== noNode) continue;
      if (firstLeader(replica.members.voters, group) === this.nodeId) replica.campaign();
    }
  }

  #metaChanged({ engine, namespaces, members }: MetaState): void {
    const { engineName, onFailed } = this.#options;
    if (engine !== engineName) {
      onFailed(
        new NodeError(
          'config-invalid',
          `engine is ${engineName}, but the cluster was formed with ${engine}: set engine to ${engine}`,
        ),
      );
      return;
    }
    this.#namespaces = new NamespaceTable(namespaces);
    this.#options.transport.addPeers(addressesOf(members));
    this.#options.onMembers();
    for (const call of this.#whenReady.splice(0)) call();
    this.#watchers.changed();
  }
}
