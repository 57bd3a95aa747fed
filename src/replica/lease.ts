/**
 * The leader's lease: until when no other node can have been elected (Raft dissertation, 6.4.1).
 *
 * A voter that answers a heartbeat grants no vote until its own election timer has run out, which is at least
 * (electionTicks - 1) of its ticks after the heartbeat reached it, and so after it was *sent*. It says how long that is, its
 * *promise*, since nodes may be configured differently while their configuration is being changed. There is no other leader before
 * the promises of a majority have run out, counted from sending. From that a configured drift is taken off, for monotonic clocks
 * that do not run equally fast.
 *
 * The traps, and where they are closed: time is measured from sending, not from the answer (here); a voter
 * that restarts, or is told of a higher term, forgets its leader, so the core holds its votes for an election timeout all the same
 * (`holdVotes`); a tick never takes less than its interval (`cluster/ticker`); after TimeoutNow votes are granted at once, so the
 * lease is given up for the rest of the term (`revoke`); a process may be stopped between reading a value
 * and answering, so the lease is checked after the value has been read (`reads`).
 *
 * One object a term; it must never be carried into another.
 */

import { majority, type NodeId } from '../base/ids.ts';
import type { ConfState } from '../raft/message.ts';

export class Lease {
  readonly #self: NodeId;
  readonly #driftMs: number;
  /** By voter, until when it has promised, in this term, to grant no vote. */
  readonly #promisedMs = new Map<NodeId, number>();
  #isRevoked = false;
  #endMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly self: NodeId; readonly driftMs: number }) {
    this.#self = options.self;
    this.#driftMs = options.driftMs;
  }

  /** A voter answered, in this term, a heartbeat sent at `sentMs` of our monotonic clock, and promised `promiseMs`. */
  answered(
    voter: NodeId,
    answer: { readonly sentMs: number; readonly promiseMs: number },
    members: ConfState,
  ): void {
    const promisedMs = answer.sentMs + answer.promiseMs;
    if (promisedMs <= (this.#promisedMs.get(voter) ?? Number.NEGATIVE_INFINITY)) return;
    this.#promisedMs.set(voter, promisedMs);
    this.recount(members);
  }

  /** The members changed: the quorum is counted anew. */
  recount(members: ConfState): void {
    this.#endMs = this.#quorumMs(members) - this.#driftMs;
  }

  /** Leadership was offered to another node; reads go by ReadIndex for the rest of the term. */
  revoke(): void {
    this.#isRevoked = true;
  }

  /** Whether no other leader can exist at `monotonicMs`. */
  isValid(monotonicMs: number): boolean {
    return !this.#isRevoked && monotonicMs < this.#endMs;
  }

  #quorumMs(members: ConfState): number {
    const incoming = this.#majorityMs(members.voters);
    if (members.votersOutgoing.length === 0) return incoming;
    return Math.min(incoming, this.#majorityMs(members.votersOutgoing));
  }

  /** The latest time until which a majority of `voters` has promised. */
  #majorityMs(voters: readonly NodeId[]): number {
    const times = voters.map((voter) =>
      voter === this.#self
        ? Number.POSITIVE_INFINITY
        : (this.#promisedMs.get(voter) ?? Number.NEGATIVE_INFINITY),
    );
    times.sort((left, right) => right - left);
    return times[majority(voters.length) - 1] ?? Number.NEGATIVE_INFINITY;
  }
}
