/** Storage in memory, for stories and small clusters: what is in it counts as durable. */

import { index, term, type Index, type Term } from '../../../src/base/ids.ts';
import { emptyConfState } from '../../../src/raft/membership.ts';
import type { ConfState, Entry, HardState, Snapshot } from '../../../src/raft/message.ts';
import type { Missing, Storage } from '../../../src/raft/ready.ts';

export const emptySnapshot: Snapshot = {
  index: index(0),
  term: term(0),
  confState: emptyConfState,
  data: new Uint8Array(0),
};

export class StoryStorage implements Storage {
  hardState: HardState = { term: term(0), vote: 0 as HardState['vote'], commit: index(0) };
  /** What `snapshot` gives; the log may start before or behind it. */
  latest: Snapshot;
  #base: { index: Index; term: Term };
  #entries: Entry[] = [];

  constructor(start: Snapshot) {
    this.latest = start;
    this.#base = { index: start.index, term: start.term };
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.hardState, confState: this.latest.confState };
  }

  firstIndex(): Index {
    return index(this.#base.index + 1);
  }

  lastIndex(): Index {
    return index(this.#base.index + this.#entries.length);
  }

  term(at: Index): Term | Missing {
    if (at < this.#base.index) return 'compacted';
    if (at === this.#base.index) return this.#base.term;
    return this.#entries[at - this.#base.index - 1]?.term ?? 'unavailable';
  }

  entries(low: Index, high: Index, bytesMax: number): readonly Entry[] | Missing {
    if (low <= this.#base.index) return 'compacted';
    if (high > this.lastIndex() + 1) return 'unavailable';
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#entries.slice(
      low - this.#base.index - 1,
      high - this.#base.index - 1,
    )) {
      bytes += entry.data.length;
      if (bytes > bytesMax && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  hasConfChange(low: Index, high: Index): boolean {
    return this.#entries.some((each) => {
      return each.index >= low && each.index < high && each.type !== 'normal';
    });
  }

  snapshot(): Snapshot {
    return this.latest;
  }

  /** Continues the log, or replaces it from the first entry on. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const kept = first.index - this.#base.index - 1;
    if (kept < 0 || kept > this.#entries.length) throw new Error('an append leaves a gap');
    this.#entries.splice(kept, this.#entries.length, ...entries);
  }

  /** Starts the log anew behind a snapshot that was received. */
  restore(snapshot: Snapshot): void {
    this.latest = snapshot;
    this.#base = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
  }

  /** Goes back to an older copy, which ended at `to`. */
  cutTo(to: Index): void {
    this.#entries.length = to - this.#base.index;
    this.hardState = { ...this.hardState, commit: index(Math.min(this.hardState.commit, to)) };
  }

  compact(to: Index): void {
    const known = this.term(to);
    if (typeof known !== 'number') throw new Error('what is compacted is in the log');
    this.#entries.splice(0, to - this.#base.index);
    this.#base = { index: to, term: known };
  }
}
