/**
 * What a replica does while it leads: takes groups of commands to the log and answers them, serves reads, and keeps lease and clock.
 *
 * A leader *serves* once an entry of its own term is applied and its clock is settled, and while its engine is well. Else what
 * arrives waits here.
 *
 * Invariant: proposals, reads, lease and what came early belong to one term; when it ends they are abandoned.
 */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { term, type GroupId, type NodeId, type Term } from '../base/ids.ts';
import type { Engine, Reply } from '../engine/engine.ts';
import type { ConfState } from '../raft/message.ts';
import type { AppliedEntry, Outcome } from './applier.ts';
import { decodeCommands, encodeBatch, type CommandGroup, type OpenGroup } from './batch.ts';
import { LeaderClock, type WallClocks } from './cluster-time.ts';
import { EarlyGroups } from './early-groups.ts';
import { Lease } from './lease.ts';
import { Proposals, type LoggedRead, type Taken } from './proposals.ts';
import { Reads, type ReadBatch } from './reads.ts';
import type { Sessions } from './sessions.ts';
import type { ReplicaSettings } from './settings.ts';

/** How a leader treats a group of commands. Without an answer it is on its way, or waits until the leader serves. */
export type GroupAnswer =
  | {
      readonly kind: 'replies';
      readonly replies: readonly Reply[];
      /** Nothing in the replies is newer than the entry at this index. */
      readonly index: number;
    }
  /** It happened, and its replies are gone here: acknowledged long ago, too many to be kept, or lost with a connection of the engine. */
  | { readonly kind: 'forgotten' }
  | { readonly kind: 'gap' }
  | { readonly kind: 'unknown-session' };

export interface LeadershipEvents {
  /** Leader, term or role changed, or the leader begins to serve. */
  onLeadership(group: GroupId): void;
  /** For the origin of a group; only a leader says this. */
  onGroupAnswer(
    group: GroupId,
    to: { readonly node: NodeId; readonly session: number; readonly sequence: number },
    answer: GroupAnswer,
  ): void;
  /** For the life of a node that asked, and no other: an earlier life's session is not its own. */
  onSessionOpened(group: GroupId, asked: OpenGroup, session: number): void;
}

export interface LeadershipOptions {
  readonly group: GroupId;
  readonly node: NodeId;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly walls: WallClocks;
  readonly settings: ReplicaSettings;
  readonly events: LeadershipEvents;
  readonly sessions: () => Sessions;
  readonly members: () => ConfState;
  readonly appliedIndex: () => number;
  readonly isEngineWell: () => boolean;
  /** Of the last entry that may be part of the data. */
  readonly givenIndex: () => number;
  /** The index of the entry; undefined where the core does not take it now (too much uncommitted, leadership on its way elsewhere). */
  readonly propose: (data: Uint8Array) => number | undefined;
  /** Starts a ReadIndex round under this number. */
  readonly askIndex: (round: number) => void;
  /** There is something for the next turn. */
  readonly later: () => void;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #clock: LeaderClock;
  readonly #proposals = new Proposals();
  readonly #reads: Reads;
  readonly #early = new EarlyGroups();
  /** The term that this replica leads. */
  #term: Term | undefined;
  #lease: Lease | undefined;
  #isServing = false;
  #hasClockBegun = false;
  #ticksUnsettled = 0;
  #appliedTerm: Term = term(0);
  /** Entries that the core has taken from here. */
  entries = 0;

  constructor(options: LeadershipOptions) {
    const { engine, clock, walls, settings, appliedIndex, givenIndex, askIndex, later } = options;
    this.#options = options;
    this.#clock = new LeaderClock({ clock, walls });
    this.#reads = new Reads({
      engine,
      clock,
      timeMs: () => this.#clock.nowMs(),
      lease: () => (settings.reads === 'lease' ? this.#lease : undefined),
      appliedIndex,
      givenIndex,
      isServing: () => this.#isServing,
      askIndex,
      log: (read) => this.logRead(read),
      later,
    });
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** Nothing waits for a turn. */
  get isIdle(): boolean {
    return this.#proposals.isIdle && this.#reads.isIdle;
  }

  begin(leads: Term): void {
    const { node, settings, members } = this.#options;
    this.#term = leads;
    this.#lease = new Lease({ self: node, driftMs: settings.clockDriftMs });
    this.#lease.recount(members());
    this.#hasClockBegun = false;
    this.#ticksUnsettled = 0;
  }

  /** Whoever waits is told to ask elsewhere, or sends again by itself. */
  end(): void {
    this.#term = undefined;
    this.#isServing = false;
    this.#lease = undefined;
    this.#early.take();
    this.#proposals.abandon();
    this.#reads.abandon();
  }

  /** One heartbeat interval of the term has passed. */
  tick(): void {
    this.#followClock();
    if (!this.#isServing) return;
    const deadlineMs = this.#options.engine.nextDeadlineMs();
    const isDue = deadlineMs !== undefined && deadlineMs <= this.#clock.nowMs();
    if (isDue && this.#proposals.isIdle) this.#propose({ groups: [], commands: 0, reads: [] });
  }

  /** A voter answered, in this term, a heartbeat. */
  heartbeatAnswered(
    from: NodeId,
    answer: { readonly sentMs: number; readonly promiseMs: number },
  ): void {
    this.#lease?.answered(from, answer, this.#options.members());
  }

  /** The engine is well, and all that was handed out is on its way through it. */
  engineIsWell(): void {
    if (this.#term !== undefined) this.#tryServe();
  }

  /** What the engine was reading will not be answered. */
  engineIsUnwell(): void {
    this.#isServing = false;
    this.#reads.interrupt();
    this.#proposals.interrupt();
  }

  membersChanged(members: ConfState): void {
    this.#lease?.recount(members);
  }

  /** Leadership was offered to another node. */
  offered(): void {
    this.#lease?.revoke();
  }

  offer(from: NodeId, group: CommandGroup): void {
    if (this.#isServing) this.#admit(from, group);
    else this.#early.add(from, group);
  }

  openSession(asked: OpenGroup): void {
    if (this.#isServing) this.#proposals.add(asked);
    else this.#early.add(asked.node, asked);
  }

  read(batch: ReadBatch): void {
    this.#reads.read(batch);
  }

  logRead(read: LoggedRead): void {
    if (!this.#isServing) {
      read.done(undefined);
      return;
    }
    this.#proposals.addRead(read);
    this.#options.later();
  }

  /** A majority confirmed the leader of that round. */
  readConfirmed(round: number, index: number): void {
    this.#reads.confirmed(round, index);
  }

  /** Goes on with reads and puts what waits into the log, as one entry where it fits. Called once a turn. */
  turn(): void {
    if (!this.#isServing) return;
    this.#reads.turn();
    for (;;) {
      this.#resolve();
      const taken = this.#proposals.take();
      if (taken === undefined || !this.#propose(taken)) return;
    }
  }

  /** An entry has been applied, whoever led; while this replica leads, those who wait for it are answered. */
  applied(applied: AppliedEntry): void {
    this.#appliedTerm = term(applied.term);
    this.#clock.entryApplied(applied.timeMs);
    if (this.#term === undefined) return;
    const reads: (readonly Reply[] | undefined)[] = [];
    for (const outcome of applied.outcomes) this.#report(outcome, applied, reads);
    if (applied.term === this.#term) this.#proposals.applied(applied.index, reads);
    this.#reads.serve();
    this.#tryServe();
  }

  /** Has the group resolved whose turn has come; where the engine cannot now, the next tick tries again. */
  #resolve(): void {
    const group = this.#proposals.toResolve();
    if (group === undefined) return;
    const [command] = decodeCommands(group.body, group.count) ?? [];
    assert(command !== undefined && group.count === 1, 'a group that is alone has one command');
    this.#options.engine.resolve(command, this.#clock.nowMs(), (logged) => {
      if (this.#proposals.resolved(group, logged)) this.#options.later();
    });
  }

  #followClock(): void {
    if (!this.#hasClockBegun) return;
    const { members, settings } = this.#options;
    this.#clock.follow(members().voters);
    if (!this.#clock.isSettled) {
      this.#ticksUnsettled += 1;
      if (this.#ticksUnsettled > settings.electionTicks) this.#clock.settle();
    }
    this.#tryServe();
  }

  #tryServe(): void {
    if (this.#isServing || this.#appliedTerm !== this.#term) return;
    if (!this.#options.isEngineWell()) return;
    if (!this.#hasClockBegun) {
      this.#clock.begin();
      this.#hasClockBegun = true;
      this.#clock.follow(this.#options.members().voters);
    }
    if (!this.#clock.isSettled) return;
    this.#isServing = true;
    for (const { from, group } of this.#early.take()) {
      if (group.kind === 'open') this.#proposals.add(group);
      else this.#admit(from, group);
    }
    this.#reads.serve();
    this.#options.events.onLeadership(this.#options.group);
    this.#options.later();
  }

  #admit(from: NodeId, commands: CommandGroup): void {
    const { group, events, sessions, appliedIndex } = this.#options;
    const { session, sequence } = commands;
    const offer = this.#proposals.offer(commands, sessions());
    const to = { node: from, session, sequence };
    switch (offer.kind) {
      case 'admitted':
      case 'in-flight':
        return;
      case 'duplicate': {
        const replies = sessions().recorded(session, sequence);
        // Applied, but the engine has not replied yet: the answer comes by itself.
        if (replies === undefined && !sessions().isForgotten(session, sequence)) return;
        const answer: GroupAnswer =
          replies === undefined
            ? { kind: 'forgotten' }
            : { kind: 'replies', replies, index: appliedIndex() };
        events.onGroupAnswer(group, to, answer);
        return;
      }
      case 'gap':
      case 'unknown-session':
        events.onGroupAnswer(group, to, { kind: offer.kind });
    }
  }

  /** False where the core does not take it now. */
  #propose(taken: Taken): boolean {
    const data = encodeBatch({ timeMs: this.#clock.nowMs(), groups: taken.groups });
    const index = this.#options.propose(data);
    if (index === undefined) return false;
    this.#proposals.proposed(taken, index);
    this.entries += 1;
    return true;
  }

  #report(outcome: Outcome, entry: AppliedEntry, reads: (readonly Reply[] | undefined)[]): void {
    const { group, events } = this.#options;
    switch (outcome.kind) {
      case 'replies': {
        const { replies } = outcome;
        events.onGroupAnswer(group, outcome, { kind: 'replies', replies, index: entry.index });
        return;
      }
      case 'opened':
        events.onSessionOpened(group, outcome.asked, outcome.session);
        return;
      case 'lost':
        // Groups of earlier terms are sent again by their origins, and answered then.
        if (entry.term === this.#term) events.onGroupAnswer(group, outcome, { kind: 'forgotten' });
        return;
      case 'read':
        reads.push(outcome.replies);
    }
  }
}
