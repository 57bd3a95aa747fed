/**
 * One group's durable log as it is seen from memory: the `Storage` of the Raft core.
 *
 * It owns the base, the hard state, all terms, the places of changes of members and a tail of newest entries; older
 * entries are fetched through `readBack`. It must never show what is not durable: whoever writes calls `replaceSuffix` and `setHardState` only
 * after the write succeeded.
 */

import { assert } from '../base/assert.ts';
import { index, noNode, term, type Index, type Term } from '../base/ids.ts';
import type { ConfState, Entry, HardState, Snapshot } from '../raft/message.ts';
import type { Missing, Storage } from '../raft/ready.ts';
import type { GroupBase } from './log.ts';
import { TermRuns } from './term-runs.ts';

/** What an entry costs beside its data (object, map slot, view), so that many empty entries are bounded too. */
const entryOverheadBytes = 160;

const nothingPromised: HardState = { term: term(0), vote: noNode, commit: index(0) };

export interface GroupLogOptions {
  readonly base: GroupBase;
  /** Bytes of newest entries to keep in memory; the rest is read back. */
  readonly tailBytesMax: number;
  /** Fetches a durable entry that has left the tail. Throws a `NodeError` where it cannot. */
  readonly readBack: (index: Index) => Entry;
}

/** Invariant: the tail holds the entries from `#tailFirst` to `#last` without a gap, and `base.index < #tailFirst`. */
export class GroupLog implements Storage {
  readonly base: GroupBase;
  readonly #readBack: (index: Index) => Entry;
  readonly #terms: TermRuns;
  /** Indexes of entries that are not `normal`, ascending: few in the life of a group. */
  readonly #confChanges: Index[] = [];
  readonly #tail = new Map<Index, Entry>();
  #tailBytesMax: number;
  #tailBytes = 0;
  #tailFirst: Index;
  #last: Index;
  #hardState = nothingPromised;

  constructor(options: GroupLogOptions) {
    this.base = options.base;
    this.#readBack = options.readBack;
    this.#terms = new TermRuns(this.base.index, this.base.term);
    this.#tailBytesMax = options.tailBytesMax;
    this.#last = this.base.index;
    this.#tailFirst = index(this.base.index + 1);
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.#hardState, confState: this.base.confState };
  }

  firstIndex(): Index {
    return index(this.base.index + 1);
  }

  lastIndex(): Index {
    return this.#last;
  }

  term(at: Index): Term | Missing {
    if (at < this.base.index) return 'compacted';
    if (at > this.#last) return 'unavailable';
    return this.#terms.at(at);
  }

  entries(low: Index, high: Index, bytesMax: number): readonly Entry[] | Missing {
    assert(low <= high, 'a range of entries does not end before it begins');
    if (low <= this.base.index) return 'compacted';
    if (high > this.#last + 1) return 'unavailable';
    const found: Entry[] = [];
    let bytes = 0;
    for (let at = low; at < high; at = index(at + 1)) {
      const entry = this.#tail.get(at) ?? this.#readOlder(at);
      bytes += entry.data.length;
      if (bytes > bytesMax && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  hasConfChange(low: Index, high: Index): boolean {
    assert(low > this.base.index && high <= this.#last + 1, 'the range lies inside the log');
    const before = this.#confChanges.findLast((at) => at < high);
    return before !== undefined && before >= low;
  }

  /** The log keeps no state machine; whoever keeps checkpoints answers in its place. */
  snapshot(): Snapshot | 'temporarily-unavailable' {
    return 'temporarily-unavailable';
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** Takes entries that have become durable: they continue the log or replace its suffix. */
  replaceSuffix(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.base.index, 'an entry lies behind the base');
    assert(first.index <= this.#last + 1, 'entries leave no gap');
    if (first.index <= this.#last) this.#truncate(first.index);
    for (const entry of entries) {
      this.#terms.append(entry.index, entry.term);
      if (entry.type !== 'normal') this.#confChanges.push(entry.index);
      this.#tail.set(entry.index, entry);
      this.#tailBytes += tailBytes(entry);
      this.#last = entry.index;
    }
    this.#trim();
  }

  /** A new bound for the tail, which is cut to it at once. */
  setTailBytesMax(tailBytesMax: number): void {
    this.#tailBytesMax = tailBytesMax;
    this.#trim();
  }

  #readOlder(at: Index): Entry {
    assert(at < this.#tailFirst, 'an entry that is not in the tail is older');
    const entry = this.#readBack(at);
    assert(entry.index === at, 'an entry that was read back is the one asked for');
    return entry;
  }

  #truncate(from: Index): void {
    for (let at = this.#last; at >= Math.max(from, this.#tailFirst); at = index(at - 1)) {
      this.#forget(at);
    }
    this.#terms.truncate(from);
    while ((this.#confChanges.at(-1) ?? 0) >= from) this.#confChanges.pop();
    this.#last = index(from - 1);
    this.#tailFirst = index(Math.min(this.#tailFirst, from));
  }

  #trim(): void {
    while (this.#tailBytes > this.#tailBytesMax) {
      this.#forget(this.#tailFirst);
      this.#tailFirst = index(this.#tailFirst + 1);
    }
  }

  #forget(at: Index): void {
    const entry = this.#tail.get(at);
    assert(entry !== undefined, 'the tail has no gap');
    this.#tail.delete(at);
    this.#tailBytes -= tailBytes(entry);
  }
}

const tailBytes = (entry: Entry): number => entry.data.length + entryOverheadBytes;
