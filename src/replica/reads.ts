/**
 * The leader's reads: by lease, else by ReadIndex (Raft dissertation, 6.4), never through the log unless they must.
 *
 * By lease: the value is read first and the lease is checked afterwards, so that a process stopped in between
 * cannot answer with what has been overwritten elsewhere. Where the lease does not hold, what waits is served once
 * a majority has confirmed the leader and the commit index of that moment is applied; batches that arrive
 * meanwhile share the next round.
 *
 * Batches of one asker stand in a line and begin in its order, however they are confirmed: a later read never sees less than an
 * earlier one of the same client. Before this replica serves, they wait in the line.
 *
 * Replies may be any size, so a batch is read in slices, and what an asker cannot take, or what would make a turn long,
 * is read in a later turn.
 *
 * A command that met a key past its deadline, but whose expiry is not in the log yet, is logged itself, and what stands behind it waits:
 * its entry's time is past the deadline too, so it finds the key gone, and from then on so does everybody.
 */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { noSession, type NodeId } from '../base/ids.ts';
import type { Engine, EngineCommand, ReadReply, Reply } from '../engine/engine.ts';
import { encodeCommands } from './batch.ts';
import type { Lease } from './lease.ts';
import type { LoggedRead } from './proposals.ts';

/** ReadIndex rounds under way at once; what arrives meanwhile shares the next. */
const roundsMax = 2;
/** A batch's first slice, in commands; while its replies are small each slice is twice the one before. */
const sliceCommandsFirst = 16;
const sliceCommandsMax = 1024;
/** A slice that came to more is followed by a smaller one. */
const sliceBytes = 1 << 20;
/** Replies for one asker after which the rest waits for the next turn. */
const turnBytesMax = 4 << 20;
/** Batches of one asker in the engine at once: a quick read need not wait for a walk over all keys. */
const executingMax = 16;
/** Commands that wait in one line, each with `commandOverheadBytes`: what comes beyond is refused, and comes again. */
const lineBytesMax = 32 << 20;
const commandOverheadBytes = 64;

/** Commands that are read together. */
export interface ReadBatch {
  /** Whose line it stands in. */
  readonly from: NodeId;
  readonly commands: readonly EngineCommand[];
  /** Not to be answered before the entry at this index is applied, which is committed. */
  readonly floor: number;
  /** Whether replies can be taken now; `gone`: nobody waits for them any more. */
  readonly room: () => 'now' | 'later' | 'gone';
  /**
   * Takes replies, one a command, that follow those taken before; answers how many it took. Others are read again. Nothing in
   * them is newer than the entry at `index`.
   */
  readonly take: (replies: readonly Reply[], index: number) => number;
  /** This replica does not lead any more: ask the leader for what has no reply yet. */
  readonly refuse: () => void;
}

export interface ReadsOptions {
  readonly engine: Pick<Engine, 'read'>;
  readonly clock: Clock;
  /** The time of entries, now. */
  readonly timeMs: () => number;
  /** Undefined where reads go by ReadIndex. */
  readonly lease: () => Lease | undefined;
  readonly appliedIndex: () => number;
  /** Of the last entry that may be part of the data: a read may see it before it counts as applied. */
  readonly givenIndex: () => number;
  /** Whether this replica leads, has applied an entry of its term, and has an engine that can be read. */
  readonly isServing: () => boolean;
  /** Starts a ReadIndex round under this number. */
  readonly askIndex: (round: number) => void;
  readonly log: (read: LoggedRead) => void;
  /** There is something for the next turn. */
  readonly later: () => void;
}

interface Waiting {
  readonly batch: ReadBatch;
  readonly bytes: number;
  state: 'waiting' | 'executing' | 'logging' | 'over';
  /** Commands that have been answered. */
  answered: number;
  /** Commands in the next slice. */
  slice: number;
  /** The round that was begun after it came. */
  round: number | undefined;
  /** Once this is applied it may be served. */
  index: number | undefined;
}

interface Line {
  readonly waiting: Waiting[];
  /** Of the commands that wait. */
  bytes: number;
  executing: number;
  /** Of replies, in this turn. */
  turnBytes: number;
}

/** What makes it right to answer: that a majority confirmed us, or a lease that has to hold afterwards, too. */
type Grant = 'confirmed' | Lease;

export class Reads {
  readonly #options: ReadsOptions;
  readonly #lines = new Map<NodeId, Line>();
  /** Rounds under way. */
  readonly #asked = new Set<number>();
  #waiting = 0;
  #round = 0;
  /** How often the engine has been unwell. */
  #engineLife = 0;

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Only while this replica leads. */
  read(batch: ReadBatch): void {
    const line = this.#lineOf(batch.from);
    let bytes = 0;
    for (const command of batch.commands) bytes += commandOverheadBytes + command.bytes.length;
    if (line.bytes > 0 && line.bytes + bytes > lineBytesMax) this.#forgetGone(line);
    if (line.bytes > 0 && line.bytes + bytes > lineBytesMax) {
      batch.refuse();
      return;
    }
    line.waiting.push({
      batch,
      bytes,
      state: 'waiting',
      answered: 0,
      slice: sliceCommandsFirst,
      round: undefined,
      index: undefined,
    });
    line.bytes += bytes;
    this.#waiting += 1;
    this.#serve(line);
  }

  /** Called once a turn while this replica serves: goes on with what the last turn left. */
  turn(): void {
    for (const line of this.#lines.values()) line.turnBytes = 0;
    this.serve();
    this.#ask();
  }

  /** A majority confirmed the leader of that round; its reads may be served once `index` is applied. */
  confirmed(round: number, index: number): void {
    if (!this.#asked.has(round)) return;
    // What was there when an earlier round began was there when this one did.
    for (const asked of this.#asked) if (asked <= round) this.#asked.delete(asked);
    for (const { waiting } of this.#lines.values()) {
      for (const each of waiting) {
        if (each.round !== undefined && each.round <= round) each.index ??= index;
      }
    }
    this.serve();
  }

  /** More has been applied, or this replica begins to serve. */
  serve(): void {
    if (this.#waiting === 0) return;
    for (const line of this.#lines.values()) this.#serve(line);
  }

  /** The engine is unwell: what it was reading it will not answer, so that is read again. */
  interrupt(): void {
    this.#engineLife += 1;
    for (const line of this.#lines.values()) {
      line.executing = 0;
      for (const each of line.waiting) if (each.state === 'executing') each.state = 'waiting';
    }
  }

  /** The term ended: everything has to be asked again elsewhere. */
  abandon(): void {
    const all = [...this.#lines.values()].flatMap(({ waiting }) => waiting);
    this.#lines.clear();
    this.#asked.clear();
    this.#waiting = 0;
    for (const each of all) each.state = 'over';
    for (const { batch } of all) batch.refuse();
  }

  #lineOf(from: NodeId): Line {
    let line = this.#lines.get(from);
    if (line === undefined) {
      line = { waiting: [], bytes: 0, executing: 0, turnBytes: 0 };
      this.#lines.set(from, line);
    }
    return line;
  }

  /** Begins with the first that waits, and so on, up to one that has to go on waiting. */
  #serve(line: Line): void {
    for (let at = 0; at < line.waiting.length && line.executing < executingMax;) {
      // The engine may become unwell with any read it is given.
      if (!this.#options.isServing()) return;
      const first = line.waiting[at];
      assert(first !== undefined, 'the line is that long');
      if (first.state === 'executing') {
        at += 1;
        continue;
      }
      const room = first.state === 'waiting' ? first.batch.room() : 'later';
      if (room === 'later') return;
      if (room === 'gone') {
        this.#remove(line, first);
        continue;
      }
      if (line.turnBytes >= turnBytesMax) {
        this.#options.later();
        return;
      }
      const grant = this.#grant(first);
      if (grant === undefined) return;
      this.#execute(line, first, grant);
    }
  }

  #grant({ index, batch }: Waiting): Grant | undefined {
    const { appliedIndex, lease, clock } = this.#options;
    if (batch.floor > appliedIndex()) return undefined;
    if (index !== undefined && index <= appliedIndex()) return 'confirmed';
    // The lease of the term in which the value is read: that of a later term says nothing about it.
    const held = lease();
    return held?.isValid(clock.monotonicMs()) === true ? held : undefined;
  }

  #execute(line: Line, waiting: Waiting, grant: Grant): void {
    const { engine, timeMs, clock } = this.#options;
    const { batch, answered, slice } = waiting;
    const isRest = answered === 0 && batch.commands.length <= slice;
    const commands = isRest ? batch.commands : batch.commands.slice(answered, answered + slice);
    waiting.state = 'executing';
    line.executing += 1;
    let isNow = true;
    const life = this.#engineLife;
    engine.read({ commands, timeMs: timeMs() }, (replies) => {
      assert(life === this.#engineLife, 'what an engine had when it was unwell is never answered');
      line.executing -= 1;
      if (waiting.state === 'over') return;
      waiting.state = 'waiting';
      const isGranted = grant === 'confirmed' || grant.isValid(clock.monotonicMs());
      if (isGranted) this.#answer(line, waiting, replies);
      else this.#options.later();
      if (!isNow) this.#serve(line);
    });
    isNow = false;
  }

  #answer(line: Line, waiting: Waiting, replies: readonly ReadReply[]): void {
    const { batch } = waiting;
    const due = replies.indexOf('due');
    const ready = due < 0 ? replies : replies.slice(0, due);
    let bytes = 0;
    for (const reply of ready) bytes += reply.length;
    line.turnBytes += bytes;
    waiting.slice =
      bytes > sliceBytes
        ? Math.max(1, waiting.slice >> 1)
        : Math.min(sliceCommandsMax, waiting.slice << 1);
    const taken = ready.length === 0 ? 0 : batch.take(ready, this.#options.givenIndex());
    waiting.answered += taken;
    if (waiting.answered === batch.commands.length) this.#remove(line, waiting);
    else if (taken < ready.length) line.turnBytes = Math.max(line.turnBytes, turnBytesMax);
    else if (due >= 0) this.#log(line, waiting);
  }

  /** The next command goes through the log. */
  #log(line: Line, waiting: Waiting): void {
    const command = waiting.batch.commands[waiting.answered];
    assert(command !== undefined, 'a due command is one of the batch');
    waiting.state = 'logging';
    this.#options.log({
      group: {
        kind: 'commands',
        session: noSession,
        sequence: 0,
        acknowledged: 0,
        isAlone: false,
        count: 1,
        body: encodeCommands([command]),
      },
      done: (replies) => {
        if (waiting.state === 'over') return;
        waiting.state = 'waiting';
        // Where there is no reply it is read again, unless the term has ended, which abandons the line.
        if (replies !== undefined) this.#answer(line, waiting, replies);
        this.#serve(line);
      },
    });
  }

  #remove(line: Line, waiting: Waiting): void {
    waiting.state = 'over';
    line.waiting.splice(line.waiting.indexOf(waiting), 1);
    line.bytes -= waiting.bytes;
    this.#waiting -= 1;
  }

  #forgetGone(line: Line): void {
    const gone = line.waiting.filter(({ batch }) => batch.room() === 'gone');
    for (const each of gone) this.#remove(line, each);
  }

  /** Starts a round for what has gathered and the lease does not cover. */
  #ask(): void {
    if (this.#waiting === 0 || this.#asked.size >= roundsMax) return;
    const { lease, clock, askIndex } = this.#options;
    if (lease()?.isValid(clock.monotonicMs()) === true) return;
    const all = [...this.#lines.values()].flatMap(({ waiting }) => waiting);
    const gathered = all.filter(({ round }) => round === undefined);
    if (gathered.length === 0) return;
    this.#round += 1;
    for (const each of gathered) each.round = this.#round;
    this.#asked.add(this.#round);
    askIndex(this.#round);
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
