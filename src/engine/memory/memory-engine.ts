/**
 * The engine that keeps a shard in this process's memory.
 *
 * Owns the order of effects and replies. Entries and reads take effect at once, in the order of the calls. Work that goes
 * in slices (`Job`, KEYS) looks at a snapshot taken at once, and only its reply comes later; replies of entries
 * behind it wait, so that they too come in order.
 *
 * It does no IO and knows neither clock nor Buffer: how bytes become strings and when a slice may run are given. There is no
 * randomness in entries but what their index seeds; each entry also reclaims a bounded number of due keys, the same on all replicas.
 */

import { assert } from '../../base/assert.ts';
import type { Timers } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type {
  Applied,
  Engine,
  EngineCommand,
  EngineEntry,
  EngineHost,
  EngineRead,
  EngineStatistics,
  ReadReply,
  Reply,
} from '../engine.ts';
import { Call } from './call.ts';
import type { Job } from './call.ts';
import { CommandIndex } from './command-index.ts';
import { counterRows } from './counters.ts';
import { databaseRows } from './databases.ts';
import { digestOf } from './digest.ts';
import { expiryRows } from './expiry.ts';
import { genericRows } from './generic.ts';
import { lcsRows } from './lcs.ts';
import { objectRows } from './object.ts';
import { stringBytesMax, stringTooLong } from '../replies.ts';
import { RequestParser } from './request-parser.ts';
import type { Latin1Slice } from './request-parser.ts';
import { stringRangeRows } from './string-ranges.ts';
import { stringRows } from './strings.ts';
import { walkRows } from './walk.ts';

export interface MemoryEngineOptions {
  /** For RANDOMKEY in reads and the tag of SCAN cursors. */
  readonly random: Random;
  /** `soon` runs the slices of long work. */
  readonly timers: Timers;
  /** `command/latin1` has Node's. */
  readonly latin1Slice: Latin1Slice;
}

/** See `ReadReply`. */
const due: ReadReply = 'due';
/** Due keys removed by one entry, beside those its commands meet. */
export const reclaimedPerEntry = 128;

const commandIndex = new CommandIndex([
  ...stringRows,
  ...stringRangeRows,
  ...counterRows,
  ...lcsRows,
  ...genericRows,
  ...expiryRows,
  ...walkRows,
  ...databaseRows,
  ...objectRows,
]);

/** Replies that are on their way: those of one entry or read. */
interface Pending {
  readonly replies: ReadReply[];
  /** Jobs that have not given their reply. */
  open: number;
  readonly done: (replies: readonly ReadReply[]) => void;
}

export function createMemoryEngine(options: MemoryEngineOptions): Engine {
  return new MemoryEngine(options);
}

class MemoryEngine implements Engine {
  readonly #timers: Timers;
  readonly #parser: RequestParser;
  readonly #call: Call;
  #applied: Applied = { index: 0, term: 0, timeMs: 0 };
  /** Entries whose replies are not given yet, in order. Invariant: the first has open jobs. */
  readonly #waiting: Pending[] = [];

  constructor(options: MemoryEngineOptions) {
    this.#timers = options.timers;
    this.#parser = new RequestParser(options.latin1Slice);
    this.#call = new Call(options.random);
  }

  /** It is never unwell: the process that would have to notice ends with it. */
  open(host: EngineHost): void {
    host.onWell(this.#applied);
  }

  apply(entry: EngineEntry, done: (replies: readonly Reply[]) => void): void {
    const { index, term, timeMs } = entry;
    assert(index > this.#applied.index, 'indexes of applied entries rise');
    assert(timeMs >= this.#applied.timeMs, 'time does not go back from entry to entry');
    this.#applied = { index, term, timeMs };
    this.#call.beginEntry(timeMs, index);
    const pending: Pending = { replies: [], open: 0, done };
    this.#run(entry.commands, pending, () => this.#deliverWaiting());
    this.#call.reclaim(reclaimedPerEntry);
    if (pending.open === 0 && this.#waiting.length === 0) done(pending.replies);
    else this.#waiting.push(pending);
  }

  read(read: EngineRead, done: (replies: readonly ReadReply[]) => void): void {
    const { timeMs } = this.#applied;
    assert(read.timeMs >= timeMs, 'the time of a read is not before the last entry');
    this.#call.beginRead(read.timeMs, timeMs);
    const pending: Pending = { replies: [], open: 0, done };
    this.#run(read.commands, pending, () => {
      if (pending.open === 0) done(pending.replies);
    });
    if (pending.open === 0) done(pending.replies);
  }

  /** Every replica computes the same from the entry, so each command is logged as it is. */
  resolve(
    command: EngineCommand,
    _timeMs: number,
    done: (logged: EngineCommand | undefined) => void,
  ): void {
    done(command);
  }

  nextDeadlineMs(): number | undefined {
    let earliest: number | undefined;
    for (const keyspace of this.#call.databases) {
      const item = keyspace.nextDue();
      if (item?.deadline === undefined) continue;
      const atMs = Number(item.deadline.atMs);
      if (earliest === undefined || atMs < earliest) earliest = atMs;
    }
    return earliest;
  }

  digest(): Promise<string> {
    return Promise.resolve(digestOf(this.#call.databases, this.#applied.timeMs));
  }

  statistics(): EngineStatistics {
    const { databases, hits, misses, expired } = this.#call;
    const used = [...databases.entries()].filter(([, keyspace]) => keyspace.size > 0);
    return {
      databases: used.map(([database, keyspace]) => ({
        database,
        keys: keyspace.size,
        expires: keyspace.expires,
      })),
      bytes: databases.reduce((sum, keyspace) => sum + keyspace.bytes, 0),
      hits,
      misses,
      expired,
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #run(commands: readonly EngineCommand[], pending: Pending, onJobDone: () => void): void {
    const { replies } = pending;
    let next = 0;
    for (const command of commands) {
      const place = next;
      next += 1;
      this.#call.beginCommand(command.database, place);
      const result = this.#runOne(command.bytes);
      if (this.#call.isDue) {
        replies.push(due);
      } else if (typeof result === 'string') {
        replies.push(result);
      } else {
        replies.push('');
        pending.open += 1;
        this.#continue(result, (reply) => {
          replies[place] = reply;
          pending.open -= 1;
          onJobDone();
        });
      }
    }
  }

  #runOne(bytes: Uint8Array): Reply | Job {
    if (bytes.length > stringBytesMax) return stringTooLong;
    const parser = this.#parser;
    parser.parse(bytes);
    const row = commandIndex.find(bytes, parser.nameStart, parser.nameEnd);
    assert(row !== undefined, 'a logged command is one the engine knows');
    assert(row.kind === 'read' || !this.#call.isRead, 'a write goes through the log');
    return row.run(this.#call, parser.args);
  }

  #continue(job: Job, settle: (reply: Reply) => void): void {
    this.#timers.soon(() => {
      const reply = job.step();
      if (reply === undefined) this.#continue(job, settle);
      else settle(reply);
    });
  }

  #deliverWaiting(): void {
    for (let first = this.#waiting[0]; first?.open === 0; first = this.#waiting[0]) {
      this.#waiting.shift();
      first.done(first.replies);
    }
  }
}
