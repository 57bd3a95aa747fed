/**
 * The door to the core: ticks, messages and proposals in, `Ready` out (see `ready.ts` for the contract).
 *
 * Whoever drives it calls in, then takes a `Ready` if there is one; taking it is accepting it. All calls are synchronous,
 * and none may be made from inside another. Throws a `NodeError` `damaged` where the log lacks what this member has
 * acknowledged, else nothing but failed assertions.
 */

import { assert } from '../base/assert.ts';
import type { Index, NodeId, Term } from '../base/ids.ts';
import { encodeConfChange } from './conf-codec.ts';
import type { RaftConfig } from './config.ts';
import { asV2, type ConfChange, type ConfChangeV2 } from './membership.ts';
import {
  message,
  messageFrom,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type MessageType,
  type Snapshot,
} from './message.ts';
import type { Progress, ProgressState } from './progress.ts';
import { campaign, propose, step, tick } from './raft.ts';
import { appendThread, applyThread, type Ready, type SoftState, type StateType } from './ready.ts';
import { applyConfChange } from './reconfigure.ts';
import { Raft, type StepResult } from './state.ts';

/** How a leader sees a member, itself included. */
export interface PeerStatus {
  readonly id: NodeId;
  readonly state: ProgressState;
  /** Its log equals the leader's up to here. */
  readonly match: Index;
  readonly next: Index;
  /** Heard of since the last check of the quorum. */
  readonly recentActive: boolean;
  readonly isLearner: boolean;
  /** Appends with entries under way. */
  readonly inflight: number;
  /** All of it on one line. */
  readonly text: string;
}

/** Only storage, or this node itself, may say these. */
const localTypes: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgHup',
  'MsgBeat',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgCheckQuorum',
  'MsgForgetLeader',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
]);

/** Answers; only those of members count. */
const answerTypes: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgAppResp',
  'MsgVoteResp',
  'MsgPreVoteResp',
  'MsgHeartbeatResp',
  'MsgReadIndexResp',
]);

const isStorage = (id: NodeId): boolean => id === appendThread || id === applyThread;

const none: readonly never[] = [];

export class RawNode {
  readonly #raft: Raft;
  readonly #isAsync: boolean;
  readonly #id: NodeId;
  #softState: SoftState;
  /** What was handed out last. */
  #hardState: HardState;
  /** In synchronous mode: what `advance` steps. */
  #onAdvance: Message[] = [];

  constructor(config: RaftConfig) {
    this.#raft = new Raft(config);
    this.#isAsync = config.asyncStorageWrites;
    this.#id = config.id;
    this.#softState = { lead: this.#raft.lead, state: this.#raft.state };
    this.#hardState = this.#hardStateNow();
  }

  // -- In ------------------------------------------------------------------------------------------

  /** Where heartbeats are due and `isResting`, they wait for the next tick. */
  tick(isResting = false): void {
    tick(this.#raft, isResting);
  }

  /** A message of another node, or an answer of storage that is addressed to this node. */
  step(received: Message): StepResult {
    const { type, from } = received;
    if (from !== this.#id && !isStorage(from)) {
      const isForwarded = type === 'MsgProp' || type === 'MsgReadIndex';
      if (localTypes.has(type) || (received.term === 0 && !isForwarded)) return 'local-message';
    }
    if (answerTypes.has(type) && this.#raft.tracker.get(from) === undefined) {
      return 'peer-not-found';
    }
    return step(this.#raft, received);
  }

  /** Proposes an entry. `ok` says that it is in the leader's log (or on its way there), not that it will stay. */
  propose(data: Uint8Array): 'ok' | 'dropped' {
    const result = propose(this.#raft, [{ type: 'normal', data }], this.#id);
    return result === 'ok' ? 'ok' : 'dropped';
  }

  /** `refused`: it does not fit the configuration in force or one is pending; at the leader only. */
  proposeConfChange(change: ConfChange | ConfChangeV2): 'ok' | 'dropped' | 'refused' {
    const raft = this.#raft;
    const result = propose(raft, [encodeConfChange(change)], this.#id);
    if (result !== 'ok') return 'dropped';
    return raft.isLeader && raft.pendingConfIndex !== raft.log.lastIndex ? 'refused' : 'ok';
  }

  /** To be called for each committed change, when it is applied; returns the configuration it makes. */
  applyConfChange(change: ConfChange | ConfChangeV2): ConfState {
    return applyConfChange(this.#raft, asV2(change));
  }

  /**
   * Asks for an index at which a read is linearizable; it comes as a read state with this context. `dropped`: nobody to
   * ask. A change of leader loses it silently: ask again when the soft state changes.
   */
  readIndex(context: Uint8Array): 'ok' | 'dropped' {
    const request = messageFrom(this.#id, 0 as Term, {
      type: 'MsgReadIndex',
      to: this.#id,
      context,
    });
    return step(this.#raft, request) === 'ok' ? 'ok' : 'dropped';
  }

  /** Hands leadership over, or asks the leader to. */
  transferLeader(to: NodeId): void {
    this.#local('MsgTransferLeader', to);
  }

  /** Starts an election now, pre-vote first where configured. */
  campaign(): void {
    campaign(this.#raft);
  }

  /** As leader: sends a round of heartbeats now. */
  beat(): void {
    this.#local('MsgBeat', this.#id);
  }

  /** Makes a follower forget its leader, so that it votes at once; refused where leases are kept. */
  forgetLeader(): void {
    this.#local('MsgForgetLeader', this.#id);
  }

  /** The transport lost what was sent to a peer, or may have. */
  reportUnreachable(id: NodeId): void {
    this.#local('MsgUnreachable', id);
  }

  /** A snapshot reached a peer, or did not. */
  reportSnapshot(id: NodeId, ok: boolean): void {
    step(this.#raft, message({ type: 'MsgSnapStatus', to: this.#id, from: id, reject: !ok }));
  }

  /** Sets the drawn election timeout until the next draw; for scripted stories. */
  setElectionTimeout(ticks: number): void {
    this.#raft.electionTimeout = ticks;
  }

  // -- Out -----------------------------------------------------------------------------------------

  hasReady(): boolean {
    const raft = this.#raft;
    const { log } = raft;
    return (
      raft.messages.length > 0 ||
      raft.afterAppend.length > 0 ||
      log.hasEntriesToWrite ||
      log.hasEntriesToApply(!this.#isAsync) ||
      raft.readStates.length > 0 ||
      this.#isSoftStateNew() ||
      this.#isHardStateNew() ||
      log.snapshotToWrite !== undefined
    );
  }

  /** Everything that is ready; it is taken for accepted and not handed out again. */
  ready(): Ready {
    const raft = this.#raft;
    const { log } = raft;
    assert(this.#onAdvance.length === 0, 'a Ready is taken after the last one has been advanced');
    const entries = log.entriesToWrite();
    const committedEntries = log.entriesToApply(!this.#isAsync);
    const snapshot = log.snapshotToWrite;
    const hardState = this.#takeHardState();
    const mustSync = this.#mustSync || entries.length > 0;
    const storage = this.#storageMessages({ entries, committedEntries, snapshot, hardState });
    const ready: Ready = {
      softState: this.#takeSoftState(),
      hardState,
      readStates: raft.readStates.length === 0 ? none : raft.readStates,
      entries,
      snapshot,
      committedEntries,
      messages: storage.length === 0 ? raft.messages : [...raft.messages, ...storage],
      mustSync,
    };
    raft.messages = [];
    raft.afterAppend = [];
    if (raft.readStates.length > 0) raft.readStates = [];
    log.acceptWriting();
    log.acceptApplying(committedEntries, !this.#isAsync);
    return ready;
  }

  /** Synchronous mode: the last `Ready` is durable, sent and applied. */
  advance(): void {
    assert(!this.#isAsync, 'with asynchronous writes storage answers by messages');
    const steps = this.#onAdvance;
    this.#onAdvance = [];
    for (const answer of steps) step(this.#raft, answer);
  }

  // -- State ---------------------------------------------------------------------------------------

  get id(): NodeId {
    return this.#id;
  }

  get term(): Term {
    return this.#raft.term;
  }

  get vote(): NodeId {
    return this.#raft.vote;
  }

  /** The leader of this term as far as known, else 0. */
  get lead(): NodeId {
    return this.#raft.lead;
  }

  get state(): StateType {
    return this.#raft.state;
  }

  get isLeader(): boolean {
    return this.#raft.isLeader;
  }

  get commit(): Index {
    return this.#raft.log.committed;
  }

  /** Handed out to be applied up to here. */
  get applying(): Index {
    return this.#raft.log.applying;
  }

  /** Storage has answered that it applied up to here. */
  get applied(): Index {
    return this.#raft.log.applied;
  }

  get firstIndex(): Index {
    return this.#raft.log.firstIndex;
  }

  /** Entries that are not durable yet included. */
  get lastIndex(): Index {
    return this.#raft.log.lastIndex;
  }

  /** As leader: the no-op that opens the term. Nothing may be served before it is applied. Else 0. */
  get termStart(): Index {
    return this.#raft.termStart;
  }

  /** As leader: whom it is handing over to, else 0. Proposals are dropped meanwhile. */
  get leadTransferee(): NodeId {
    return this.#raft.leadTransferee;
  }

  /** As leader: MsgTimeoutNow was sent in this term, so no lease of this term holds any longer. */
  get hasForcedCampaign(): boolean {
    return this.#raft.hasForcedCampaign;
  }

  /** As leader: rounds of heartbeats sent in this term. */
  get heartbeatRound(): number {
    return this.#raft.reads.sentRound;
  }

  /** As leader: the last round that a quorum, itself included, has answered. Since it was sent nobody else led. */
  get confirmedRound(): number {
    return this.#raft.reads.confirmedRound;
  }

  confState(): ConfState {
    return this.#raft.tracker.conf;
  }

  /** A copy of what a leader knows of its members, ascending; of little meaning elsewhere. */
  peers(): readonly PeerStatus[] {
    return this.#raft.tracker.members.map(statusOf);
  }

  /** What a leader knows of one member, without copying all. */
  matchOf(id: NodeId): Index | undefined {
    return this.#raft.tracker.get(id)?.match;
  }

  // -- Making a Ready ------------------------------------------------------------------------------

  #mustSync = false;

  #local(type: MessageType, from: NodeId): void {
    step(this.#raft, message({ type, to: this.#id, from }));
  }

  #hardStateNow(): HardState {
    const { term, vote, log } = this.#raft;
    return { term, vote, commit: log.committed };
  }

  #isSoftStateNew(): boolean {
    return this.#softState.lead !== this.#raft.lead || this.#softState.state !== this.#raft.state;
  }

  #isHardStateNew(): boolean {
    const { term, vote, log } = this.#raft;
    const last = this.#hardState;
    return last.commit !== log.committed || last.term !== term || last.vote !== vote;
  }

  #takeSoftState(): SoftState | undefined {
    if (!this.#isSoftStateNew()) return undefined;
    this.#softState = { lead: this.#raft.lead, state: this.#raft.state };
    return this.#softState;
  }

  /** The hard state if it is new; notes whether it must be durable: term and vote must, commit need not. */
  #takeHardState(): HardState | undefined {
    this.#mustSync = false;
    if (!this.#isHardStateNew()) return undefined;
    const last = this.#hardState;
    this.#hardState = this.#hardStateNow();
    this.#mustSync = last.term !== this.#hardState.term || last.vote !== this.#hardState.vote;
    return this.#hardState;
  }

  /** What storage is asked to do, as messages; or, in synchronous mode, what may be sent behind the writes. */
  #storageMessages(work: Work): readonly Message[] {
    const { afterAppend } = this.#raft;
    const answer = this.#appendAnswer(work);
    if (this.#isAsync) return this.#threadMessages(work, answer);
    if (afterAppend.length === 0 && answer === undefined && work.committedEntries.length === 0) {
      return none;
    }
    for (const sent of afterAppend) if (sent.to === this.#id) this.#onAdvance.push(sent);
    if (answer !== undefined) this.#onAdvance.push(answer);
    if (work.committedEntries.length > 0) {
      this.#onAdvance.push(this.#applyAnswer(work.committedEntries));
    }
    return afterAppend.filter((sent) => sent.to !== this.#id);
  }

  #threadMessages(work: Work, answer: Message | undefined): readonly Message[] {
    const { entries, committedEntries, snapshot, hardState } = work;
    const { afterAppend } = this.#raft;
    const messages: Message[] = [];
    const hasWrite = entries.length > 0 || hardState !== undefined || snapshot !== undefined;
    if (hasWrite || afterAppend.length > 0) {
      if (answer !== undefined) afterAppend.push(answer);
      messages.push(
        messageFrom(this.#id, hardState?.term ?? (0 as Term), {
          type: 'MsgStorageAppend',
          to: appendThread,
          entries,
          snapshot,
          vote: hardState?.vote ?? (0 as NodeId),
          commit: hardState?.commit ?? (0 as Index),
          responses: afterAppend,
        }),
      );
    }
    if (committedEntries.length > 0) {
      messages.push(
        messageFrom(this.#id, 0 as Term, {
          type: 'MsgStorageApply',
          to: applyThread,
          entries: committedEntries,
          responses: [this.#applyAnswer(committedEntries)],
        }),
      );
    }
    return messages;
  }

  /**
   * What tells this node that its log is durable. It names the end of the whole unstable log, not of this write's
   * entries, and this term. An answer of an earlier term is ignored, since what it wrote may have been replaced by a write
   * that is still under way; then this one, which comes behind all of those, makes up for it, even if it writes no entries.
   */
  #appendAnswer(work: Work): Message | undefined {
    const { log, term } = this.#raft;
    if (!log.hasUnstableEntries && work.snapshot === undefined) return undefined;
    const last = log.hasUnstableEntries ? log.last : undefined;
    return messageFrom(appendThread, term, {
      type: 'MsgStorageAppendResp',
      to: this.#id,
      index: last?.index ?? (0 as Index),
      logTerm: last?.term ?? (0 as Term),
      snapshot: work.snapshot,
    });
  }

  #applyAnswer(entries: readonly Entry[]): Message {
    return messageFrom(applyThread, 0 as Term, {
      type: 'MsgStorageApplyResp',
      to: this.#id,
      entries,
    });
  }
}

interface Work {
  readonly entries: readonly Entry[];
  readonly committedEntries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
  readonly hardState: HardState | undefined;
}

const statusOf = (progress: Progress): PeerStatus => ({
  id: progress.id,
  state: progress.state,
  match: progress.match,
  next: progress.next,
  recentActive: progress.recentActive,
  isLearner: progress.isLearner,
  inflight: progress.inflights.count,
  text: progress.toString(),
});
