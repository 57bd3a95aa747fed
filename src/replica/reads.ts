/**
 * The leader's reads: by lease, else by ReadIndex (Raft dissertation, 6.4), never through the log unless they must.
 *
 * By lease: the value is read first and the lease is checked afterwards, so that a process stopped in between
 * cannot answer with what has been overwritten elsewhere. Where the lease does not hold, the batch waits until
 * a majority has confirmed the leader and the commit index of that moment is applied; batches that arrive
 * meanwhile share the next round.
 *
 * A command that met a key past its deadline, but whose expiry is not in the log yet, is logged itself: its entry's time is
 * past the deadline too, so it finds the key gone, and from then on so does everybody.
 */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { noSession } from '../base/ids.ts';
import type { Engine, EngineCommand, ReadReply, Reply } from '../engine/engine.ts';
import { encodeCommands } from './batch.ts';
import type { Lease } from './lease.ts';
import type { LoggedRead } from './proposals.ts';

/** ReadIndex rounds under way at once; what arrives meanwhile shares the next. */
const roundsMax = 2;

/** Commands that are read together. */
export interface ReadBatch {
  readonly commands: readonly EngineCommand[];
  /** One reply a command; undefined where this replica does not lead any more: ask the leader. */
  readonly done: (replies: readonly Reply[] | undefined) => void;
}

export interface ReadsOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  /** The time of entries, now. */
  readonly timeMs: () => number;
  /** Undefined where reads go by ReadIndex. */
  readonly lease: () => Lease | undefined;
  readonly appliedIndex: () => number;
  /** Whether this replica still leads the term in which the reads came. */
  readonly isServing: () => boolean;
  /** Starts a ReadIndex round under this number. */
  readonly askIndex: (round: number) => void;
  readonly log: (read: LoggedRead) => void;
}

interface Confirmed {
  readonly index: number;
  readonly batches: readonly ReadBatch[];
}

export class Reads {
  readonly #options: ReadsOptions;
  #unconfirmed: ReadBatch[] = [];
  readonly #asked = new Map<number, readonly ReadBatch[]>();
  #confirmed: Confirmed[] = [];
  #round = 0;

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#unconfirmed.length === 0 && this.#asked.size === 0 && this.#confirmed.length === 0;
  }

  /** Only while this replica leads and has applied an entry of its term. */
  read(batch: ReadBatch): void {
    // The lease of the term in which the value is read: that of a later term says nothing about it.
    const lease = this.#options.lease();
    if (lease === undefined) {
      this.#unconfirmed.push(batch);
      return;
    }
    this.#execute(batch, (replies) => {
      if (lease.isValid(this.#options.clock.monotonicMs())) this.#finish(batch, replies);
      else if (this.#options.isServing()) this.#unconfirmed.push(batch);
      else batch.done(undefined);
    });
  }

  /** Starts a round for what has gathered; called once a turn. True where one was started. */
  ask(): boolean {
    if (this.#unconfirmed.length === 0 || this.#asked.size >= roundsMax) return false;
    this.#round += 1;
    this.#asked.set(this.#round, this.#unconfirmed);
    this.#unconfirmed = [];
    this.#options.askIndex(this.#round);
    return true;
  }

  /** A majority confirmed the leader of that round; its reads may be served once `index` is applied. */
  confirmed(round: number, index: number): void {
    const batches = this.#asked.get(round);
    if (batches === undefined) return;
    this.#asked.delete(round);
    this.#confirmed.push({ index, batches });
    this.applied();
  }

  /** More has been applied. */
  applied(): void {
    if (this.#confirmed.length === 0) return;
    const applied = this.#options.appliedIndex();
    const ready = this.#confirmed.filter(({ index }) => index <= applied);
    this.#confirmed = this.#confirmed.filter(({ index }) => index > applied);
    for (const { batches } of ready) {
      for (const batch of batches) {
        this.#execute(batch, (replies) => this.#finish(batch, replies));
      }
    }
  }

  /** The term ended: everything has to be asked again elsewhere. */
  abandon(): void {
    const batches = [
      ...[...this.#asked.values()].flat(),
      ...this.#confirmed.flatMap((confirmed) => confirmed.batches),
      ...this.#unconfirmed,
    ];
    this.#asked.clear();
    this.#confirmed = [];
    this.#unconfirmed = [];
    for (const batch of batches) batch.done(undefined);
  }

  #execute(batch: ReadBatch, done: (replies: readonly ReadReply[]) => void): void {
    const { engine, timeMs } = this.#options;
    engine.read({ commands: batch.commands, timeMs: timeMs() }, done);
  }

  #finish(batch: ReadBatch, replies: readonly ReadReply[]): void {
    if (!replies.includes('due')) {
      batch.done(replies);
      return;
    }
    const due = batch.commands.filter((_command, place) => replies[place] === 'due');
    this.#options.log({
      group: {
        kind: 'commands',
        session: noSession,
        sequence: 0,
        acknowledged: 0,
        count: due.length,
        body: encodeCommands(due),
      },
      done: (logged) => {
        if (logged === undefined) {
          batch.done(undefined);
          return;
        }
        let next = 0;
        const all = replies.map((reply) => (reply === 'due' ? (logged[next++] ?? reply) : reply));
        assert(next === logged.length, 'every due command was logged and answered');
        batch.done(all);
      },
    });
  }
}

/** A round's number as the bytes that travel with its heartbeats. */
export function contextOf(round: number): Uint8Array {
  const context = new Uint8Array(8);
  new DataView(context.buffer).setFloat64(0, round);
  return context;
}

export function roundOf(context: Uint8Array): number {
  assert(context.length === 8, 'a read state carries a round');
  return new DataView(context.buffer, context.byteOffset, 8).getFloat64(0);
}
