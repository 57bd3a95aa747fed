/**
 * A node that holds replicas: takes commands from the front to their shard's leader, here or at a peer, and brings the
 * replies back.
 *
 * Owns the replicas and their loop from the moment the cluster has formed. Decides nothing about consensus, and knows of
 * a command only whether it goes through the log.
 */

import { assert } from '../base/assert.ts';
import type { Clock, Timers } from '../base/clock.ts';
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
import { initialShardMap, type ShardMap } from '../shard/shard-map.ts';
import type { Lane, Transport } from '../transport/transport.ts';
import type { Cluster, ShardStatus, Submission } from './cluster.ts';
import { Forward, type LocalGroup } from './forward.ts';
import { encodeForm, MetaEngine, type MetaState } from './meta.ts';
import { Origin, type Leader } from './origin.ts';
import { firstLeader, initialMembers } from './placement.ts';
import { ReadOrigin } from './read-origin.ts';
import { Ticker } from './ticker.ts';

/** Commands submitted and not answered, in number and bytes: beyond, sockets are not read. */
const pendingCommandsMax = 100_000;
const pendingBytesMax = 256 << 20;
/** Reading starts again when this share of the bound is left. */
const drainedShare = 0.5;
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
  readonly #ticker: Ticker;
  readonly #groups: LocalGroup[] = [];
  /** Groups to which something was submitted in this turn. */
  readonly #submitted = new Set<LocalGroup>();
  #identity: Identity | undefined;
  #newGroups = new Set<GroupId>();
  #ticks = 0;
  #isClosed = false;
  #pendingCommands = 0;
  #pendingBytes = 0;
  #whenDrained: (() => void)[] = [];
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
      replicaOf: (group) => this.#groups[group]?.replica,
    });
    this.#loop = new ReadyLoop({
      self: nodeId,
      timers: options.timers,
      log: options.log,
      peers: this.#peers,
      gather: () => this.#gather(),
      onFailed: options.onFailed,
    });
    this.#forward = new Forward({
      self: nodeId,
      member: memberId,
      incarnation,
      transport,
      groupOf: (group) => this.#groups[group],
    });
    this.#meta = new MetaEngine({ onChanged: () => this.#becomeReady() });
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

  /** This node's replica of a group, once it is open. */
  replica(group: GroupId): Replica | undefined {
    return this.#groups[group]?.replica;
  }

  /** Submitted and not answered. */
  get pendingCommands(): number {
    return this.#pendingCommands;
  }

  get isFull(): boolean {
    return this.#pendingCommands >= pendingCommandsMax || this.#pendingBytes >= pendingBytesMax;
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

  /** A lane to a peer is up: what was lost on the way is sent again. */
  connected(peer: NodeId, lane: Lane): void {
    if (lane !== 'data') return;
    for (const { replica, origin, reads } of this.#groups) {
      if (replica.leader !== peer) continue;
      origin.sendAgain();
      reads.leaderIsThere();
    }
  }

  disconnected(peer: NodeId, lane: Lane): void {
    if (lane !== 'data') return;
    this.#forward.disconnected(peer);
    for (const { replica, reads } of this.#groups) {
      reads.disconnected(peer);
      replica.peerUnreachable(peer);
    }
  }

  /** False where the frame makes no sense. */
  receive(from: NodeId, kind: number, payload: Uint8Array): boolean {
    if (kind < 16) return this.#peers.receive(from, kind, payload);
    return this.#forward.receive(from, kind, payload);
  }

  submit(shard: ShardId, submission: Submission): void {
    const local = this.#groups[groupOfShard(shard)];
    assert(local !== undefined, 'commands come once the shards are known');
    if (this.#isClosed) {
      this.#options.timers.soon(() => submission.fail('closing'));
      return;
    }
    this.#pendingCommands += 1;
    this.#pendingBytes += submission.bytes.length;
    if (submission.path === 'log') local.origin.submit(submission);
    else local.reads.submit(submission);
    this.#submitted.add(local);
    this.#loop.wake(local.replica);
  }

  /** Reads this node's own replica as far as it has applied, at the time of its last entry. */
  readLocal(
    shard: ShardId,
    command: { readonly database: number; readonly bytes: Uint8Array },
  ): Promise<string> {
    const local = this.#groups[groupOfShard(shard)];
    assert(local !== undefined, 'commands come once the shards are known');
    return local.replica.readLocal(command);
  }

  onDrained(call: () => void): void {
    this.#whenDrained.push(call);
  }

  onReady(call: () => void): void {
    if (this.shardMap === undefined) this.#whenReady.push(call);
    else call();
  }

  status(): readonly ShardStatus[] {
    return this.#groups.slice(1).map(({ replica }) => {
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
        databases,
        bytes,
        hits,
        misses,
        expired,
      };
    });
  }

  /**
   * Offers every leadership to the connected voter that has most of the log. True while there is one that could
   * still be taken over.
   */
  handOver(): boolean {
    const { transport } = this.#options;
    let isUnderWay = false;
    for (const { replica } of this.#groups) {
      if (!replica.isLeader) continue;
      const successor = replica.bestSuccessor((node) => transport.isConnected(node, 'data'));
      if (successor === undefined) continue;
      replica.transferTo(successor);
      isUnderWay = true;
    }
    return isUnderWay;
  }

  /** Stops the loop and answers whoever still waits; resolves once the write under way has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ticker.stop();
    await this.#loop.stop();
    for (const { replica, origin, reads } of this.#groups) {
      origin.close();
      reads.close();
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
    const leader = (): Leader | undefined =>
      replica.leader === noNode ? undefined : { node: replica.leader, term: replica.term };
    const shared = {
      clock,
      commandTimeoutMs: this.#options.commandTimeoutMs,
      leader,
      onSettled: (count: number, bytes: number) => this.#settled(count, bytes),
    };
    this.#groups[group] = {
      replica,
      origin: new Origin({
        ...shared,
        send: (to, commands) => this.#forward.sendGroup(group, to, commands),
        openSession: (to, nonce) => this.#forward.openSession(group, to, nonce),
      }),
      reads: new ReadOrigin({
        ...shared,
        send: (to, read, submissions) => this.#forward.sendReads(group, to, read, submissions),
      }),
    };
    replica.open();
    this.#loop.wake(replica);
  }

  #events(): ReplicaEvents {
    return {
      onWork: (replica) => this.#loop.wake(replica),
      onLeadership: (group) => this.#leadershipChanged(group),
      onGroupAnswer: (group, to, answer) => this.#forward.answer(group, to, answer),
      onSessionOpened: (group, asked, session) => this.#forward.opened(group, asked, session),
      onFailed: this.#options.onFailed,
    };
  }

  /** The beginning of a turn: what clients submitted goes to its leaders. */
  #gather(): void {
    // What is answered at once may make its client submit more, which belongs to the next turn.
    const submitted = [...this.#submitted];
    this.#submitted.clear();
    for (const { origin, reads } of submitted) {
      reads.flush();
      origin.flush();
    }
  }

  #leadershipChanged(group: GroupId): void {
    const local = this.#groups[group];
    if (local === undefined) return;
    if (group === metaGroup) this.#formMeta(local.replica);
    else local.origin.sendAgain();
    local.reads.leaderIsThere();
  }

  /** The first leader of the meta group writes down what the cluster was formed with. */
  #formMeta(replica: Replica): void {
    const identity = this.#identity;
    if (!replica.isServing || this.#meta.state !== undefined || identity === undefined) return;
    const { clusterId, members, shards } = identity;
    assert(clusterId !== undefined, 'a formed cluster has an id');
    const shardMap = initialShardMap(shards);
    const form = encodeForm({ clusterId, members, shardMap, namespaces: [] });
    const body = encodeCommands([{ database: 0, bytes: form }]);
    replica.logUnsessioned(
      { kind: 'commands', session: noSession, sequence: 0, acknowledged: 0, count: 1, body },
      () => undefined,
    );
  }

  #tick(): void {
    this.#ticks += 1;
    this.#forward.tick();
    for (const { replica, origin, reads } of this.#groups) {
      replica.tick();
      origin.tick();
      reads.tick();
    }
    if (this.#ticks === firstCampaignTicks) this.#firstCampaigns();
  }

  #firstCampaigns(): void {
    for (const group of this.#newGroups) {
      const replica = this.#groups[group]?.replica;
      if (replica === undefined || replica.leader !== noNode) continue;
      if (firstLeader(replica.members.voters, group) === this.nodeId) replica.campaign();
    }
  }

  #becomeReady(): void {
    for (const call of this.#whenReady.splice(0)) call();
  }

  #settled(count: number, bytes: number): void {
    this.#pendingCommands -= count;
    this.#pendingBytes -= bytes;
    if (this.#whenDrained.length === 0) return;
    const isDrained =
      this.#pendingCommands <= pendingCommandsMax * drainedShare &&
      this.#pendingBytes <= pendingBytesMax * drainedShare;
    if (isDrained) for (const call of this.#whenDrained.splice(0)) call();
  }
}
