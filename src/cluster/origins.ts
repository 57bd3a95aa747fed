/**
 * This node's commands on their way to the leaders of their groups: for each group an origin for what goes through the log and
 * one for reads, one for those that its own replica may answer, and the bound on what all of them hold together.
 *
 * What is submitted leaves with `flush`, which whoever keeps the turn calls at its beginning. Members and proxies have
 * the same; only where a leader is known from differs.
 */

import { assert } from '../base/assert.ts';
import type { Clock, Timers } from '../base/clock.ts';
import { groupId, term, type GroupId, type NodeId } from '../base/ids.ts';
import type { Replica } from '../replica/replica.ts';
import type { Submission } from './cluster.ts';
import type { Forward, LocalGroup } from './forward.ts';
import { LocalReads } from './local-reads.ts';
import { Origin, type Leader } from './origin.ts';
import { ReadOrigin } from './read-origin.ts';

/** Commands submitted and not answered, in number and bytes: beyond, sockets are not read. */
const pendingCommandsMax = 100_000;
const pendingBytesMax = 256 << 20;
/** Reading starts again when this share of the bound is left. */
const drainedShare = 0.5;

export interface OriginsOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly commandTimeoutMs: number;
  readonly forward: Forward;
  /** Undefined while none is known. */
  readonly leaderOf: (group: GroupId) => Leader | undefined;
  /** Of a node without replicas: the member that answers reads below strong. Undefined while none is connected. */
  readonly near?: () => NodeId | undefined;
  /** Nodes that may hold replicas. */
  readonly members: () => readonly NodeId[];
}

export class Origins {
  readonly #options: OriginsOptions;
  readonly #groups: LocalGroup[] = [];
  /** Groups to which something was submitted in this turn. */
  readonly #submitted = new Set<LocalGroup>();
  #isClosed = false;
  #pendingCommands = 0;
  #pendingBytes = 0;
  #whenDrained: (() => void)[] = [];

  constructor(options: OriginsOptions) {
    this.#options = options;
  }

  /** Submitted and not answered. */
  get pendingCommands(): number {
    return this.#pendingCommands;
  }

  get isFull(): boolean {
    return this.#pendingCommands >= pendingCommandsMax || this.#pendingBytes >= pendingBytesMax;
  }

  /** Nobody waits for an answer, and nothing has to be sent again. */
  get isIdle(): boolean {
    return this.#pendingCommands === 0 && this.#groups.every(({ origin }) => origin.isIdle);
  }

  onDrained(call: () => void): void {
    this.#whenDrained.push(call);
  }

  group(group: GroupId): LocalGroup | undefined {
    return this.#groups[group];
  }

  /** From now on commands of this group may be submitted. `replica` is this node's own, if it holds one. */
  add(group: GroupId, replica: Replica | undefined): void {
    const { clock, commandTimeoutMs, forward, leaderOf, members, near } = this.#options;
    const shared = {
      clock,
      commandTimeoutMs,
      leader: () => leaderOf(group),
      onSettled: (count: number, bytes: number) => this.#settled(count, bytes),
    };
    const reads = new ReadOrigin({
      ...shared,
      send: (to, sent) => forward.sendReads(group, to, sent),
      onAnswered: (sentMs, index) => localReads?.probed(sentMs, index),
    });
    const askLeader = (submissions: readonly Submission[]): void => {
      for (const submission of submissions) reads.submit(submission);
      reads.flush();
    };
    const localReads = replica && new LocalReads({ ...shared, replica, askLeader });
    const nearest = (): Leader | undefined => {
      const node = near?.();
      return node === undefined ? undefined : { node, term: term(0) };
    };
    const nearReads =
      near &&
      new ReadOrigin({
        ...shared,
        leader: nearest,
        send: ({ node }, sent) => forward.sendNear(group, node, sent),
        onAnswered: () => undefined,
      });
    this.#groups[group] = {
      replica,
      origin: new Origin({
        ...shared,
        send: (to, commands) => forward.sendGroup(group, to, commands),
        openSession: (to, nonce) => forward.openSession(group, to, nonce),
        recall: (session, sequence) => forward.recall({ group, session, sequence }, members()),
      }),
      reads,
      localReads,
      nearReads,
    };
  }

  submit(group: GroupId, submission: Submission): void {
    const local = this.#groups[group];
    assert(local !== undefined, 'commands come once the shards are known');
    if (this.#isClosed) {
      this.#options.timers.soon(() => submission.fail('closing'));
      return;
    }
    this.#pendingCommands += 1;
    this.#pendingBytes += submission.bytes.length;
    if (submission.path === 'log') local.origin.submit(submission);
    else if (submission.path === 'read') local.reads.submit(submission);
    else (local.localReads ?? local.nearReads ?? local.reads).submit(submission);
    this.#submitted.add(local);
  }

  /** What was submitted goes to its leaders. */
  flush(): void {
    // What is answered at once may make its client submit more, which belongs to the next turn.
    const submitted = [...this.#submitted];
    this.#submitted.clear();
    for (const { origin, reads, localReads, nearReads } of submitted) {
      localReads?.flush();
      nearReads?.flush();
      reads.flush();
      origin.flush();
    }
  }

  /** Whether this node's replica of the group, or a member near it, answers local reads now. */
  readsLocally(group: GroupId): boolean {
    return this.#groups[group]?.localReads?.isReady ?? this.#options.near?.() !== undefined;
  }

  /** This node's replica of the group has applied more. */
  applied(group: GroupId): void {
    this.#groups[group]?.localReads?.applied();
  }

  /** The group has another leader or term than before. */
  leaderChanged(group: GroupId): void {
    const local = this.#groups[group];
    local?.origin.sendAgain();
    local?.reads.leaderIsThere();
  }

  /** The peer's data lane is up: what was lost on the way is sent again. */
  connected(peer: NodeId): void {
    for (const [group, { origin, reads, nearReads }] of this.#groups.entries()) {
      nearReads?.leaderIsThere();
      if (this.#options.leaderOf(groupId(group))?.node !== peer) continue;
      origin.sendAgain();
      reads.leaderIsThere();
    }
  }

  disconnected(peer: NodeId): void {
    this.#options.forward.disconnected(peer);
    for (const { reads, nearReads } of this.#groups) {
      reads.disconnected(peer);
      nearReads?.disconnected(peer);
    }
  }

  /** Time-outs and second tries; called every heartbeat interval. */
  tick(): void {
    this.#options.forward.tick();
    for (const { origin, reads, localReads, nearReads } of this.#groups) {
      localReads?.tick();
      nearReads?.tick();
      origin.tick();
      reads.tick();
    }
  }

  /** The node stops: whoever still waits is told. */
  close(): void {
    this.#isClosed = true;
    for (const { origin, reads, localReads, nearReads } of this.#groups) {
      localReads?.close();
      nearReads?.close();
      origin.close();
      reads.close();
    }
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
