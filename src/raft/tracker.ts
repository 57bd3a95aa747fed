/**
 * A group's configuration with the progress of every member and the votes of an election.
 *
 * Members are visited in ascending order of id, always, so that two runs send the same messages in the same order.
 */

import { index, type Index, type NodeId } from '../base/ids.ts';
import { allMembers, allVoters, emptyConfState } from './membership.ts';
import type { ConfState } from './message.ts';
import { Inflights, Progress } from './progress.ts';
import { jointCommitted, jointVote, type Acknowledged, type VoteResult } from './quorum.ts';

export interface InflightLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

/** Invariant: `conf`, `members` and the map name the same nodes; `members` ascends. */
export class Tracker implements Acknowledged {
  readonly #limits: InflightLimits;
  readonly #byId = new Map<NodeId, Progress>();
  readonly #votes = new Map<NodeId, boolean>();
  #members: readonly Progress[] = [];
  #conf: ConfState = emptyConfState;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get conf(): ConfState {
    return this.#conf;
  }

  /** Everybody in the configuration, this node too, ascending. */
  get members(): readonly Progress[] {
    return this.#members;
  }

  get(id: NodeId): Progress | undefined {
    return this.#byId.get(id);
  }

  /**
   * Takes over a configuration. Who stays keeps its progress; who is new is probed from `lastIndex` and counts
   * as active, so that a check of the quorum does not fail before it could answer.
   */
  switchTo(conf: ConfState, lastIndex: Index): void {
    this.#conf = conf;
    const members: Progress[] = [];
    for (const id of allMembers(conf)) {
      const progress = this.#byId.get(id) ?? this.#fresh(id, lastIndex);
      progress.isLearner = conf.learners.includes(id);
      members.push(progress);
    }
    this.#members = members;
    this.#byId.clear();
    for (const progress of members) this.#byId.set(progress.id, progress);
  }

  /** Forgets everybody's progress. */
  clear(): void {
    this.#byId.clear();
    this.#members = [];
    this.#conf = emptyConfState;
  }

  acknowledged(id: NodeId): number | undefined {
    return this.#byId.get(id)?.match;
  }

  /** The greatest index that a quorum holds. */
  committed(): Index {
    return index(jointCommitted(this.#conf.voters, this.#conf.votersOutgoing, this));
  }

  /** Whether one voter decides alone. */
  get isSingleton(): boolean {
    return this.#conf.voters.length === 1 && this.#conf.votersOutgoing.length === 0;
  }

  isQuorumActive(): boolean {
    const active = new Map<NodeId, boolean>();
    for (const progress of this.#members) {
      if (!progress.isLearner) active.set(progress.id, progress.recentActive);
    }
    return jointVote(this.#conf.voters, this.#conf.votersOutgoing, active) === 'VoteWon';
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first answer of a voter counts. */
  recordVote(id: NodeId, isGranted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, isGranted);
  }

  tally(): Tally {
    let granted = 0;
    let rejected = 0;
    for (const id of allVoters(this.#conf)) {
      const vote = this.#votes.get(id);
      if (vote === undefined) continue;
      if (vote) granted += 1;
      else rejected += 1;
    }
    const result = jointVote(this.#conf.voters, this.#conf.votersOutgoing, this.#votes);
    return { granted, rejected, result };
  }

  #fresh(id: NodeId, lastIndex: Index): Progress {
    const next = index(Math.max(lastIndex, 1));
    const progress = new Progress({ id, next, inflights: new Inflights(this.#limits) });
    progress.recentActive = true;
    return progress;
  }
}
