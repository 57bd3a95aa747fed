/**
 * What is sent for one command, as it comes together: conditional removals, the command itself, and what its replies tell of deadlines.
 */

import { elementsOf } from '../../resp/reply-framer.ts';
import type { Reply } from '../engine.ts';
import { databaseCount } from './deadline-index.ts';
import type { DeadlineIndex, Touch } from './deadline-index.ts';
import { removeDueCommand } from './scripts.ts';
import { shiftMs } from './shift.ts';
import type { Translated } from './translation.ts';

/** Keys of one removal: one script, which nothing interrupts. */
const removalKeysMax = 512;

/** What a reply says of the deadline a key has now; see `DeadlineIndex.settle`. */
type Outcome = (reply: Reply) => number | undefined;

interface Expected {
  /** Which of the replies. */
  readonly at: number;
  settle(reply: Reply): void;
}

export class Draft {
  readonly database: number;
  readonly timeMs: number;
  readonly index: DeadlineIndex;
  readonly #onExpired: (keys: number) => void;
  readonly #commands: string[] = [];
  readonly #expected: Expected[] = [];

  constructor(
    { database, timeMs, index }: { database: number; timeMs: number; index: DeadlineIndex },
    onExpired: (keys: number) => void,
  ) {
    this.database = database;
    this.timeMs = timeMs;
    this.index = index;
    this.#onExpired = onExpired;
  }

  /** Sends a whole request; gives its place. */
  send(command: string): number {
    return this.#commands.push(command) - 1;
  }

  /** Sends conditional removals of those keys that may be due. */
  removeDue(database: number, keys: readonly string[]): void {
    for (const key of keys) {
      // One at a time, as it is nearly always one; that also counts a key once which is named twice.
      if (this.index.needsRemoval(database, key, this.timeMs)) this.#remove(database, [key]);
    }
  }

  /** The same for all keys of a database, at most `max`; gives how many that were. */
  removeAllDue(database: number, max: number): number {
    const due = this.index.due(database, this.timeMs, max);
    this.#remove(database, due);
    return due.length;
  }

  /** The command at `at` may give the key this deadline. */
  lower(
    of: { database: number; key: string; deadlineMs: number; at: number },
    outcome: Outcome,
  ): void {
    this.#expect(of.at, this.index.lower(of.database, of.key, of.deadlineMs), outcome);
  }

  /** The command at `at` may take away the key's deadline. */
  touch(of: { database: number; key: string; at: number }, outcome: Outcome): void {
    this.#expect(of.at, this.index.touch(of.database, of.key), outcome);
  }

  /** Done; the reply is made of the one at `at`. */
  finish(at: number, reply: (reply: Reply) => Reply = (own): Reply => own): Translated {
    return this.finishWith((replies) => reply(replies[at] ?? ''));
  }

  finishWith(reply: (replies: readonly Reply[]) => Reply): Translated {
    const expected = this.#expected;
    return {
      commands: this.#commands,
      reply: (replies): Reply => {
        for (const one of expected) one.settle(replies[one.at] ?? '');
        return reply(replies);
      },
    };
  }

  #remove(database: number, due: readonly string[]): void {
    for (let start = 0; start < due.length; start += removalKeysMax) {
      const keys = due.slice(start, start + removalKeysMax);
      const at = this.send(removeDueCommand(database, keys, this.timeMs + shiftMs));
      const touches = keys.map((key) => this.index.removalSent(database, key, this.timeMs));
      this.#expected.push({ at, settle: (reply) => this.#removed(touches, reply) });
    }
  }

  #removed(touches: readonly Touch[], reply: Reply): void {
    const answers = elementsOf(reply) ?? [];
    let expired = 0;
    for (const [place, touch] of touches.entries()) {
      const answer = answers[place];
      const stored = answer === undefined ? undefined : Number(answer.slice(1, -2));
      if (stored === -2) expired += 1;
      this.index.settle(touch, stored === undefined || stored >= 0 ? logical(stored) : Infinity);
    }
    this.#onExpired(expired);
  }

  #expect(at: number, touch: Touch | undefined, outcome: Outcome): void {
    if (touch === undefined) return;
    this.#expected.push({ at, settle: (reply) => this.index.settle(touch, outcome(reply)) });
  }
}

const logical = (stored: number | undefined): number | undefined =>
  stored === undefined ? undefined : stored - shiftMs;

/** The numbers of all databases. */
export const allDatabases: readonly number[] = Array.from(
  { length: databaseCount },
  (_, database) => database,
);
