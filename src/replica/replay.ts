/**
 * A pass along the log for an engine whose data stands before what this replica has applied: up to where it stands only
 * sessions are brought up, from there on the engine is given what it had before.
 *
 * Goes from the log's beginning, because what is admitted depends on all sessions before. In slices, a turn each, with few entries under way; reports nothing.
 * Replies that come again are recorded in the pass's own sessions, those that do not are taken over from the former ones.
 */

import { assert } from '../base/assert.ts';
import { index, type GroupId } from '../base/ids.ts';
import type { Applied, Engine } from '../engine/engine.ts';
import type { Storage } from '../raft/ready.ts';
import { Applier } from './applier.ts';
import type { Sessions } from './sessions.ts';

/** A slice: what is read from the log in one turn. Old entries are read back one by one, 5 µs each. */
const sliceEntriesMax = 512;
const sliceBytesMax = 128 << 10;
/** Entries given to the engine and not answered, beyond which no slice is begun. */
const underWayMax = 512;

export interface ReplayOptions {
  readonly group: GroupId;
  readonly storage: Storage;
  readonly engine: Engine;
  /** Where the engine's data stands. */
  readonly standing: Applied;
  /** The last entry to be replayed. */
  readonly target: number;
  readonly former: Sessions;
  /** There is something for another turn. */
  readonly later: () => void;
}

export class Replay {
  readonly applier: Applier;
  readonly #options: ReplayOptions;
  #next = 1;
  #underWay = 0;
  #isOver = false;

  constructor(options: ReplayOptions) {
    assert(options.standing.index < options.target, 'there is something to replay');
    this.#options = options;
    this.applier = new Applier(options.group);
  }

  /** Everything is part of the data again. */
  get isDone(): boolean {
    return this.#next > this.#options.target && this.#underWay === 0;
  }

  /** The engine is unwell: what is under way will not be answered. */
  end(): void {
    this.#isOver = true;
  }

  turn(): void {
    const { storage, target, standing, former, later } = this.#options;
    if (this.#next > target || this.#underWay >= underWayMax) return;
    const end = Math.min(target + 1, this.#next + sliceEntriesMax);
    const entries = storage.entries(index(this.#next), index(end), sliceBytesMax);
    assert(typeof entries !== 'string', 'an applied entry is in the log');
    for (const entry of entries) {
      if (this.#isOver) return;
      this.#next = entry.index + 1;
      const taken = this.applier.take(entry);
      if (entry.index <= standing.index) taken.lost(former);
      else this.#give(taken);
    }
    later();
  }

  #give(taken: ReturnType<Applier['take']>): void {
    this.#underWay += 1;
    this.#options.engine.apply(taken.entry, (replies) => {
      assert(!this.#isOver, 'what an engine had when it was unwell is never answered');
      this.#underWay -= 1;
      taken.answered(replies);
      if (this.#underWay < underWayMax) this.#options.later();
    });
  }
}
