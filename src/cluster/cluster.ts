/**
 * What the front asks of the cluster: take this command to its shard and bring back the reply.
 */

import type { NodeId, ShardId, Term } from '../base/ids.ts';
import type { NamespaceTable } from '../shard/namespace-table.ts';
import type { ShardMap } from '../shard/shard-map.ts';

/** Why a command got no reply. Only `in-doubt` may have happened. */
export type SubmitFailure = 'cluster-down' | 'in-doubt' | 'busy' | 'closing';

/**
 * One command for one shard. Exactly one of `settle` and `fail` is called, once, never before `submit` returns.
 */
export interface Submission {
  /**
   * `read`: answered by the leader without the log, in no order with other submissions.
   * `local`: the same, but this node's own replica answers it where it has what is asked for, or a member near a node without one.
   * `log`: goes through the shard's log; submissions of this kind made on one node for one shard take effect in
   * the order in which they were made. A read may be submitted so, where it must come behind writes that are
   * not answered yet.
   */
  readonly path: 'read' | 'log' | 'local';
  /**
   * Of a command that the leader resolves before it is logged (`resolved` in the command table): it travels as a group of its own, and
   * waits at the leader until everything before it is applied.
   */
  readonly isAlone: boolean;
  /** Of a command for the log: it is in one entry with the command submitted before it, in the same call of the front. */
  readonly isBehind?: boolean;
  /**
   * Of a read: it is not answered from before the entry at this index, which is committed; absent: 0. The own replica waits for it, up
   * to `commandTimeoutMs`.
   */
  readonly floor?: number | undefined;
  /** Of a local read: everything acknowledged longer ago than this is in the answer; absent: it may be of any age. */
  readonly boundMs?: number;
  /** 0…15. */
  readonly database: number;
  /**
   * A RESP array of bulk strings that passed the command table. A view into a socket's chunk will do: it is
   * read until settled, and never written.
   */
  readonly bytes: Uint8Array;
  /** A whole RESP reply in latin1. Nothing in it is newer than the shard's entry at `index`. */
  settle(reply: string, index: number): void;
  fail(failure: SubmitFailure): void;
}

export type ReplicaRole = 'leader' | 'follower' | 'candidate' | 'learner' | 'none';

export interface ShardStatus {
  readonly shard: ShardId;
  /** This node's part in it; `none` where it holds no replica. */
  readonly role: ReplicaRole;
  /** 0 where none is known. */
  readonly leader: NodeId;
  readonly term: Term;
  /** Of the local replica; 0 where there is none. */
  readonly commit: number;
  readonly applied: number;
  readonly voters: readonly NodeId[];
  /** Entries proposed by this node as leader, since it started. */
  readonly proposals: number;
  /** How often this node, since it started, has learned of another leader than the last it knew. */
  readonly leaderChanges: number;
  /** Why this node's replica cannot be read, nor serve as leader: for people; undefined where it can. */
  readonly engineProblem: string | undefined;
  readonly databases: readonly {
    readonly database: number;
    readonly keys: number;
    readonly expires: number;
  }[];
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly expired: number;
}

export interface Cluster {
  readonly nodeId: NodeId;
  /** The number of shards, 0 until it is known. Fixed once known. */
  readonly shards: number;
  /** Which shard owns a slot; undefined until it is known. */
  readonly shardMap: ShardMap | undefined;
  /** As this node knows it now; replaced whole. Empty until it is known. */
  readonly namespaces: NamespaceTable;
  /** Calls once the shard map is known, at once if it is. */
  onReady(call: () => void): void;
  /**
   * Takes a command to its shard's leader, wherever that is. While no leader is known it waits, up to
   * `commandTimeoutMs`. Before the number of shards is known nothing may be submitted but to shard 0.
   */
  submit(shard: ShardId, submission: Submission): void;
  /** Whether this node's own replica of the shard, or a member near it, answers local reads now. */
  readsLocally(shard: ShardId): boolean;
  /** True while so much is pending that sockets should not be read; `onDrained` calls once it is over. */
  readonly isFull: boolean;
  onDrained(call: () => void): void;
  /** One a shard, ascending; empty until the number of shards is known. */
  status(): readonly ShardStatus[];
}
