/**
 * The port of the durable log: one a node, for all groups.
 *
 * Contract (the suite in `test/contract/log.ts` runs it against every implementation):
 * - `write` makes one turn's durable steps of all groups durable together, all or nothing. When its
 *   promise resolves they survive a crash; only then do the groups' `Storage` views show them. Calls must not
 *   overlap: the caller waits for one before it makes the next.
 * - Entries handed to `write` continue their group's log or replace its suffix from their first index on;
 *   a gap is an assertion failure. Bytes of entries are shared, not copied, and must not change.
 * - A failed `write` rejects with `storage-failed`. The log is then closed for good: it is never retried,
 *   and the caller stops the process.
 * - `open` (a function of each implementation) verifies what it reads: format version, CRC, contiguity from
 *   first to last index. What does not verify rejects with `damaged`, naming the record; a directory held by another process
 *   with `locked`; a path that cannot be created or written with `config-invalid`.
 */

import type { GroupId, Index, MemberId, NodeId, ClusterId, Term } from '../base/ids.ts';
import type { ConfState, Entry, HardState } from '../raft/message.ts';
import type { Storage } from '../raft/ready.ts';

/** Who a member was told to be when its cluster formed. */
export interface MemberIdentity {
  readonly nodeId: NodeId;
  readonly memberId: MemberId;
}

/**
 * Who this directory is. `new`: nothing is promised yet. `agreed`: the cluster's id and members are durable here, but
 * perhaps not everywhere, so it must not vote. `formed`: they are durable everywhere.
 * Invariant: phases only go forward, and member id, node id and (once set) cluster id never change.
 */
export interface Identity {
  readonly phase: 'new' | 'agreed' | 'formed';
  readonly nodeId: NodeId;
  readonly memberId: MemberId;
  /** How often this directory has been opened; raised and made durable at each start, before anything else. */
  readonly incarnation: number;
  /** Undefined in phase `new`. */
  readonly clusterId: ClusterId | undefined;
  /** The members that formed the cluster; empty in phase `new`. */
  readonly members: readonly MemberIdentity[];
  /** The number of shards the cluster was formed with; 0 in phase `new`. */
  readonly shards: number;
}

/** Where a group's log begins: the members and the last index and term before its first entry. */
export interface GroupBase {
  readonly index: Index;
  readonly term: Term;
  readonly confState: ConfState;
}

/**
 * What one group wants durable. Several of one group in one `write` are taken in order, as if written one after another.
 * The rules of Raft that a write must keep are asserted: terms and commit indexes never go back, a vote stays for its
 * term, no entry has a term above the hard state's, nothing committed is replaced or missing.
 */
export interface GroupWrite {
  readonly group: GroupId;
  /** Creates the group: allowed once, before anything else of it. */
  readonly base?: GroupBase;
  readonly hardState?: HardState;
  readonly entries: readonly Entry[];
}

export interface Log {
  /** True where `write` survives a crash of the machine. */
  readonly isDurable: boolean;
  /** What was durable at open, or was saved since; undefined in an empty directory. */
  readonly identity: Identity | undefined;
  /** Makes the identity durable before it resolves. */
  saveIdentity(identity: Identity): Promise<void>;
  /** The groups that exist, ascending. */
  groups(): readonly GroupId[];
  /** The group's durable part; the group must exist. The same object each time. */
  storage(group: GroupId): Storage;
  write(writes: readonly GroupWrite[]): Promise<void>;
  /** Waits for the write under way, then releases the directory. */
  close(): Promise<void>;
}
