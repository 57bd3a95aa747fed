/**
 * This node's reads of one shard that go to its leader without the log. They may be sent any number of times.
 *
 * What is submitted in one turn travels together. Replies come in order, some at a time. What has none goes again, in order,
 * where the leader or its connection changed, the node asked refused, or the frame could not leave; on a lane that stays up
 * nothing else is lost, however long an answer takes. Each time it gets another number, so that answers to an
 * earlier one count no more. While a batch has to wait, so do those behind it.
 *
 * A batch that is not answered in time fails with `cluster-down`.
 */

import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { Submission } from './cluster.ts';
import { failAll, type Leader } from './origin.ts';

/** A batch is closed at this size; a larger command is a batch of its own. */
const batchBytesMax = 1 << 20;

export interface ReadOriginOptions {
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
  readonly leader: () => Leader | undefined;
  /**
   * Takes reads to the leader; false where they could not leave. Replies come through `answered` and `refused`, perhaps
   * before this returns.
   */
  readonly send: (leader: Leader, reads: SentReads) => boolean;
  /** A leader that was asked at `sentMs` had applied no less than everything acknowledged by then, which was up to `index` at most. */
  readonly onAnswered: (sentMs: number, index: number) => void;
  readonly onSettled: (count: number, bytes: number) => void;
}

/** What leaves together. */
export interface SentReads {
  /** The number under which it is answered. */
  readonly read: number;
  /** The leader answers once it has applied the entry at this index. */
  readonly floor: number;
  readonly submissions: readonly Submission[];
}

/** Replies in order; `place` is that of the first among the commands sent. */
export interface ReadReplies {
  readonly place: number;
  readonly replies: readonly string[];
  readonly index: number;
}

interface Batch {
  /** As they were sent the last time: those that are answered in between stay, until the batch is sent again. */
  submissions: readonly Submission[];
  /** How many of them have their reply. */
  answered: number;
  readonly floor: number;
  readonly deadlineMs: number;
  /** The last time. */
  sentMs: number;
}

interface Turn {
  readonly submissions: Submission[];
  floor: number;
  bytes: number;
}

export class ReadOrigin {
  readonly #options: ReadOriginOptions;
  #turn: Turn[] = [];
  /** Not sent, or to be sent again. All were submitted after those of `#sent`. */
  #unsent: Batch[] = [];
  /** By number, in the order in which they were submitted. */
  readonly #sent = new Map<number, Batch>();
  /** Whom those that were sent have been sent to. */
  #asked: Leader | undefined;
  #read = 0;
  /** The first unsent batch was refused, or could not leave: it waits for the next tick. */
  #isHeld = false;

  constructor(options: ReadOriginOptions) {
    this.#options = options;
  }

  submit(submission: Submission): void {
    const size = submission.bytes.length;
    let turn = this.#turn.at(-1);
    if (turn === undefined || turn.bytes + size > batchBytesMax) {
      turn = { submissions: [], floor: 0, bytes: 0 };
      this.#turn.push(turn);
    }
    turn.submissions.push(submission);
    turn.bytes += size;
    turn.floor = Math.max(turn.floor, submission.floor ?? 0);
  }

  /** Sends what was submitted in this turn. */
  flush(): void {
    if (this.#turn.length === 0) return;
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.commandTimeoutMs;
    for (const { submissions, floor } of this.#turn) {
      this.#unsent.push({ submissions, answered: 0, floor, deadlineMs, sentMs: 0 });
    }
    this.#turn = [];
    if (!this.#isHeld) this.#sendUnsent();
  }

  /** There is a leader, or its connection came back. Another one, or of another term, is asked for everything unanswered. */
  leaderIsThere(): void {
    const leader = this.#options.leader();
    if (leader === undefined) return;
    const isSame = leader.node === this.#asked?.node && leader.term === this.#asked.term;
    if (!isSame) this.#unsend(0);
    this.#sendUnsent();
  }

  /** The peer's connection ended: what it was asked for is not answered on the next. */
  disconnected(peer: NodeId): void {
    if (this.#asked?.node === peer) this.#unsend(0);
  }

  /** Replies to some of what was sent under this number. */
  answered(read: number, { place, replies, index }: ReadReplies): void {
    const batch = this.#sent.get(read);
    if (batch === undefined) return;
    const { submissions } = batch;
    if (place !== batch.answered || place + replies.length > submissions.length) {
      this.refused(read);
      return;
    }
    batch.answered += replies.length;
    if (batch.answered === submissions.length) this.#sent.delete(read);
    this.#options.onAnswered(batch.sentMs, index);
    let bytes = 0;
    replies.forEach((reply, at) => {
      const submission = submissions[place + at];
      bytes += submission?.bytes.length ?? 0;
      submission?.settle(reply, index);
    });
    this.#options.onSettled(replies.length, bytes);
  }

  /** The node asked does not lead. The batch goes again with the next tick or leader, and so do those behind it. */
  refused(read: number): void {
    if (!this.#sent.has(read)) return;
    this.#unsend(read);
    this.#isHeld = true;
  }

  /** Time-outs and second tries; called every heartbeat interval. */
  tick(): void {
    if (this.#sent.size === 0 && this.#unsent.length === 0) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const [read, batch] of this.#sent) {
      if (batch.deadlineMs > nowMs) break;
      this.#sent.delete(read);
      failAll(waitingOf(batch), 'cluster-down', this.#options.onSettled);
    }
    while ((this.#unsent[0]?.deadlineMs ?? Infinity) <= nowMs) {
      const batch = this.#unsent.shift();
      if (batch !== undefined) failAll(waitingOf(batch), 'cluster-down', this.#options.onSettled);
    }
    this.#sendUnsent();
  }

  /** The node stops. Reads change nothing, so none of them is in doubt. */
  close(): void {
    const batches = [...this.#sent.values(), ...this.#unsent];
    const turn = this.#turn.flatMap(({ submissions }) => submissions);
    this.#sent.clear();
    this.#unsent = [];
    this.#turn = [];
    failAll([...batches.flatMap(waitingOf), ...turn], 'closing', this.#options.onSettled);
  }

  /** What was sent from this number on is to be sent again, before what has not been sent yet. */
  #unsend(first: number): void {
    const again: Batch[] = [];
    for (const [read, batch] of this.#sent) {
      if (read < first) continue;
      this.#sent.delete(read);
      again.push({ ...batch, submissions: waitingOf(batch), answered: 0 });
    }
    if (again.length > 0) this.#unsent = [...again, ...this.#unsent];
  }

  #sendUnsent(): void {
    this.#isHeld = false;
    const leader = this.#options.leader();
    if (leader === undefined) return;
    this.#asked = leader;
    const sentMs = this.#options.clock.monotonicMs();
    // A leader on this node may answer, or refuse, at once.
    for (let batch = this.#unsent[0]; batch !== undefined; batch = this.#unsent[0]) {
      this.#unsent.shift();
      this.#read += 1;
      const read = this.#read;
      this.#sent.set(read, batch);
      batch.sentMs = sentMs;
      const { floor, submissions } = batch;
      if (!this.#options.send(leader, { read, floor, submissions })) this.refused(read);
      if (this.#isHeld) return;
    }
  }
}

function waitingOf({ submissions, answered }: Batch): readonly Submission[] {
  return answered === 0 ? submissions : submissions.slice(answered);
}
