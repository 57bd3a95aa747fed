/**
 * What a replica's timing and bounds are made of.
 */

import type { RaftConfig } from '../raft/config.ts';

/** A tick may come this much early: timers have whole milliseconds, and waiting for the rest would cost a wake-up each time. */
export const tickSlackMs = 1;

/** Durations are given; ticks and the lease follow from them. */
export interface ReplicaSettings {
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  /** `electionTimeoutMs` in heartbeats, at least 4. */
  readonly electionTicks: number;
  /** How long this node, as a voter, grants no vote after a heartbeat: what (electionTicks - 1) ticks last at least. */
  readonly promiseMs: number;
  /** How much monotonic clocks may differ within a promise. */
  readonly clockDriftMs: number;
  readonly reads: 'lease' | 'read-index';
}

export function replicaSettings(given: {
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly clockDriftMs: number;
  readonly reads: 'lease' | 'read-index';
}): ReplicaSettings {
  const { heartbeatMs, electionTimeoutMs, clockDriftMs, reads } = given;
  const electionTicks = Math.floor(electionTimeoutMs / heartbeatMs);
  const promiseMs = (electionTicks - 1) * (heartbeatMs - tickSlackMs);
  return { heartbeatMs, electionTimeoutMs, electionTicks, promiseMs, clockDriftMs, reads };
}

/** The core's bounds, the same for every group. */
export const raftLimits: Omit<
  RaftConfig,
  'id' | 'storage' | 'random' | 'electionTicks' | 'heartbeatTicks'
> = {
  preVote: true,
  checkQuorum: true,
  holdVotes: true,
  asyncStorageWrites: true,
  readOnly: 'safe',
  /**
   * An append to a peer carries up to this many bytes of entries, or one entry. It and the two other bounds on entries are low because
   * old ones are read back one by one, 5 µs each, and all groups may do so in one turn: the turn must stay far below an
   * election timeout.
   */
  maxMessageBytes: 64 << 10,
  /** Entries applied between two looks at the sockets. */
  maxCommittedBytesPerReady: 128 << 10,
  /** What a leader takes before a majority has it; beyond, groups wait in their origins. */
  maxUncommittedBytes: 256 << 20,
  maxInflightMessages: 256,
  /** About 2,000 small entries, or what a fast disk takes in some milliseconds. */
  maxInflightBytes: 8 << 20,
  stepDownOnRemoval: true,
  disableConfChangeValidation: false,
  disableProposalForwarding: true,
};
