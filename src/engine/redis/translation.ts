/**
 * The port between the log's commands and what a fronted Redis is sent for them. It does no IO.
 *
 * Whoever implements it follows the deadlines of keys as commands are sent and answered. So `write` and `reclaim` are called in the order
 * in which what they return is sent on the apply connection, and each `reply` once, in that order, when all its replies are there.
 * After the connection broke, nothing is answered any more: `reset` comes first.
 */

import type { EngineCommand, Reply } from '../engine.ts';

/** Requests for a Redis, perhaps none, and what their replies come to. */
export interface Translated {
  /** Whole requests in latin1, one reply each. They start in the command's database and end there. */
  readonly commands: readonly string[];
  readonly reply: (replies: readonly Reply[]) => Reply;
}

/**
 * All keys of a database, or of all, go. With one shard the engine sends the request; else it removes the shard's keys and gives
 * `reply` an +OK of its own.
 */
export interface Flush extends Translated {
  readonly kind: 'flush';
  readonly database: number | undefined;
}

/** Two databases change places. */
export interface Swap extends Translated {
  readonly kind: 'swap';
  readonly databases: readonly [number, number];
}

export interface Moment {
  /** The entry's or the read's. */
  readonly timeMs: number;
}

export interface ReadMoment extends Moment {
  /** The last applied entry's. */
  readonly appliedTimeMs: number;
}

/** Conditional removals for the apply connection. Once they are answered, `read` is asked again. */
export interface First {
  readonly kind: 'first';
  readonly removals: readonly Removal[];
}

/** Requests that may be sent in any database. What `reply` gives means nothing. */
export type Removal = Translated;

export interface Translation {
  /** For a command of an entry. */
  write(command: EngineCommand, at: Moment): Translated | Flush | Swap;
  /** For a read at the leader; `due`: it has to be logged, and comes back by `write`. */
  read(command: EngineCommand, at: ReadMoment): Translated | First | 'due';
  /** Conditional removals of at most `max` keys that may be due at an entry's time. */
  reclaim(timeMs: number, max: number): readonly Removal[];
  /** No key's deadline is earlier. */
  nextDeadlineMs(): number | undefined;
  /** Keys that were found due and removed. */
  readonly expired: number;
  /** Nothing is known any more; `add` follows for every key that has a deadline in Redis, as PEXPIRETIME gives it. */
  reset(): void;
  add(database: number, key: string, pexpiretime: number): void;
}
