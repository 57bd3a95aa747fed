/**
 * The leader's queue between groups that arrive and entries that are proposed.
 *
 * Whatever waits when a turn ends becomes one entry. A few entries may be in flight; while one is, the next is
 * proposed only when at least half as many commands wait as (waiting + in flight) together: fewer, larger
 * entries, without a timer and without a cost for a single client.
 *
 * A group that has to be resolved is a barrier: it and what stands behind it stay until nothing is in flight, and the engine has said
 * what to log in its place.
 *
 * Exactly once begins here: a group is admitted only if it is its session's next, counted from what is applied and
 * what is in flight. The queue belongs to one term; when the term ends it is abandoned and the origins send again.
 */

import { assert } from '../base/assert.ts';
import type { SessionId } from '../base/ids.ts';
import type { EngineCommand } from '../engine/engine.ts';
import { encodeCommands, groupBytes, type CommandGroup, type Group } from './batch.ts';
import type { Sessions } from './sessions.ts';

/** Entries proposed and not yet applied. */
const entriesInFlightMax = 4;
/** An entry is closed at this size; a single larger group is an entry of its own. */
const batchBytesMax = 1 << 20;
/** Of (waiting + in flight) commands, how many must wait before another entry joins those in flight. */
const waitingShareMin = 0.5;

/** What becomes of a group that is not admitted. */
export type Offer =
  | { readonly kind: 'admitted' }
  /** It was applied before: its recorded replies answer it. */
  | { readonly kind: 'duplicate' }
  /** It is on its way through the log already. */
  | { readonly kind: 'in-flight' }
  /** An earlier group of the session is missing: the origin must send from there. */
  | { readonly kind: 'gap' }
  | { readonly kind: 'unknown-session' };

/** A read that goes through the log; `done` gets undefined where it has to be asked again elsewhere. */
export interface LoggedRead {
  readonly group: CommandGroup;
  readonly done: (replies: readonly string[] | undefined) => void;
}

interface InFlight {
  readonly index: number;
  readonly commands: number;
  readonly reads: readonly LoggedRead[];
}

interface Waiting {
  readonly group: Group;
  readonly read: LoggedRead | undefined;
}

/** Groups taken from the queue for one entry. They stay queued until `proposed` is called. */
export interface Taken {
  readonly groups: readonly Group[];
  readonly commands: number;
  readonly reads: readonly LoggedRead[];
}

export class Proposals {
  #waiting: Waiting[] = [];
  #waitingCommands = 0;
  readonly #inFlight: InFlight[] = [];
  #inFlightCommands = 0;
  /** By session, the last sequence admitted in this term. */
  readonly #admitted = new Map<SessionId, number>();
  /** The first of those that wait, while the engine resolves it. */
  #resolving: CommandGroup | undefined;

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#inFlight.length === 0;
  }

  /** A group of a session. `sessions` must hold everything committed before this term. */
  offer(group: CommandGroup, sessions: Sessions): Offer {
    const applied = sessions.lastSequence(group.session);
    if (applied === undefined) return { kind: 'unknown-session' };
    if (group.sequence <= applied) return { kind: 'duplicate' };
    const last = Math.max(applied, this.#admitted.get(group.session) ?? 0);
    if (group.sequence <= last) return { kind: 'in-flight' };
    if (group.sequence > last + 1) return { kind: 'gap' };
    this.#admitted.set(group.session, group.sequence);
    this.#push({ group, read: undefined }, group.count);
    return { kind: 'admitted' };
  }

  /** A group that needs no admission: the opening of a session. */
  add(group: Group): void {
    this.#push({ group, read: undefined }, 1);
  }

  addRead(read: LoggedRead): void {
    this.#push({ group: read.group, read }, read.group.count);
  }

  /** The group that has to be resolved now: its turn has come, and everything before it is applied. Each is given out once. */
  toResolve(): CommandGroup | undefined {
    const first = this.#waiting[0]?.group;
    if (first === undefined || !isBarrier(first) || this.#inFlight.length > 0) return undefined;
    if (this.#resolving === first) return undefined;
    this.#resolving = first;
    return first;
  }

  /**
   * What is to be logged in place of the group's command; undefined where it has to be resolved again. False where that does
   * not count any more: the term has ended, or the engine was unwell meanwhile.
   */
  resolved(group: CommandGroup, logged: EngineCommand | undefined): boolean {
    if (this.#resolving !== group) return false;
    this.#resolving = undefined;
    if (logged === undefined) return false;
    assert(this.#waiting[0]?.group === group, 'what is resolved stays first');
    const body = encodeCommands([logged]);
    this.#waiting[0] = { group: { ...group, isAlone: false, body }, read: undefined };
    return true;
  }

  /** The engine is unwell: what it was resolving has to be resolved again. */
  interrupt(): void {
    this.#resolving = undefined;
  }

  /** The next entry's groups, or undefined where it should wait. */
  take(): Taken | undefined {
    if (this.#waiting.length === 0 || this.#inFlight.length >= entriesInFlightMax) return undefined;
    const all = this.#waitingCommands + this.#inFlightCommands;
    if (this.#inFlight.length > 0 && this.#waitingCommands < waitingShareMin * all) {
      return undefined;
    }
    const groups: Group[] = [];
    const reads: LoggedRead[] = [];
    let bytes = 0;
    let commands = 0;
    for (const { group, read } of this.#waiting) {
      if (isBarrier(group)) break;
      bytes += groupBytes(group);
      if (groups.length > 0 && bytes > batchBytesMax) break;
      groups.push(group);
      commands += weight(group);
      if (read !== undefined) reads.push(read);
    }
    return groups.length === 0 ? undefined : { groups, commands, reads };
  }

  /** The groups of `taken` were proposed as the entry at `index`. */
  proposed(taken: Taken, index: number): void {
    const last = this.#inFlight.at(-1);
    assert(
      last === undefined || last.index < index,
      'entries are proposed in the order of their index',
    );
    this.#waiting = this.#waiting.slice(taken.groups.length);
    this.#waitingCommands -= taken.commands;
    this.#inFlight.push({ index, commands: taken.commands, reads: taken.reads });
    this.#inFlightCommands += taken.commands;
  }

  /** The entry at `index` is applied; its logged reads get the replies of the groups without a session, in order, or undefined. */
  applied(index: number, readReplies: readonly (readonly string[] | undefined)[]): void {
    const first = this.#inFlight[0];
    if (first === undefined || first.index !== index) return;
    this.#inFlight.shift();
    this.#inFlightCommands -= first.commands;
    assert(first.reads.length === readReplies.length, 'each logged read has its replies');
    first.reads.forEach((read, place) => read.done(readReplies[place]));
  }

  /** The term ended: nothing that waits or is in flight is answered from here. */
  abandon(): void {
    const reads = [
      ...this.#inFlight.flatMap((entry) => entry.reads),
      ...this.#waiting.flatMap(({ read }) => (read === undefined ? [] : [read])),
    ];
    this.#waiting = [];
    this.#waitingCommands = 0;
    this.#inFlight.length = 0;
    this.#inFlightCommands = 0;
    this.#admitted.clear();
    this.#resolving = undefined;
    for (const read of reads) read.done(undefined);
  }

  #push(waiting: Waiting, commands: number): void {
    this.#waiting.push(waiting);
    this.#waitingCommands += commands;
  }
}

function isBarrier(group: Group): group is CommandGroup {
  return group.kind === 'commands' && group.isAlone;
}

function weight(group: Group): number {
  return group.kind === 'open' ? 1 : group.count;
}
