/**
 * What one replica's core is told at construction. Nothing of it changes afterwards.
 */

import { assert } from '../base/assert.ts';
import type { Index, NodeId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import { appendThread, applyThread, type Storage } from './ready.ts';
import type { Trace } from './trace.ts';

/** Limits in bytes may be infinite. */
export interface RaftConfig {
  /** Not 0, and not the id of a storage thread. */
  readonly id: NodeId;
  /** What an error calls this replica, for instance by its group. */
  readonly name?: string;
  readonly storage: Storage;
  /** Draws election timeouts, and nothing else. */
  readonly random: Random;
  /** Ticks without a leader's word before an election, drawn from [electionTicks, 2 × electionTicks − 1]. */
  readonly electionTicks: number;
  /** Ticks between two rounds of heartbeats; less than `electionTicks`. */
  readonly heartbeatTicks: number;
  /** The last entry that the state machine holds; entries behind it are handed out again. Default: the log's base. */
  readonly applied?: Index;
  /** Ask before raising the term, so that a node that was cut off disturbs nobody (dissertation, 9.6). */
  readonly preVote: boolean;
  /**
   * A leader that does not hear from a quorum for an election timeout steps down, and a follower that has heard from a
   * leader within one ignores requests for its vote (dissertation, 4.2.3 and 6.2).
   */
  readonly checkQuorum: boolean;
  /**
   * Makes leases of leaders sound: no vote or pre-vote is granted, unless its campaign is forced by the leader, within
   * `electionTicks` ticks of a leader's word, **whatever has happened since** (a message of a higher term makes
   * `checkQuorum` alone forget the leader), nor of a restart, before which such a word may have been answered.
   */
  readonly holdVotes?: boolean;
  /** This process created the group, so nothing was answered in it before: votes need not be held at the start. */
  readonly isNewGroup?: boolean;
  /** `safe` asks a quorum; `lease-based` trusts that clocks run alike and needs `checkQuorum`. */
  readonly readOnly: 'safe' | 'lease-based';
  /** Whether work of storage is handed out as messages (see `ready.ts`); production always does. */
  readonly asyncStorageWrites: boolean;
  /** Bounds the entries of one append; one entry is always allowed. */
  readonly maxMessageBytes: number;
  /** Bounds the entries that are handed out to be applied and not yet answered for; one is always allowed. */
  readonly maxCommittedBytesPerReady: number;
  /** Bounds the data in a leader's uncommitted entries; proposals beyond it are dropped, but the first is always taken. */
  readonly maxUncommittedBytes: number;
  /** Appends with entries under way to one peer. */
  readonly maxInflightMessages: number;
  /** Their data and, for each entry, `entryWindowBytes`. It bounds what one step reads back for a peer that lags. */
  readonly maxInflightBytes: number;
  /** A leader that is removed, or made a learner, steps down when it applies that. */
  readonly stepDownOnRemoval: boolean;
  /** Accept changes of configuration that do not fit the one in force; only for who checks them elsewhere. */
  readonly disableConfChangeValidation?: boolean;
  /** A follower drops proposals instead of sending them to its leader. */
  readonly disableProposalForwarding?: boolean;
  readonly trace?: Trace;
}

/** Asserts what the core relies on. */
export function checkConfig(config: RaftConfig): void {
  assert(config.id > 0, 'a node has an id');
  assert(config.id !== appendThread && config.id !== applyThread, 'no node is a storage thread');
  assert(config.heartbeatTicks > 0, 'heartbeats are some ticks apart');
  assert(config.electionTicks > config.heartbeatTicks, 'a timeout is longer than a heartbeat');
  assert(config.maxInflightMessages > 0, 'at least one append may be under way');
  assert(config.maxInflightBytes > 0, 'at least a byte may be under way');
  assert(config.maxCommittedBytesPerReady > 0, 'at least a byte may be applied');
  assert(config.readOnly === 'safe' || config.checkQuorum, 'leases need a checked quorum');
}
