/**
 * This node's reads of one shard that go to its leader without the log. They may be sent any number of times.
 *
 * What is submitted in one turn travels together. A batch whose leader changed, refused or fell silent is sent again; one that
 * finds no leader in time fails with `cluster-down`.
 */

import type { Clock } from '../base/clock.ts';
import type { Submission } from './cluster.ts';
import type { Leader } from './origin.ts';

/** Frames may have been dropped: unanswered reads are sent again after this long. */
const resendMs = 1_000;

export interface ReadOriginOptions {
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
  readonly leader: () => Leader | undefined;
  /** Takes reads to the leader; `answered` brings back what it said, perhaps before this returns. */
  readonly send: (leader: Leader, read: number, submissions: readonly Submission[]) => void;
  readonly onSettled: (count: number, bytes: number) => void;
}

interface Batch {
  readonly submissions: readonly Submission[];
  readonly deadlineMs: number;
  sentMs: number;
}

export class ReadOrigin {
  readonly #options: ReadOriginOptions;
  #turn: Submission[] = [];
  /** By number, in the order in which they were submitted. */
  readonly #batches = new Map<number, Batch>();
  #read = 0;

  constructor(options: ReadOriginOptions) {
    this.#options = options;
  }

  submit(submission: Submission): void {
    this.#turn.push(submission);
  }

  /** Sends what was submitted in this turn. */
  flush(): void {
    if (this.#turn.length === 0) return;
    const submissions = this.#turn;
    this.#turn = [];
    const nowMs = this.#options.clock.monotonicMs();
    this.#read += 1;
    const batch: Batch = {
      submissions,
      deadlineMs: nowMs + this.#options.commandTimeoutMs,
      sentMs: Number.NEGATIVE_INFINITY,
    };
    this.#batches.set(this.#read, batch);
    const leader = this.#options.leader();
    if (leader !== undefined) this.#send(leader, this.#read, batch, nowMs);
  }

  /** Another leader or term, or the leader's connection came back. */
  sendAgain(): void {
    this.#sendOlderThan(Number.POSITIVE_INFINITY);
  }

  /** `replies` undefined: the node asked does not lead. Such a batch goes again with the next tick or leader. */
  answered(read: number, replies: readonly string[] | undefined): void {
    const batch = this.#batches.get(read);
    if (batch === undefined) return;
    if (replies === undefined || replies.length !== batch.submissions.length) {
      batch.sentMs = Number.NEGATIVE_INFINITY;
      return;
    }
    this.#batches.delete(read);
    let bytes = 0;
    batch.submissions.forEach((submission, place) => {
      bytes += submission.bytes.length;
      submission.settle(replies[place] ?? '');
    });
    this.#options.onSettled(batch.submissions.length, bytes);
  }

  /** Time-outs and second tries; called every heartbeat interval. */
  tick(): void {
    if (this.#batches.size === 0) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const [read, batch] of this.#batches) {
      if (batch.deadlineMs > nowMs) break;
      this.#batches.delete(read);
      this.#fail(batch.submissions, 'cluster-down');
    }
    this.#sendOlderThan(nowMs - resendMs);
  }

  /** The node stops. Reads change nothing, so none of them is in doubt. */
  close(): void {
    const waiting = [...this.#batches.values()].flatMap(({ submissions }) => submissions);
    const all = [...waiting, ...this.#turn];
    this.#batches.clear();
    this.#turn = [];
    this.#fail(all, 'closing');
  }

  #sendOlderThan(sentMs: number): void {
    const leader = this.#options.leader();
    if (leader === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    const overdue = [...this.#batches].filter(([, batch]) => batch.sentMs <= sentMs);
    for (const [read, batch] of overdue) this.#send(leader, read, batch, nowMs);
  }

  #send(leader: Leader, read: number, batch: Batch, nowMs: number): void {
    batch.sentMs = nowMs;
    this.#options.send(leader, read, batch.submissions);
  }

  #fail(submissions: readonly Submission[], failure: 'cluster-down' | 'closing'): void {
    let bytes = 0;
    for (const submission of submissions) {
      bytes += submission.bytes.length;
      submission.fail(failure);
    }
    if (submissions.length > 0) this.#options.onSettled(submissions.length, bytes);
  }
}
