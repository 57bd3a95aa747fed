/**
 * The port of a shard's state machine: it applies committed commands and answers reads.
 *
 * Contract (the suite in `test/contract/engine.ts` runs it against every implementation):
 * - An engine begins unwell, and says through its host when it is well and when it is not any more. Only while it is well may
 *   `apply`, `read` and `resolve` be called; `nextDeadlineMs` and `statistics` always. What it was given and has not answered when it says that it is unwell
 *   is never answered; its effects may or may not be part of the data, and `onWell` tells how far they are.
 * - Deterministic. Two engines given the same entries hold the same keys, values, types and deadlines and give the
 *   same replies, byte for byte; SCAN's cursor alone is the engine's own, and starts anew elsewhere. The only clock is the entry's `timeMs`, which never goes back from one entry to the next; the only
 *   randomness is seeded by `index` and the command's place in the entry.
 * - A key whose deadline is not after the time of an entry, or of a read, is absent for it. A deadline is the
 *   entry's time plus the command's TTL; EXAT and PXAT are taken as given.
 * - `apply` is called with indexes that rise by one from the position that `onWell` named, one entry at a time, not waiting for the
 *   previous one's reply. Replies come through `done`, in order, perhaps before `apply` returns. The applied position is
 *   kept atomically with the data, so an entry takes effect once, however often the engine is unwell.
 * - `read` changes nothing that a client could see and sees every entry whose `done` was called before.
 * - The database of a command is 0…15. A command is known, supported and of the right arity (`command/table`); anything else
 *   that is wrong with it is a reply, never an exception. An exception means that this replica is broken: the caller stops it.
 */

import type { NodeError } from '../base/errors.ts';

/**
 * A RESP reply, ready for a client's socket, one char a byte (latin1).
 * Strings of this kind are cheap to make by concatenation and to write.
 */
export type Reply = string;

/** A command as it stands in the log. */
export interface EngineCommand {
  /** 0…15. */
  readonly database: number;
  /** The client's own bytes: a RESP array of bulk strings, `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`. */
  readonly bytes: Uint8Array;
}

/** The last entry that is part of the data. All 0 before the first. */
export interface Applied {
  readonly index: number;
  readonly term: number;
  readonly timeMs: number;
}

export interface EngineEntry extends Applied {
  /** In order; may be empty, which moves only position and time. */
  readonly commands: readonly EngineCommand[];
}

export interface EngineRead {
  readonly commands: readonly EngineCommand[];
  /** The leader's time, not before the last entry's. */
  readonly timeMs: number;
}

/**
 * The answer to one command of a read, or the word `due` (no reply looks like it: they all start with a type byte), where the command
 * met a key whose deadline has passed at the read's time, but not at the last applied entry's: its expiry is not yet in the log, so
 * the caller must log the command instead of using a reply.
 */
export type ReadReply = Reply;

export interface DatabaseStatistics {
  readonly database: number;
  /** Keys, those past their deadline but not yet reclaimed included. */
  readonly keys: number;
  /** Those of them that have a deadline. */
  readonly expires: number;
}

export interface EngineStatistics {
  /** Databases that hold keys, ascending. */
  readonly databases: readonly DatabaseStatistics[];
  /** An estimate of the bytes that keys and values take. */
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly expired: number;
}

/** Who feeds an engine. */
export interface EngineHost {
  /**
   * Whether the local log holds a durable entry of this index and term (true for index 0). Data that stands anywhere else is not
   * this log's: the engine throws it away and stands at 0.
   */
  isKnown(applied: Applied): boolean;
  /** The engine can neither apply nor read; `reason` is for people. */
  onUnwell(reason: string): void;
  /**
   * It is well, and its data stands at `applied`, perhaps far behind what it was given before: entries behind it are applied
   * (again), in order.
   */
  onWell(applied: Applied): void;
  /** This node must not go on: somebody else's data, or data that cannot be made right. */
  onFailed(error: NodeError): void;
}

export interface Engine {
  /** Called once, first. `host.onWell` says when and where it stands, perhaps before this returns. */
  open(host: EngineHost): void;
  apply(entry: EngineEntry, done: (replies: readonly Reply[]) => void): void;
  /** `done` gets one reply a command. Commands are reads by the command table. */
  read(read: EngineRead, done: (replies: readonly ReadReply[]) => void): void;
  /**
   * At a leader: turns a command whose effect no replica could compute alone (`resolved` in the command table) into what has to be
   * logged in its place, at the leader's time. Called when every earlier entry is applied and none with commands is in flight; none is applied until
   * `done`. What is logged is applied at the same time or later. Changes nothing that a client could see. `done(undefined)`: it cannot now.
   */
  resolve(
    command: EngineCommand,
    timeMs: number,
    done: (logged: EngineCommand | undefined) => void,
  ): void;
  /** The earliest deadline of any key, in ms of entry time; undefined where no key has one. */
  nextDeadlineMs(): number | undefined;
  /**
   * A hash over everything a client could see at the applied position (per database: key, type, value, deadline), the same for equal
   * data whatever the history. Hex.
   */
  digest(): Promise<string>;
  statistics(): EngineStatistics;
  close(): Promise<void>;
}
