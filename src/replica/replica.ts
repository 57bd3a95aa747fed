/**
 * One member of one shard (or of the meta group): its Raft core and its engine. What a leader adds is in `leadership`.
 *
 * Synchronous and without IO: messages, ticks and commands come in by calls, `takeReady` hands out what has to be stored,
 * sent and applied, and the ready loop brings back what became of it. Everything that promises something to
 * others leaves through the loop, after it is durable.
 */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import {
  index,
  noNode,
  type GroupId,
  type NodeId,
  type SessionId,
  type Term,
} from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { Engine, EngineCommand, ReadReply, Reply } from '../engine/engine.ts';
import type { ConfChangeV2 } from '../raft/membership.ts';
import { message, type ConfState, type Entry, type Message } from '../raft/message.ts';
import { RawNode } from '../raft/raw-node.ts';
import type { Storage } from '../raft/ready.ts';
import { committedChange } from './applier.ts';
import { ApplyQueue } from './apply-queue.ts';
import type { CommandGroup, OpenGroup } from './batch.ts';
import type { WallClocks } from './cluster-time.ts';
import { Leadership, type LeadershipEvents } from './leadership.ts';
import { contextOf, roundOf, type ReadBatch } from './reads.ts';
import { Rest } from './rest.ts';
import { raftLimits, type ReplicaSettings } from './settings.ts';

export interface ReplicaEvents extends LeadershipEvents {
  /** There is something for the ready loop to do. */
  onWork(replica: Replica): void;
  /** More has been applied. */
  onApplied(group: GroupId): void;
  /** The node must stop. */
  onFailed(error: unknown): void;
}

export interface ReplicaOptions {
  readonly group: GroupId;
  readonly node: NodeId;
  readonly storage: Storage;
  /** This process created the group: nobody was answered in it before. */
  readonly isNewGroup: boolean;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly walls: WallClocks;
  readonly settings: ReplicaSettings;
  readonly events: ReplicaEvents;
}

interface PeerEngine {
  readonly isWell: boolean;
  /** Of our monotonic clock. */
  readonly heardMs: number;
}

/** One member more or less that votes, or learns. `learn` is also how a voter loses its vote. */
export interface MemberStep {
  readonly kind: 'learn' | 'promote' | 'remove';
  readonly nodeId: NodeId;
}

const changeTypes = { learn: 'add-learner', promote: 'add-node', remove: 'remove-node' } as const;
/** What may be on its way to a member that keeps up, under load. */
const caughtUpEntries = 128;
const noContext = new Uint8Array(0);

export class Replica {
  readonly group: GroupId;
  readonly engine: Engine;
  readonly #options: ReplicaOptions;
  readonly #raft: RawNode;
  readonly #rest: Rest;
  /** Where the log ended when a change of members was offered last. */
  #offeredChange: { readonly term: number; readonly index: number } = { term: 0, index: 0 };
  readonly #applies: ApplyQueue;
  readonly #leadership: Leadership;
  /** Leaders learned of, each time another than the last. */
  leaderChanges = 0;
  #lastLeader: NodeId = noNode;
  #term: Term;
  #leader: NodeId = noNode;
  #isLeader = false;
  /** While this node leads: what its peers said last of their engines. */
  readonly #engines = new Map<NodeId, PeerEngine>();
  /** Local reads that the engine has not answered: each tells its reader that it will not. */
  readonly #localReads = new Set<() => void>();

  constructor(options: ReplicaOptions) {
    const { group, node, storage, engine, clock, settings, walls, events } = options;
    this.#options = options;
    this.group = group;
    this.engine = engine;
    this.#raft = new RawNode({
      id: node,
      name: `group ${group}`,
      storage,
      isNewGroup: options.isNewGroup,
      random: options.random,
      electionTicks: settings.electionTicks,
      heartbeatTicks: 1,
      applied: index(0),
      ...raftLimits,
    });
    this.#rest = new Rest(settings);
    this.#term = this.#raft.term;
    this.#applies = new ApplyQueue({
      group,
      engine,
      storage,
      onApplied: (applied) => {
        this.#leadership.applied(applied);
        events.onApplied(group);
      },
      onWell: () => this.#leadership.engineIsWell(),
      onUnwell: () => {
        this.#leadership.engineIsUnwell();
        for (const fail of this.#localReads) fail();
      },
      onFailed: (error) => events.onFailed(error),
      later: () => this.#work(),
    });
    this.#leadership = new Leadership({
      group,
      node,
      engine,
      clock,
      walls,
      settings,
      events,
      sessions: () => this.#applies.sessions,
      members: () => this.members,
      appliedIndex: () => this.#applies.appliedIndex,
      givenIndex: () => this.#applies.givenIndex,
      isEngineWell: () => this.#applies.isWell,
      propose: (data) => (this.#raft.propose(data) === 'ok' ? this.#raft.lastIndex : undefined),
      askIndex: (round) => this.#askIndex(round),
      later: () => this.#work(),
    });
  }

  /** Opens the engine. Called once, before anything else. */
  open(): void {
    this.#applies.open();
  }

  get term(): Term {
    return this.#term;
  }

  /** 0 where none is known. */
  get leader(): NodeId {
    return this.#leader;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  get isServing(): boolean {
    return this.#leadership.isServing;
  }

  /** Entries proposed here as leader. */
  get proposals(): number {
    return this.#leadership.entries;
  }

  get commitIndex(): number {
    return this.#raft.commit;
  }

  get appliedIndex(): number {
    return this.#applies.appliedIndex;
  }

  /** Whether the engine can be read and applied to, and has everything that this replica has ever applied. */
  get isEngineWell(): boolean {
    return this.#applies.isWell;
  }

  /** Why the engine is not well, for people; undefined where it is. */
  get engineProblem(): string | undefined {
    return this.#applies.problem;
  }

  get members(): ConfState {
    return this.#raft.confState();
  }

  get role(): 'leader' | 'follower' | 'candidate' | 'learner' {
    if (this.#isLeader) return 'leader';
    if (this.members.learners.includes(this.#options.node)) return 'learner';
    return this.#raft.state === 'StateFollower' ? 'follower' : 'candidate';
  }

  /** One heartbeat interval has passed, the node's `ticks`th. */
  tick(ticks: number): void {
    this.#raft.tick(this.#rest.isAt(ticks, this.#raft.lastIndex));
    if (this.#isLeader) {
      this.#leadership.tick();
      this.#giveAway();
    }
    this.#workIfAny();
  }

  /** A message of a peer, or a response of the storage work that is done. */
  step(received: Message): void {
    this.#raft.step(received);
    this.#workIfAny();
  }

  /** A voter answered, in `answerTerm`, the heartbeat that was sent at `sentMs` of our monotonic clock. */
  heartbeatAnswered(
    from: NodeId,
    answerTerm: Term,
    answer: { readonly sentMs: number; readonly promiseMs: number; readonly isWell: boolean },
  ): void {
    if (!this.#isLeader || answerTerm !== this.#term) return;
    this.#leadership.heartbeatAnswered(from, answer);
    this.#engines.set(from, {
      isWell: answer.isWell,
      heardMs: this.#options.clock.monotonicMs(),
    });
    this.#giveAway();
  }

  /** The peer's connection broke: messages to it may be lost. */
  peerUnreachable(peer: NodeId): void {
    if (this.#isLeader) this.#raft.reportUnreachable(peer);
  }

  /** Stands for election at once. */
  campaign(): void {
    this.#raft.campaign();
    this.#work();
  }

  /** Offers leadership to another voter; nothing where this node does not lead. */
  transferTo(node: NodeId): void {
    // Asked in the turn in which it steps down, the core would pass this on to its leader, as if the successor had asked.
    if (!this.#raft.isLeader) return;
    this.#raft.transferLeader(node);
    this.#work();
  }

  /**
   * The voter that has the most of the log, other than this node and those whose engines are known to be unwell; undefined where there
   * is none.
   */
  bestSuccessor(isReachable: (node: NodeId) => boolean): NodeId | undefined {
    const able = this.#raft
      .peers()
      .filter(
        ({ id, isLearner }) =>
          id !== this.#options.node &&
          !isLearner &&
          this.#engines.get(id)?.isWell !== false &&
          isReachable(id),
      );
    return able.toSorted((left, right) => right.match - left.match)[0]?.id;
  }

  /**
   * Offers a change of members to the log; it counts from when it is applied, and until then another is `refused`, as is what
   * does not fit. `dropped`: this node does not serve as leader. As with any proposal, `ok` does not say that it stays.
   */
  proposeConfChange(change: ConfChangeV2): 'ok' | 'dropped' | 'refused' {
    if (!this.isServing) return 'dropped';
    const result = this.#raft.proposeConfChange(change);
    this.#work();
    return result;
  }

  /** The same in words that need nothing of the core. More than one step go through a joint configuration, left by itself. */
  changeMembers(steps: readonly MemberStep[]): void {
    // What the core refuses leaves an empty entry behind, so nothing is offered while a change may be on its way.
    const { term: inTerm, index: at } = this.#offeredChange;
    if (inTerm === this.#term && this.appliedIndex < at) return;
    const changes = steps.map(({ kind, nodeId }) => ({ type: changeTypes[kind], nodeId }));
    this.proposeConfChange({ kind: 'v2', transition: 'auto', changes, context: noContext });
    this.#offeredChange = { term: this.#term, index: this.#raft.lastIndex };
  }

  /** As leader: whether a member has answered within the last election timeout, and lacks no more than what is on its way. */
  progressOf(node: NodeId): { readonly isActive: boolean; readonly isCaughtUp: boolean } {
    const peer = this.#raft.peers().find(({ id }) => id === node);
    const isActive = node === this.#options.node || peer?.recentActive === true;
    const isNear = peer !== undefined && peer.match + caughtUpEntries >= this.#raft.commit;
    const isCaughtUp = peer?.state === 'StateReplicate' && isNear;
    return { isActive, isCaughtUp: isActive && isCaughtUp };
  }

  /**
   * Takes a group of commands to the log. `forTerm` is the term it is meant for: false where this node does not lead it.
   * Answers come through `onGroupAnswer`.
   */
  offer(from: NodeId, forTerm: Term, group: CommandGroup): boolean {
    if (!this.#isLeader || forTerm !== this.#term) return false;
    this.#leadership.offer(from, group);
    this.#work();
    return true;
  }

  /** The replies to a group that this replica has applied, as long as their origin may ask for them. */
  recorded(session: SessionId, sequence: number): readonly Reply[] | undefined {
    return this.#applies.sessions.recorded(session, sequence);
  }

  /** False where this node does not lead. The answer comes through `onSessionOpened`. */
  openSession(asked: OpenGroup): boolean {
    if (!this.#isLeader) return false;
    this.#leadership.openSession(asked);
    this.#work();
    return true;
  }

  /** The batch may be answered, or refused where another node has to be asked, before this returns. */
  read(batch: ReadBatch): void {
    if (!this.#isLeader) {
      batch.refuse();
      return;
    }
    this.#leadership.read(batch);
    this.#work();
  }

  /**
   * Reads what this replica has applied, at the time of its last entry: perhaps behind the leader. Nothing in the replies is newer than
   * the entry at `index`. There are none where the engine is not well, or ceases to be.
   */
  readApplied(
    commands: readonly EngineCommand[],
    done: (replies: readonly ReadReply[] | undefined, index: number) => void,
  ): void {
    const fail = (): void => {
      this.#localReads.delete(fail);
      done(undefined, 0);
    };
    if (!this.isEngineWell) {
      fail();
      return;
    }
    this.#localReads.add(fail);
    this.engine.read({ commands, timeMs: this.#applies.timeMs }, (replies) => {
      if (this.#localReads.delete(fail)) done(replies, this.#applies.givenIndex);
    });
  }

  /** Logs commands without a session: only such as may be applied any number of times. */
  logUnsessioned(
    commands: CommandGroup,
    done: (replies: readonly Reply[] | undefined) => void,
  ): void {
    assert(commands.session === 0, 'commands without a session');
    this.#leadership.logRead({ group: commands, done });
  }

  /** Gives the engine what it lacks where it has become well. Called at the beginning of a turn. */
  catchUp(): void {
    this.#applies.turn();
  }

  /** Puts what waits into the log, as one entry where it fits. Called once a turn, before `takeReady`. */
  propose(): void {
    this.#leadership.turn();
  }

  /** The messages that have become ready: to be stored, applied, or sent. Empty where there is nothing. */
  takeReady(): readonly Message[] {
    if (!this.#raft.hasReady()) return [];
    const ready = this.#raft.ready();
    this.#noteLeadership();
    for (const { index: readIndex, context } of ready.readStates) {
      this.#leadership.readConfirmed(roundOf(context), readIndex);
    }
    // Reads that waited for a round to end may start the next.
    if (ready.readStates.length > 0) this.#work();
    for (const { type } of ready.messages) if (type === 'MsgTimeoutNow') this.#leadership.offered();
    return ready.messages;
  }

  get hasReady(): boolean {
    return this.#raft.hasReady();
  }

  /** Applies committed, durable entries; `done` once the engine has applied the last of them. */
  apply(entries: readonly Entry[], done: () => void): void {
    for (const entry of entries) {
      if (entry.type === 'normal') continue;
      const members = this.#raft.applyConfChange(committedChange(entry, this.group));
      this.#leadership.membersChanged(members);
    }
    this.#applies.add(entries, done);
  }

  /** This replica will do nothing more: whoever waits is told to ask elsewhere. */
  close(): void {
    this.#leadership.end();
  }

  /**
   * The core passes a follower's question on to its leader, which is of no use: where this node has just stepped down, its
   * reads are asked again elsewhere at the end of this very turn.
   */
  #askIndex(round: number): void {
    if (this.#raft.isLeader) this.#raft.readIndex(contextOf(round));
  }

  #work(): void {
    this.#options.events.onWork(this);
  }

  /** A turn costs an idle node more than what woke it: heartbeats' answers and most ticks leave nothing to do. */
  #workIfAny(): void {
    if (this.#raft.hasReady() || !this.#leadership.isIdle) this.#work();
  }

  /**
   * A leader whose engine is not well serves nobody: leadership goes to the best voter whose engine is. Where there is none it stays
   * here. The core gives an attempt up after an election timeout, and then the next is made.
   */
  #giveAway(): void {
    if (this.isEngineWell || this.#raft.leadTransferee !== noNode) return;
    const { clock, settings } = this.#options;
    const sinceMs = clock.monotonicMs() - settings.electionTimeoutMs;
    const successor = this.bestSuccessor((node) => {
      const engine = this.#engines.get(node);
      return engine?.isWell === true && engine.heardMs >= sinceMs;
    });
    if (successor !== undefined) this.transferTo(successor);
  }

  #noteLeadership(): void {
    const { term: nowTerm, lead, isLeader } = this.#raft;
    if (nowTerm === this.#term && lead === this.#leader && isLeader === this.#isLeader) return;
    if (this.#isLeader && (!isLeader || nowTerm !== this.#term)) this.#leadership.end();
    const isElected = isLeader && (!this.#isLeader || nowTerm !== this.#term);
    this.#term = nowTerm;
    this.#leader = lead;
    if (lead !== noNode && lead !== this.#lastLeader) {
      this.#lastLeader = lead;
      this.leaderChanges += 1;
    }
    this.#isLeader = isLeader;
    if (isElected) this.#beginTerm();
    this.#options.events.onLeadership(this.group);
  }

  /** Heartbeats go out at once: their answers start the lease and tell the voters' clocks. */
  #beginTerm(): void {
    const { node } = this.#options;
    this.#engines.clear();
    this.#leadership.begin(this.#term);
    this.#raft.step(message({ type: 'MsgBeat', to: node, from: node }));
  }
}
