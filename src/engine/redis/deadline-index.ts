/**
 * For every key that may have a deadline, a lower bound of it.
 *
 * Commands are sent long before they are answered, and whether a SET … NX set anything is known only then. So a bound goes down when a
 * command that may bring a deadline is sent, and goes up only by answers.
 *
 * Invariant: the bound of a key is not after any deadline that the key has at any point of what was sent and is not answered.
 *
 * How a bound goes up although there is always something on its way for a busy key: one touch of the key is its mark, and the lowest deadline
 * sent behind the mark is kept. The answer to the mark tells the deadline right behind it; the lower of both is the new bound, and the
 * touch sent last is the next mark. Answers come in the order of sending.
 *
 * A bound may be too low, that costs a conditional removal in vain (or a read that is logged). A bound that is too high would be a key that
 * outlives its deadline.
 */

import { assert } from '../../base/assert.ts';
import { Deadlines } from '../deadlines.ts';
import type { Deadline } from '../deadlines.ts';

export const databaseCount = 16;

/** Later deadlines count as this one: no clock gets there. */
const latestMs = Number.MAX_SAFE_INTEGER;

/** A command that was sent and may change a key's deadline. */
export interface Touch {
  readonly entry: Entry;
  readonly version: number;
  /** The bound before it was sent. */
  readonly beforeMs: number;
}

class Entry {
  readonly home: Home;
  readonly key: string;
  /** Its `atMs` is the bound. */
  readonly node: Deadline<Entry>;
  isGone = false;
  /** Touches so far. */
  version = 0;
  /** The touch that is the mark; 0: everything is answered. */
  mark = 0;
  /** The lowest deadline sent behind the mark. */
  sinceMs: number = Infinity;
  /** Up to this time, a conditional removal was sent. */
  clearedUntilMs: number = -Infinity;

  constructor(home: Home, key: string, atMs: number) {
    this.home = home;
    // A key that was cut out of a command would keep all of its text alive.
    this.key = Buffer.from(key, 'latin1').toString('latin1');
    this.node = home.deadlines.add(this, atMs);
    home.byKey.set(this.key, this);
  }

  raise(boundMs: number): void {
    this.home.deadlines.change(this.node, boundMs);
  }

  /** The key has no deadline. */
  remove(): void {
    this.isGone = true;
    this.home.byKey.delete(this.key);
    this.home.deadlines.remove(this.node);
  }

  get boundMs(): number {
    return Number(this.node.atMs);
  }

  touch(deadlineMs: number, beforeMs: number): Touch {
    this.version += 1;
    if (this.mark === 0) {
      this.mark = this.version;
      this.sinceMs = Infinity;
    } else this.sinceMs = Math.min(this.sinceMs, deadlineMs);
    return { entry: this, version: this.version, beforeMs };
  }
}

/** A database's keys. SWAPDB moves it as a whole. */
interface Home {
  readonly byKey: Map<string, Entry>;
  readonly deadlines: Deadlines<Entry>;
}

export class DeadlineIndex {
  #homes: Home[] = newHomes();

  /** Whether a database has no keys that may have a deadline. */
  isEmpty(database: number): boolean {
    return this.#home(database).byKey.size === 0;
  }

  /** Undefined: the key has no deadline. */
  boundMs(database: number, key: string): number | undefined {
    return this.#home(database).byKey.get(key)?.boundMs;
  }

  /** The lowest bound of a database. */
  earliestMs(database: number): number | undefined {
    return this.#home(database).deadlines.earliest()?.owner.boundMs;
  }

  nextDeadlineMs(): number | undefined {
    let next: number | undefined;
    for (let database = 0; database < databaseCount; database += 1) {
      const earliest = this.earliestMs(database);
      if (earliest !== undefined && (next === undefined || earliest < next)) next = earliest;
    }
    return next;
  }

  /** Whether the key may be due, and no removal for this time is on its way. */
  needsRemoval(database: number, key: string, timeMs: number): boolean {
    const entry = this.#home(database).byKey.get(key);
    return entry !== undefined && entry.boundMs <= timeMs && entry.clearedUntilMs < timeMs;
  }

  /** At most `max` keys of a database that need a removal. */
  due(database: number, timeMs: number, max: number): string[] {
    const found: string[] = [];
    for (const { key, clearedUntilMs } of this.#home(database).deadlines.until(timeMs)) {
      if (clearedUntilMs >= timeMs) continue;
      found.push(key);
      if (found.length === max) break;
    }
    return found;
  }

  /** A conditional removal of a key with a bound is sent. */
  removalSent(database: number, key: string, timeMs: number): Touch {
    const entry = this.#home(database).byKey.get(key);
    assert(entry !== undefined, 'only a key with a bound is removed for its deadline');
    entry.clearedUntilMs = Math.max(entry.clearedUntilMs, timeMs);
    return entry.touch(Infinity, entry.boundMs);
  }

  /** A command is sent that may take away the key's deadline. Undefined: it has none. */
  touch(database: number, key: string): Touch | undefined {
    const entry = this.#home(database).byKey.get(key);
    return entry?.touch(Infinity, entry.boundMs);
  }

  /** A command is sent that may give the key this deadline. */
  lower(database: number, key: string, deadlineMs: number): Touch {
    const home = this.#home(database);
    const atMs = Math.min(deadlineMs, latestMs);
    const known = home.byKey.get(key);
    const entry = known ?? new Entry(home, key, atMs);
    const beforeMs = known === undefined ? Infinity : entry.boundMs;
    if (atMs < entry.boundMs) home.deadlines.change(entry.node, atMs);
    if (atMs <= entry.clearedUntilMs) entry.clearedUntilMs = -Infinity;
    return entry.touch(atMs, beforeMs);
  }

  /**
   * A touch is answered.
   *
   * @param deadlineMs - what the key has right behind it, or a lower bound of that; Infinity: none; undefined: what it had before
   */
  settle({ entry, version, beforeMs }: Touch, deadlineMs: number | undefined): void {
    if (entry.isGone || entry.mark === 0 || version < entry.mark) return;
    const boundMs = Math.min(deadlineMs ?? beforeMs, entry.sinceMs);
    if (boundMs === Infinity) {
      entry.remove();
      return;
    }
    // The bound until now holds behind this touch as well, so the higher one does.
    if (boundMs > entry.boundMs) entry.raise(Math.min(boundMs, latestMs));
    entry.mark = version === entry.version ? 0 : entry.version;
    entry.sinceMs = Infinity;
  }

  swap(a: number, b: number): void {
    const [homeA, homeB] = [this.#home(a), this.#home(b)];
    this.#homes[a] = homeB;
    this.#homes[b] = homeA;
  }

  /** All keys of a database go; of all databases where it is undefined. */
  flush(database: number | undefined): void {
    if (database === undefined) this.#homes = newHomes();
    else this.#homes[database] = newHome();
  }

  #home(database: number): Home {
    const home = this.#homes[database];
    assert(home !== undefined, 'a database is 0 to 15');
    return home;
  }
}

const newHome = (): Home => ({ byKey: new Map(), deadlines: new Deadlines() });

const newHomes = (): Home[] => Array.from({ length: databaseCount }, newHome);
