/**
 * Rounds of heartbeats, and the reads that wait for one (dissertation, section 6.4).
 *
 * A leader numbers its rounds of heartbeats within a term, and followers send the number back. Once a quorum has
 * answered round n, this node was still the leader when it sent n; so the commit index it knew then covers everything
 * that was acknowledged before, and a read that arrived before round n was sent may be answered from there. The same number
 * bounds a lease: whoever keeps the times at which rounds were sent knows since when no other leader can exist.
 */

import type { Index, NodeId } from '../base/ids.ts';
import type { ConfState, Message } from './message.ts';
import { jointCommitted, type Acknowledged } from './quorum.ts';

/** Reads that may wait at a leader; one more is dropped. Callers join the reads of one turn, so few are under way. */
export const waitingReadsMax = 65_536;

export interface WaitingRead {
  /** The MsgReadIndex, whose sender gets the answer. */
  readonly request: Message;
  /** The commit index when the read arrived. */
  readonly index: Index;
  /** The round sent for it. */
  readonly round: number;
}

/** Invariant: confirmedRound ≤ sentRound; waiting reads ascend by round, all after confirmedRound. */
export class ReadQueue implements Acknowledged {
  readonly #self: NodeId;
  readonly #rounds = new Map<NodeId, number>();
  #sentRound = 0;
  #confirmedRound = 0;
  #waiting: WaitingRead[] = [];
  #postponed: Message[] = [];

  constructor(self: NodeId) {
    this.#self = self;
  }

  get sentRound(): number {
    return this.#sentRound;
  }

  get confirmedRound(): number {
    return this.#confirmedRound;
  }

  get isFull(): boolean {
    return this.#waiting.length + this.#postponed.length >= waitingReadsMax;
  }

  acknowledged(id: NodeId): number | undefined {
    return id === this.#self ? this.#sentRound : this.#rounds.get(id);
  }

  /** Numbers the round that is about to be sent. */
  nextRound(): number {
    this.#sentRound += 1;
    return this.#sentRound;
  }

  add(request: Message, index: Index): void {
    this.#waiting.push({ request, index, round: this.#sentRound + 1 });
  }

  /** Keeps a read until an entry of this term is committed. */
  postpone(request: Message): void {
    this.#postponed.push(request);
  }

  takePostponed(): readonly Message[] {
    if (this.#postponed.length === 0) return this.#postponed;
    const taken = this.#postponed;
    this.#postponed = [];
    return taken;
  }

  /** A follower answered a round; a number that was never sent is ignored. */
  acknowledge(from: NodeId, round: number): void {
    if (round > this.#sentRound || round <= (this.#rounds.get(from) ?? 0)) return;
    this.#rounds.set(from, round);
  }

  /** The reads that a quorum of `conf` has confirmed by now, in order of arrival; they are taken out. */
  takeConfirmed(conf: ConfState): readonly WaitingRead[] {
    const round = jointCommitted(conf.voters, conf.votersOutgoing, this);
    if (round <= this.#confirmedRound || round > this.#sentRound) return [];
    this.#confirmedRound = round;
    const waiting = this.#waiting;
    let count = 0;
    while (count < waiting.length && (waiting[count]?.round ?? 0) <= round) count += 1;
    return count === 0 ? [] : waiting.splice(0, count);
  }
}
