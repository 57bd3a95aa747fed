/**
 * A node that holds no replicas: takes commands from the front to their shard's leader and brings the replies back, as a member
 * does for the shards that it does not lead.
 *
 * It has no log, no vote and no data, and nobody depends on it. What it knows of the cluster, members tell it (`view`); its
 * sessions are those of a node like any other, under a member id that is drawn anew at each start, so that nothing of an earlier
 * life is taken for its own. While nobody waits for anything it does nothing at all.
 */

import { assert } from '../base/assert.ts';
import type { Clock, Timers } from '../base/clock.ts';
import { groupId, groupOfShard, metaGroup, noNode, shardId } from '../base/ids.ts';
import type { GroupId, MemberId, NodeId, ShardId } from '../base/ids.ts';
import { NamespaceTable, noNamespaces } from '../shard/namespace-table.ts';
import type { ShardMap } from '../shard/shard-map.ts';
import type { Hello, Lane, Refusal, Transport } from '../transport/transport.ts';
import type { Cluster, ShardStatus, Submission } from './cluster.ts';
import { Forward } from './forward.ts';
import { frameKind } from './frames.ts';
import { parseGreeting, proxyGreeting } from './greeting.ts';
import { addressesOf } from './membership.ts';
import type { MetaState } from './meta-state.ts';
import { Origins } from './origins.ts';
import { Ticker } from './ticker.ts';
import { decodeView, View } from './view.ts';

/** A life has a member id of its own, so there is nothing to count. */
const incarnation = 1;

const kindsOfMembers: readonly number[] = [
  frameKind.answer,
  frameKind.opened,
  frameKind.readAnswer,
];

export interface ProxyOptions {
  readonly nodeId: NodeId;
  /** Drawn for this start. */
  readonly memberId: MemberId;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timers: Timers;
  /** How often time-outs are looked at, and what was lost is sent again. */
  readonly tickMs: number;
  readonly commandTimeoutMs: number;
}

export class Proxy implements Cluster {
  readonly nodeId: NodeId;
  readonly #options: ProxyOptions;
  readonly #view = new View();
  readonly #forward: Forward;
  readonly #origins: Origins;
  readonly #ticker: Ticker;
  /** By group: the last leader known, and how often it was another than the one before. */
  readonly #leaders: { last: NodeId; changes: number }[] = [];
  #namespaces = noNamespaces;
  /** The member that answers reads below strong, as long as it is connected: another one's replica may be behind. */
  #near: NodeId | undefined;
  #isTicking = false;
  #isFlushing = false;
  #isClosed = false;
  #whenReady: (() => void)[] = [];

  constructor(options: ProxyOptions) {
    const { nodeId, memberId, transport, clock, timers, commandTimeoutMs } = options;
    this.#options = options;
    this.nodeId = nodeId;
    this.#forward = new Forward({
      self: nodeId,
      member: memberId,
      incarnation,
      transport,
      groupOf: (group) => this.#origins.group(group),
    });
    this.#origins = new Origins({
      clock,
      timers,
      commandTimeoutMs,
      forward: this.#forward,
      leaderOf: (group) => this.#view.leaderOf(group),
      near: () => this.#nearMember(),
      members: () => this.meta?.members.map(({ nodeId: id }) => id) ?? [],
    });
    this.#ticker = new Ticker({
      clock,
      timers,
      intervalMs: options.tickMs,
      call: () => this.#tick(),
    });
  }

  get meta(): MetaState | undefined {
    return this.#view.meta;
  }

  get shardMap(): ShardMap | undefined {
    return this.#view.meta?.shardMap;
  }

  get shards(): number {
    return this.shardMap?.shards ?? 0;
  }

  get namespaces(): NamespaceTable {
    return this.#namespaces;
  }

  get pendingCommands(): number {
    return this.#origins.pendingCommands;
  }

  get isFull(): boolean {
    return this.#origins.isFull;
  }

  hello(): Hello {
    const { nodeId, memberId } = this.#options;
    const clusterId = this.#view.meta?.clusterId;
    return { nodeId, memberId, incarnation, clusterId, greeting: proxyGreeting };
  }

  /** Judges a peer that has shown that it knows the secret. */
  verify(peer: Hello): Refusal | undefined {
    if (parseGreeting(peer.greeting)?.role !== 'member') {
      const reason = `node ${peer.nodeId} is no member that this version knows, and proxies ask members only`;
      return { kind: 'later', reason };
    }
    const own = this.#view.meta?.clusterId;
    if (own === undefined || peer.clusterId === undefined || own === peer.clusterId) {
      return undefined;
    }
    const reason =
      `node ${peer.nodeId} belongs to cluster ${peer.clusterId}, proxy ${this.nodeId} to ${own}; ` +
      'correct the address of that node';
    return { kind: 'later', reason };
  }

  connected(peer: NodeId, lane: Lane): void {
    if (lane !== 'data') return;
    this.#origins.connected(peer);
    this.#rouse();
  }

  disconnected(peer: NodeId, lane: Lane): void {
    if (lane === 'data') this.#origins.disconnected(peer);
  }

  /** False where the frame makes no sense. */
  receive(from: NodeId, kind: number, payload: Uint8Array): boolean {
    if (kind === frameKind.view) return this.#learn(payload);
    if (kind === frameKind.nearAnswer) return this.#forward.receiveNear(payload);
    return kindsOfMembers.includes(kind) && this.#forward.receive(from, kind, payload);
  }

  submit(shard: ShardId, submission: Submission): void {
    assert(this.shards > 0, 'commands come once the shards are known');
    this.#origins.submit(groupOfShard(shard), submission);
    this.#flushSoon();
  }

  /** Takes a command to the log of the meta group, once the cluster is known. */
  submitMeta(submission: Submission): void {
    this.#origins.submit(metaGroup, submission);
    this.#flushSoon();
  }

  onDrained(call: () => void): void {
    this.#origins.onDrained(call);
  }

  readsLocally(shard: ShardId): boolean {
    return this.#origins.readsLocally(groupOfShard(shard));
  }

  onReady(call: () => void): void {
    if (this.shardMap === undefined) this.#whenReady.push(call);
    else call();
  }

  status(): readonly ShardStatus[] {
    const members = this.#view.meta?.members ?? [];
    const voters = members.flatMap(({ nodeId, role }) => (role === 'voter' ? [nodeId] : []));
    return Array.from({ length: this.shards }, (_, at) => {
      const group = groupId(at + 1);
      return {
        shard: shardId(at),
        role: 'none',
        leader: this.#view.leaderOf(group)?.node ?? noNode,
        term: this.#view.termOf(group),
        commit: 0,
        applied: 0,
        voters,
        proposals: 0,
        leaderChanges: this.#leaders[group]?.changes ?? 0,
        engineProblem: undefined,
        databases: [],
        bytes: 0,
        hits: 0,
        misses: 0,
        expired: 0,
      };
    });
  }

  /** Answers whoever still waits. */
  close(): void {
    this.#isClosed = true;
    this.#ticker.stop();
    this.#origins.close();
  }

  #learn(payload: Uint8Array): boolean {
    const said = decodeView(payload);
    if (said === undefined) return false;
    if (this.#isClosed) return true;
    const isFirst = this.#view.meta === undefined;
    const { isMetaNew, groups } = this.#view.learn(said);
    if (isMetaNew) {
      const { namespaces = [], members = [] } = this.#view.meta ?? {};
      this.#namespaces = new NamespaceTable(namespaces);
      this.#options.transport.addPeers(addressesOf(members));
      if (isFirst) this.#begin();
    }
    for (const group of groups) {
      this.#countLeader(group);
      this.#origins.leaderChanged(group);
    }
    this.#rouse();
    return true;
  }

  /** Proxies choose by their own ids, so that their reads spread over the members. */
  #nearMember(): NodeId | undefined {
    const { transport } = this.#options;
    const isThere = (node: NodeId): boolean => transport.isConnected(node, 'data');
    if (this.#near !== undefined && isThere(this.#near)) return this.#near;
    const members = (this.meta?.members ?? []).map(({ nodeId: id }) => id).filter(isThere);
    this.#near = members[this.nodeId % members.length];
    return this.#near;
  }

  #countLeader(group: GroupId): void {
    const leader = this.#view.leaderOf(group)?.node;
    const known = this.#leaders[group] ?? { last: noNode, changes: 0 };
    if (leader === undefined || leader === known.last) return;
    this.#leaders[group] = { last: leader, changes: known.changes + 1 };
  }

  /** The shards are known. */
  #begin(): void {
    for (let group = 0; group <= this.shards; group++) this.#origins.add(groupId(group), undefined);
    for (const call of this.#whenReady.splice(0)) call();
  }

  /** All that clients submit in this turn leaves together. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#options.timers.soon(() => {
      this.#isFlushing = false;
      if (this.#isClosed) return;
      this.#origins.flush();
      this.#rouse();
    });
  }

  /** Ticks while somebody waits for something. */
  #rouse(): void {
    if (this.#isTicking || this.#isClosed || this.#origins.isIdle) return;
    this.#isTicking = true;
    this.#ticker.start();
  }

  #tick(): void {
    this.#origins.tick();
    if (!this.#origins.isIdle) return;
    this.#isTicking = false;
    this.#ticker.stop();
  }
}
