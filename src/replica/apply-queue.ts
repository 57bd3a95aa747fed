/**
 * Committed entries on their way to an engine that comes and goes, and what came of them, in order, once.
 *
 * Entries are kept from when the core hands them out until the engine has answered. When the engine is well again, its data stands
 * somewhere: entries up to there have taken effect, so they are reported with their replies lost; those behind
 * are given to it (again). Where it stands before what was reported already (a Redis that lost its tail, or everything), that is
 * replayed out of the log first, and reported no second time.
 *
 * Bounded by the core, which hands out no more while `maxCommittedBytesPerReady` are not answered for. What the engine says in its
 * callbacks is only noted there and done in the replica's next turn, so that an entry that cannot be applied ends the loop.
 */

import { assert } from '../base/assert.ts';
import type { NodeError } from '../base/errors.ts';
import { index, type GroupId } from '../base/ids.ts';
import type { Applied, Engine } from '../engine/engine.ts';
import type { Entry } from '../raft/message.ts';
import type { Storage } from '../raft/ready.ts';
import { Applier, type AppliedEntry, type TakenEntry } from './applier.ts';
import { Replay } from './replay.ts';
import type { Sessions } from './sessions.ts';

export interface ApplyQueueOptions {
  readonly group: GroupId;
  readonly engine: Engine;
  readonly storage: Storage;
  /** An entry has become part of the data for the first time; in order. */
  readonly onApplied: (applied: AppliedEntry) => void;
  /** The engine can apply and read, and stands at or behind everything reported. */
  readonly onWell: () => void;
  readonly onUnwell: () => void;
  readonly onFailed: (error: NodeError) => void;
  /** There is something for another turn. */
  readonly later: () => void;
}

interface Waiting {
  readonly entry: Entry;
  taken: TakenEntry | undefined;
  /** Of the last entry of those that were handed out together. */
  readonly done: (() => void) | undefined;
}

/** `standing`: it says that it is well; the next turn sees what is missing. */
type State =
  | { readonly kind: 'unwell'; readonly reason: string }
  | { readonly kind: 'standing' }
  | { readonly kind: 'replaying'; readonly replay: Replay }
  | { readonly kind: 'well' };

const nothingApplied: Applied = { index: 0, term: 0, timeMs: 0 };

export class ApplyQueue {
  readonly #options: ApplyQueueOptions;
  #state: State = { kind: 'unwell', reason: 'it has not been reached yet' };
  /** Where the engine's data stood when it last became well. */
  #standing: Applied = nothingApplied;
  #applier: Applier;
  /** Handed out and not reported, in order. Invariant: the first is the entry after `#appliedIndex`. */
  readonly #waiting: Waiting[] = [];
  /** How many of those the engine has. */
  #given = 0;
  #appliedIndex = 0;

  constructor(options: ApplyQueueOptions) {
    this.#options = options;
    this.#applier = new Applier(options.group);
  }

  /** The last entry that was reported. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Of the last entry that may be part of the data: a read may see it before it is reported. */
  get givenIndex(): number {
    return Math.max(this.#appliedIndex + this.#given, this.#standing.index);
  }

  /** As of the last entry that the engine was given. */
  get sessions(): Sessions {
    return this.#applier.sessions;
  }

  /** The time of the last entry that may be part of the data. */
  get timeMs(): number {
    return Math.max(this.#applier.timeMs, this.#standing.timeMs);
  }

  /** Whether the engine may be read, and everything handed out is on its way through it. */
  get isWell(): boolean {
    return this.#state.kind === 'well';
  }

  /** Why it is not well, for people; undefined where it is. */
  get problem(): string | undefined {
    if (this.#state.kind === 'well') return undefined;
    return this.#state.kind === 'unwell' ? this.#state.reason : 'it is brought up to date';
  }

  /** Opens the engine. Called once. */
  open(): void {
    const { engine, onFailed } = this.#options;
    engine.open({
      isKnown: (applied) => this.#isKnown(applied),
      onUnwell: (reason) => this.#becomeUnwell(reason),
      onWell: (applied) => this.#becomeStanding(applied),
      onFailed,
    });
  }

  /** Takes committed, durable entries; `done` once the last of them is part of the data. */
  add(entries: readonly Entry[], done: () => void): void {
    const last = entries.length - 1;
    entries.forEach((entry, place) => {
      this.#waiting.push({ entry, taken: undefined, done: place === last ? done : undefined });
    });
    if (this.#state.kind === 'well') this.#give();
  }

  /** Goes on where the engine has become well, or answered. Called at the beginning of the replica's turn. */
  turn(): void {
    if (this.#state.kind === 'standing') this.#goOn();
    else if (this.#state.kind === 'replaying') this.#replay(this.#state.replay);
  }

  #isKnown({ index: at, term }: Applied): boolean {
    if (at === 0) return true;
    const { storage } = this.#options;
    return at <= storage.lastIndex() && storage.term(index(at)) === term;
  }

  #becomeUnwell(reason: string): void {
    const was = this.#state;
    this.#state = { kind: 'unwell', reason };
    if (was.kind === 'replaying') was.replay.end();
    this.#given = 0;
    if (was.kind !== 'unwell') this.#options.onUnwell();
  }

  #becomeStanding(applied: Applied): void {
    assert(this.#state.kind === 'unwell', 'an engine is well again after it was unwell');
    assert(this.#isKnown(applied), 'the data stands at an entry of this log');
    this.#standing = applied;
    this.#state = { kind: 'standing' };
    this.#options.later();
  }

  #goOn(): void {
    if (this.#standing.index >= this.#appliedIndex) {
      this.#becomeWell();
      return;
    }
    const { group, storage, engine, later } = this.#options;
    const replay = new Replay({
      group,
      storage,
      engine,
      standing: this.#standing,
      target: this.#appliedIndex,
      former: this.sessions,
      later,
    });
    this.#state = { kind: 'replaying', replay };
    this.#replay(replay);
  }

  #replay(replay: Replay): void {
    replay.turn();
    if (this.#state.kind !== 'replaying' || !replay.isDone) return;
    this.#applier = replay.applier;
    for (const waiting of this.#waiting) waiting.taken = undefined;
    this.#becomeWell();
  }

  #becomeWell(): void {
    this.#state = { kind: 'well' };
    this.#give();
    if (this.isWell) this.#options.onWell();
  }

  /** The engine may answer, or become unwell, at once. */
  #give(): void {
    while (this.#state.kind === 'well') {
      const waiting = this.#waiting[this.#given];
      if (waiting === undefined) return;
      this.#given += 1;
      const taken = (waiting.taken ??= this.#applier.take(waiting.entry));
      if (waiting.entry.index <= this.#standing.index) this.#report(taken.lost());
      else this.#apply(taken);
    }
  }

  #apply(taken: TakenEntry): void {
    this.#options.engine.apply(taken.entry, (replies) => {
      assert(this.#state.kind === 'well', 'an engine answers only while it is well');
      this.#report(taken.answered(replies));
    });
  }

  #report(applied: AppliedEntry): void {
    const first = this.#waiting.shift();
    assert(first?.entry.index === applied.index, 'entries are applied one after the other');
    assert(applied.index === this.#appliedIndex + 1, 'an entry is reported once');
    this.#given -= 1;
    this.#appliedIndex = applied.index;
    this.#options.onApplied(applied);
    first.done?.();
  }
}
