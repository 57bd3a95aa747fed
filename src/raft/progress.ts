/**
 * What a leader knows of one peer's log, and how much it may send it.
 *
 * Three states. `StateProbe`: where the logs meet is not known, one append with entries is sent and then nothing until
 * an answer or a heartbeat's. `StateReplicate`: they meet at `match`; appends are sent optimistically, `next` running ahead of
 * `match` by what is in flight, up to a window counted in messages and in bytes. `StateSnapshot`: the peer needs entries
 * that are compacted away, nothing is sent until it reports a position that the log can continue.
 */

import { assert } from '../base/assert.ts';
import { index, type Index, type NodeId } from '../base/ids.ts';

/**
 * What an entry takes from the window in bytes beside its data. Reading one back for a peer that lags takes as long as copying some
 * kilobytes; a window full of small entries, which one step may send, must not stop everything else for long.
 */
export const entryWindowBytes = 4096;

export type ProgressState = 'StateProbe' | 'StateReplicate' | 'StateSnapshot';

/** The window of appends that carry entries and are not acknowledged: a ring that grows on demand. */
export class Inflights {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  /** Last index of each append, oldest at `#start`. Invariant: ascending from there, and both rings have one length. */
  #indexes: number[] = [];
  #sizes: number[] = [];
  #start = 0;
  #count = 0;
  /** Invariant: the sum of the sizes in the window. */
  #bytes = 0;

  constructor(limits: { readonly messagesMax: number; readonly bytesMax: number }) {
    this.#messagesMax = limits.messagesMax;
    this.#bytesMax = limits.bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.#messagesMax || this.#bytes >= this.#bytesMax;
  }

  /** Adds an append that ends at `last`; must not be called when full. */
  add(last: Index, bytes: number): void {
    assert(!this.isFull, 'an append is only sent where the window has room');
    if (this.#count === this.#indexes.length) this.#grow();
    const place = (this.#start + this.#count) % this.#indexes.length;
    this.#indexes[place] = last;
    this.#sizes[place] = bytes;
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** Frees the appends that end at or before `acknowledged`. */
  freeTo(acknowledged: Index): void {
    while (this.#count > 0 && (this.#indexes[this.#start] ?? 0) <= acknowledged) {
      this.#bytes -= this.#sizes[this.#start] ?? 0;
      this.#start = (this.#start + 1) % this.#indexes.length;
      this.#count -= 1;
    }
  }

  clear(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const indexes: number[] = [];
    const sizes: number[] = [];
    for (let offset = 0; offset < this.#count; offset += 1) {
      const place = (this.#start + offset) % this.#indexes.length;
      indexes.push(this.#indexes[place] ?? 0);
      sizes.push(this.#sizes[place] ?? 0);
    }
    const capacity = Math.max(8, this.#count * 2);
    while (indexes.length < capacity) {
      indexes.push(0);
      sizes.push(0);
    }
    this.#indexes = indexes;
    this.#sizes = sizes;
    this.#start = 0;
  }
}

/** Invariant: match < next, and sentCommit < next while appends are not optimistic about a snapshot. */
export class Progress {
  readonly id: NodeId;
  readonly inflights: Inflights;
  state: ProgressState = 'StateProbe';
  /** The peer's log equals ours up to here. */
  match: Index = index(0);
  /** The next entry to send; those between `match` and it are in flight. */
  next: Index;
  /** The highest commit index sent to the peer, so that it is not told twice. */
  sentCommit: Index = index(0);
  /** In `StateSnapshot`, the index of the snapshot that was sent; else 0. */
  pendingSnapshot: Index = index(0);
  /** Whether the peer was heard of since the last check of the quorum. */
  recentActive = false;
  /** Nothing more is sent until an answer, or a heartbeat's, clears it. */
  isFlowPaused = false;
  isLearner = false;

  constructor(made: { readonly id: NodeId; readonly next: Index; readonly inflights: Inflights }) {
    this.id = made.id;
    this.next = made.next;
    this.inflights = made.inflights;
  }

  get isPaused(): boolean {
    return this.state === 'StateSnapshot' || this.isFlowPaused;
  }

  /** Forgets everything at the start of a term. */
  reset(next: Index): void {
    this.#enter('StateProbe');
    this.match = index(0);
    this.next = next;
    this.sentCommit = index(0);
    this.recentActive = false;
  }

  becomeProbe(): void {
    // Behind a snapshot that was sent, probing goes on from it: it may have arrived.
    const base = this.state === 'StateSnapshot' ? this.pendingSnapshot : 0;
    this.#enter('StateProbe');
    this.next = index(Math.max(this.match, base) + 1);
    this.#boundSentCommit();
  }

  becomeReplicate(): void {
    this.#enter('StateReplicate');
    this.next = index(this.match + 1);
    this.#boundSentCommit();
  }

  becomeSnapshot(snapshot: Index): void {
    this.#enter('StateSnapshot');
    this.pendingSnapshot = snapshot;
    this.next = index(snapshot + 1);
    this.sentCommit = snapshot;
  }

  /** An append with `count` entries, `bytes` bytes of data, was sent from `next` on. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== 'StateSnapshot', 'nothing is appended while a snapshot is pending');
    if (this.state === 'StateProbe') {
      if (count > 0) this.isFlowPaused = true;
      return;
    }
    if (count > 0) {
      this.next = index(this.next + count);
      this.inflights.add(index(this.next - 1), bytes + count * entryWindowBytes);
    }
    // A full window pauses; an append sent into a full one is a probe, and one is enough.
    this.isFlowPaused = this.inflights.isFull;
  }

  /** Whether telling the peer `commit` could move its commit index. */
  wantsCommit(commit: Index): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The peer acknowledged everything up to `acknowledged`; false where that is nothing new. */
  maybeUpdate(acknowledged: Index): boolean {
    if (acknowledged <= this.match) return false;
    this.match = acknowledged;
    this.next = index(Math.max(this.next, acknowledged + 1));
    this.isFlowPaused = false;
    return true;
  }

  /** The peer rejected an append behind `rejected` and guesses that the logs meet at `hint`; false where that is stale. */
  maybeDecrease(rejected: Index, hint: Index): boolean {
    if (this.state === 'StateReplicate') {
      if (rejected <= this.match) return false;
      this.next = index(this.match + 1);
      this.#boundSentCommit();
      return true;
    }
    // A probe is sent alone, so a rejection of anything else is of an older one.
    if (this.next - 1 !== rejected) return false;
    this.next = index(Math.max(Math.min(rejected, hint + 1), this.match + 1));
    this.#boundSentCommit();
    this.isFlowPaused = false;
    return true;
  }

  toString(): string {
    let text = `${this.state} match=${this.match} next=${this.next}`;
    if (this.isLearner) text += ' learner';
    if (this.isPaused) text += ' paused';
    if (this.pendingSnapshot > 0) text += ` pendingSnap=${this.pendingSnapshot}`;
    if (!this.recentActive) text += ' inactive';
    if (this.inflights.count > 0) {
      text += ` inflight=${this.inflights.count}${this.inflights.isFull ? '[full]' : ''}`;
    }
    return text;
  }

  #enter(state: ProgressState): void {
    this.isFlowPaused = false;
    this.pendingSnapshot = index(0);
    this.state = state;
    this.inflights.clear();
  }

  #boundSentCommit(): void {
    this.sentCommit = index(Math.min(this.sentCommit, this.next - 1));
  }
}
