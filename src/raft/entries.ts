/**
 * The log as the core sees it: what storage has made durable, then what it is still being asked to write.
 *
 * `Unstable` keeps entries (and at most one snapshot) from the moment they are appended until storage has answered for
 * them, because until then storage may not show them, or may show what they replace. Its entries always win over storage's.
 * Positions, from left to right: applied ≤ applying ≤ committed ≤ last; unstable.offset is the first one that storage
 * need not hold. This file performs no IO and knows no terms but those of entries.
 */

import { assert } from '../base/assert.ts';
import { NodeError } from '../base/errors.ts';
import { index, term, type Index, type Term } from '../base/ids.ts';
import type { Entry, Snapshot } from './message.ts';
import type { Missing, Storage } from './ready.ts';
import type { Trace } from './trace.ts';

/** What an entry takes beside its data, for limits in bytes: its header in a message or a record. */
export const entryOverheadBytes = 24;

/** A log is told by the last of its entries, and compared by it (Raft paper, section 5.4.1). */
export interface EntryId {
  readonly term: Term;
  readonly index: Index;
}

/** Bytes of the entries with their headers. */
export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length + entryOverheadBytes;
  return bytes;
}

/** Bytes of the entries' data alone; 0 for the no-ops of the core itself. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** As many entries from the first on as fit in `bytesMax`, but at least one. */
function limited(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0;
  for (let count = 0; count < entries.length; count += 1) {
    bytes += (entries[count]?.data.length ?? 0) + entryOverheadBytes;
    if (bytes > bytesMax && count > 0) return entries.slice(0, count);
  }
  return entries;
}

/** Entries and a snapshot that storage has not answered for. */
class Unstable {
  snapshot: Snapshot | undefined;
  isSnapshotInProgress = false;
  /** Invariant: entries[i] has the index offset + i. The array is never shared, readers get slices. */
  entries: Entry[] = [];
  offset: Index;
  /** Entries before it are handed out to be written. Invariant: offset ≤ offsetInProgress. */
  offsetInProgress: Index;
  readonly #trace: Trace | undefined;

  constructor(offset: Index, trace: Trace | undefined) {
    this.offset = offset;
    this.offsetInProgress = offset;
    this.#trace = trace;
  }

  /** One past the last entry, or `offset`. */
  get end(): number {
    return this.offset + this.entries.length;
  }

  term(at: Index): Term | undefined {
    if (at >= this.offset) return this.entries[at - this.offset]?.term;
    return this.snapshot?.index === at ? this.snapshot.term : undefined;
  }

  /** Entries [low, high), which must all be here. */
  slice(low: number, high: number): readonly Entry[] {
    assert(low >= this.offset && high <= this.end, 'a slice of the unstable log lies inside it');
    return this.entries.slice(low - this.offset, high - this.offset);
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    assert(first !== undefined, 'an append carries entries');
    if (first.index === this.end) {
      for (const entry of entries) this.entries.push(entry);
      return;
    }
    if (first.index <= this.offset) {
      this.#trace?.note('info', `replace the unstable entries from index ${first.index}`);
      this.entries = [...entries];
      this.offset = first.index;
      this.offsetInProgress = first.index;
      return;
    }
    assert(first.index < this.end, 'an append leaves no gap');
    this.#trace?.note('info', `truncate the unstable entries before index ${first.index}`);
    this.entries.length = first.index - this.offset;
    for (const entry of entries) this.entries.push(entry);
    this.offsetInProgress = index(Math.min(this.offsetInProgress, first.index));
  }

  /** Storage holds everything up to `id`, and nothing that is being written can replace it. */
  stableTo(id: EntryId): void {
    const ours = this.term(id.index);
    if (ours === undefined) {
      this.#trace?.note('info', `entry at index ${id.index} missing from unstable log; ignoring`);
      return;
    }
    if (id.index < this.offset) {
      this.#trace?.note('info', `entry at index ${id.index} matched unstable snapshot; ignoring`);
      return;
    }
    if (ours !== id.term) {
      this.#trace?.note(
        'info',
        `entry at (index,term)=(${id.index},${id.term}) mismatched with entry at (${id.index},${ours}) in unstable log; ignoring`,
      );
      return;
    }
    this.entries.splice(0, id.index + 1 - this.offset);
    this.offset = index(id.index + 1);
    this.offsetInProgress = index(Math.max(this.offsetInProgress, this.offset));
  }

  restore(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.isSnapshotInProgress = false;
    this.entries = [];
    this.offset = index(snapshot.index + 1);
    this.offsetInProgress = this.offset;
  }
}

export interface RaftLogOptions {
  readonly storage: Storage;
  /** Bounds what is handed out to be applied and not yet answered for. */
  readonly applyingBytesMax: number;
  /** What an error calls this log's owner. */
  readonly name: string;
  readonly trace: Trace | undefined;
}

export class RaftLog {
  readonly #storage: Storage;
  readonly #unstable: Unstable;
  readonly #applyingBytesMax: number;
  readonly #name: string;
  readonly #trace: Trace | undefined;
  #committed: Index;
  /** Handed out to be applied. Invariant: applied ≤ applying ≤ committed. */
  #applying: Index;
  #applied: Index;
  #applyingBytes = 0;
  /** True where the bound on applying is reached, or the next entry would pass it. */
  #isApplyingPaused = false;

  constructor(options: RaftLogOptions) {
    this.#storage = options.storage;
    this.#applyingBytesMax = options.applyingBytesMax;
    this.#name = options.name;
    this.#trace = options.trace;
    const base = index(options.storage.firstIndex() - 1);
    const last = options.storage.lastIndex();
    assert(last >= base, "a log's last index is not before its base");
    this.#unstable = new Unstable(index(last + 1), options.trace);
    this.#committed = base;
    this.#applying = base;
    this.#applied = base;
  }

  get committed(): Index {
    return this.#committed;
  }

  get applying(): Index {
    return this.#applying;
  }

  get applied(): Index {
    return this.#applied;
  }

  get firstIndex(): Index {
    const snapshot = this.#unstable.snapshot;
    return snapshot === undefined ? this.#storage.firstIndex() : index(snapshot.index + 1);
  }

  get lastIndex(): Index {
    const unstable = this.#unstable;
    if (unstable.entries.length > 0) return index(unstable.end - 1);
    return unstable.snapshot === undefined ? this.#storage.lastIndex() : unstable.snapshot.index;
  }

  get last(): EntryId {
    const last = this.lastIndex;
    const lastTerm = this.term(last);
    assert(typeof lastTerm === 'number', 'the term of the last entry is known');
    return { term: lastTerm, index: last };
  }

  /** Known from `firstIndex - 1` to `lastIndex`. */
  term(at: Index): Term | Missing {
    const unstable = this.#unstable.term(at);
    if (unstable !== undefined) return unstable;
    if (at + 1 < this.firstIndex) return 'compacted';
    if (at > this.lastIndex) return 'unavailable';
    return this.#storage.term(at);
  }

  /** The term at `at`, or 0 where it is not known. */
  termOrZero(at: Index): Term {
    const known = this.term(at);
    return typeof known === 'number' ? known : term(0);
  }

  matches(id: EntryId): boolean {
    return this.term(id.index) === id.term;
  }

  /** Whether a log that ends in `other` has everything that could be committed here (section 5.4.1). */
  isUpToDate(other: EntryId): boolean {
    const ours = this.last;
    return other.term > ours.term || (other.term === ours.term && other.index >= ours.index);
  }

  /** Entries from `from` on, at most `bytesMax` but at least one; none where `from` is past the end. */
  entries(from: Index, bytesMax: number): readonly Entry[] | 'compacted' {
    const end = this.lastIndex + 1;
    if (from >= end) return [];
    return this.slice(from, index(end), bytesMax);
  }

  /** Entries [low, high), at most `bytesMax` but at least one. */
  slice(low: Index, high: Index, bytesMax: number): readonly Entry[] | 'compacted' {
    assert(low <= high && high <= this.lastIndex + 1, 'a slice of the log ends inside it');
    if (low < this.firstIndex) return 'compacted';
    const offset = this.#unstable.offset;
    if (low >= offset) return limited(this.#unstable.slice(low, high), bytesMax);
    // Storage counts data only: of small entries it would read back far more than `limited` keeps.
    const countMax = Math.max(1, Math.floor(bytesMax / entryOverheadBytes));
    const storedEnd = index(Math.min(high, offset, low + countMax));
    const stored = this.#storage.entries(low, storedEnd, bytesMax);
    if (stored === 'compacted') return stored;
    assert(stored !== 'unavailable', 'storage holds every entry before the unstable ones');
    const isAll = stored.length === storedEnd - low && storedEnd === offset;
    if (!isAll || high <= offset) return limited(stored, bytesMax);
    return limited([...stored, ...this.#unstable.slice(offset, high)], bytesMax);
  }

  /** Whether any entry in [low, high) is a change of configuration. Reads nothing back: a log can be long. */
  hasConfChange(low: Index, high: Index): boolean {
    assert(high <= this.lastIndex + 1, 'a range of the log ends inside it');
    const { offset } = this.#unstable;
    const storedEnd = index(Math.min(high, offset));
    if (low < storedEnd && this.#storage.hasConfChange(low, storedEnd)) return true;
    if (high <= offset) return false;
    const unstable = this.#unstable.slice(Math.max(low, offset), high);
    return unstable.some(({ type }) => type !== 'normal');
  }

  /**
   * Appends what follows `previous`, where that matches, and replaces what conflicts (section 5.3).
   * Returns the index of the last of `entries`, or undefined where `previous` does not match.
   */
  maybeAppend(previous: EntryId, entries: readonly Entry[]): Index | undefined {
    if (!this.matches(previous)) return undefined;
    const fresh = this.#firstFresh(entries);
    if (fresh < entries.length) this.append(fresh === 0 ? entries : entries.slice(fresh));
    return index(previous.index + entries.length);
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.#committed, 'a committed entry is never replaced');
    this.#unstable.append(entries);
  }

  /** The place of the first entry that this log does not hold. */
  #firstFresh(entries: readonly Entry[]): number {
    for (let place = 0; place < entries.length; place += 1) {
      const entry = entries[place];
      assert(entry !== undefined, 'an array of entries has no holes');
      if (this.matches(entry)) continue;
      if (entry.index <= this.lastIndex) {
        this.#trace?.note(
          'info',
          `found conflict at index ${entry.index} [existing term: ${this.termOrZero(entry.index)}, conflicting term: ${entry.term}]`,
        );
      }
      return place;
    }
    return entries.length;
  }

  /**
   * Where this log and another may meet, knowing only that the other holds `term` at `index`: the last place at or
   * before it whose term is not greater, since terms only rise along a log. Term 0 where it is not known.
   */
  lastNotAfter(hint: EntryId): EntryId {
    for (let at = hint.index; at > 0; at = index(at - 1)) {
      const ours = this.term(at);
      if (typeof ours !== 'number') return { term: term(0), index: at };
      if (ours <= hint.term) return { term: ours, index: at };
    }
    return { term: term(0), index: index(0) };
  }

  commitTo(to: Index): void {
    if (to <= this.#committed) return;
    this.#checkHeld(to);
    this.#committed = to;
  }

  appliedTo(to: Index, bytes: number): void {
    assert(
      to >= this.#applied && to <= this.#committed,
      'only committed entries are applied, once',
    );
    this.#applied = to;
    this.#applying = index(Math.max(this.#applying, to));
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#isApplyingPaused = this.#applyingBytes >= this.#applyingBytesMax;
  }

  /**
   * Takes over what was known at a restart. The commit index on disk may lag behind the log's base and behind what the
   * state machine holds, both of which were committed then.
   */
  restoreCommitted(known: { readonly commit: Index; readonly applied: Index }): void {
    const committed = Math.max(this.#committed, known.commit, known.applied);
    this.#checkHeld(index(committed));
    this.#committed = index(committed);
    if (known.applied > this.#applied) this.appliedTo(known.applied, 0);
  }

  /**
   * A leader tells nobody of a commit beyond what that peer has acknowledged, and nothing is acknowledged before it is
   * durable. So where such entries are missing they were here once: the disk lost them, or holds an older copy.
   */
  #checkHeld(committed: Index): void {
    const last = this.lastIndex;
    if (committed <= last) return;
    throw new NodeError(
      'damaged',
      `the log of ${this.#name} ends at entry ${last}, but this member has held entry ${committed}, which is committed: ` +
        'its data directory is older than what it has acknowledged; keep a copy of the directory and replace this ' +
        'member by a new one with an empty data directory',
    );
  }

  /** Where entries that may be applied end: committed and, unless `withUnstable`, durable here. */
  #appliable(withUnstable: boolean): number {
    if (withUnstable) return this.#committed;
    return Math.min(this.#committed, this.#unstable.offset - 1);
  }

  hasEntriesToApply(withUnstable: boolean): boolean {
    if (this.#isApplyingPaused || this.#unstable.snapshot !== undefined) return false;
    return this.#applying < this.#appliable(withUnstable);
  }

  entriesToApply(withUnstable: boolean): readonly Entry[] {
    if (!this.hasEntriesToApply(withUnstable)) return [];
    const room = this.#applyingBytesMax - this.#applyingBytes;
    const end = index(this.#appliable(withUnstable) + 1);
    const entries = this.slice(index(this.#applying + 1), end, room);
    assert(entries !== 'compacted', 'an entry is not compacted before it is applied');
    return entries;
  }

  /** `entries`, just got from `entriesToApply`, are handed out. */
  acceptApplying(entries: readonly Entry[], withUnstable: boolean): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#applying = last.index;
    this.#applyingBytes += entriesBytes(entries);
    this.#isApplyingPaused =
      this.#applyingBytes >= this.#applyingBytesMax || last.index < this.#appliable(withUnstable);
  }

  get hasEntriesToWrite(): boolean {
    return this.#unstable.end > this.#unstable.offsetInProgress;
  }

  entriesToWrite(): readonly Entry[] {
    const unstable = this.#unstable;
    return this.hasEntriesToWrite ? unstable.slice(unstable.offsetInProgress, unstable.end) : [];
  }

  /** Entries that storage has not answered for, handed out or not. */
  get hasUnstableEntries(): boolean {
    return this.#unstable.entries.length > 0;
  }

  get snapshotToWrite(): Snapshot | undefined {
    return this.#unstable.isSnapshotInProgress ? undefined : this.#unstable.snapshot;
  }

  get hasUnstableSnapshot(): boolean {
    return this.#unstable.snapshot !== undefined;
  }

  /** Everything that waits to be written is handed out. */
  acceptWriting(): void {
    this.#unstable.offsetInProgress = index(this.#unstable.end);
    if (this.#unstable.snapshot !== undefined) this.#unstable.isSnapshotInProgress = true;
  }

  stableTo(id: EntryId): void {
    this.#unstable.stableTo(id);
  }

  stableSnapshotTo(at: Index): void {
    if (this.#unstable.snapshot?.index !== at) return;
    this.#unstable.snapshot = undefined;
    this.#unstable.isSnapshotInProgress = false;
  }

  snapshot(): Snapshot | 'temporarily-unavailable' {
    return this.#unstable.snapshot ?? this.#storage.snapshot();
  }

  /** Replaces the whole log by a snapshot that lies behind what is committed. */
  restore(snapshot: Snapshot): void {
    this.#trace?.note(
      'info',
      `log [${this.toString()}] starts to restore snapshot [index: ${snapshot.index}, term: ${snapshot.term}]`,
    );
    assert(snapshot.index > this.#committed, 'a snapshot only replaces an older log');
    this.#committed = snapshot.index;
    this.#unstable.restore(snapshot);
    // What is being applied may never be answered for; until the snapshot is in place nothing more is handed out.
    this.#applyingBytes = 0;
    this.#isApplyingPaused = false;
  }

  toString(): string {
    const unstable = this.#unstable;
    return (
      `committed=${this.#committed}, applied=${this.#applied}, applying=${this.#applying}, ` +
      `unstable.offset=${unstable.offset}, unstable.offsetInProgress=${unstable.offsetInProgress}, ` +
      `len(unstable.Entries)=${unstable.entries.length}`
    );
  }
}
