/**
 * The state of one replica in one group, and how messages leave it.
 *
 * All of the core's mutable state is reachable from here; the other files of this folder are functions over it. It must
 * never be seen outside the folder: `RawNode` is the door. Messages leave through `send`, which knows which of them
 * promise something: MsgAppResp, MsgVoteResp and MsgPreVoteResp wait until everything unstable at that moment is durable
 * (dissertation, section 3.8), all others may go at once. A leader's own acknowledgements and a candidate's own
 * vote take the same road, addressed to itself, and so count only once durable.
 */

import { assert } from '../base/assert.ts';
import { index, noNode, type Index, type NodeId, type Term } from '../base/ids.ts';
import { randomInteger, type Random } from '../base/random.ts';
import { checkConfig, type RaftConfig } from './config.ts';
import { RaftLog } from './entries.ts';
import { allVoters, describeConf, isValidConf } from './membership.ts';
import { messageFrom, type Message, type MessageType } from './message.ts';
import { ReadQueue } from './read-queue.ts';
import type { ReadState, StateType } from './ready.ts';
import { Tracker } from './tracker.ts';
import { hex, type Trace } from './trace.ts';

/** What came of a message or proposal; everything but `ok` means that nothing happened. */
export type StepResult =
  | 'ok'
  /** No leader, not forwarded, being transferred, or too much is uncommitted. */
  | 'proposal-dropped'
  /** A ReadIndex without a leader to ask, or too many wait. */
  | 'read-dropped'
  /** An answer of a node that is not in the configuration. */
  | 'peer-not-found'
  /** A type that only this node may give itself came from elsewhere. */
  | 'local-message';

/** What `send` fills in: sender, and the term where the type does not ask for another. */
export type Outgoing = Partial<Message> & { readonly type: MessageType; readonly to: NodeId };

export class Raft {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly tracker: Tracker;
  readonly trace: Trace | undefined;
  readonly #random: Random;

  term: Term;
  /** Whom this node voted for in `term`, or 0. */
  vote: NodeId;
  state: StateType = 'StateFollower';
  lead: NodeId = noNode;
  /** Whom a leader is handing over to, or 0. Invariant: proposals are dropped meanwhile. */
  leadTransferee: NodeId = noNode;
  /** As leader: somebody was told to campaign past every lease, so leases are over for this term. */
  hasForcedCampaign = false;
  /** As leader: where the entries of this term begin. */
  termStart: Index = index(0);
  /** As leader: at or behind the last change of configuration in the log. Invariant: no other is proposed before it is applied. */
  pendingConfIndex: Index = index(0);
  /** As leader: an estimate, never too high, of the data in entries that are not applied. */
  uncommittedBytes = 0;
  reads: ReadQueue;
  /** Ticks since the last election timeout, or since the leader was heard. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout = 0;
  /** Ticks for which no unforced vote is granted; only with `holdVotes`. */
  holdElapses = 0;

  /** For `Ready`. Those in `afterAppend` promise something and may be addressed to this node. */
  messages: Message[] = [];
  afterAppend: Message[] = [];
  readStates: ReadState[] = [];

  constructor(config: RaftConfig) {
    checkConfig(config);
    this.id = config.id;
    this.config = config;
    this.trace = config.trace;
    this.#random = config.random;
    this.log = new RaftLog({
      storage: config.storage,
      applyingBytesMax: config.maxCommittedBytesPerReady,
      name: config.name ?? `node ${config.id}`,
      trace: config.trace,
    });
    this.tracker = new Tracker({
      messagesMax: config.maxInflightMessages,
      bytesMax: config.maxInflightBytes,
    });
    this.reads = new ReadQueue(config.id);
    const { hardState, confState } = config.storage.initialState();
    assert(isValidConf(confState), 'a stored configuration is valid');
    this.tracker.switchTo(confState, this.log.lastIndex);
    this.trace?.note(
      'info',
      `${hex(this.id)} switched to configuration ${describeConf(confState)}`,
    );
    this.term = hardState.term;
    this.vote = hardState.vote;
    const applied = config.applied ?? index(0);
    this.log.restoreCommitted({ commit: hardState.commit, applied });
    // Not by the term on disk: a heartbeat is answered, and a lease begun, before the term that it brings is durable.
    if (config.holdVotes === true && config.isNewGroup !== true) {
      this.holdElapses = config.electionTicks;
    }
    this.becomeFollower(this.term, noNode);
    const voters = allVoters(confState).map(hex).join(',');
    const { last, committed } = this.log;
    this.trace?.note(
      'info',
      `newRaft ${hex(this.id)} [peers: [${voters}], term: ${this.term}, commit: ${committed}, applied: ${this.log.applied}, lastindex: ${last.index}, lastterm: ${last.term}]`,
    );
  }

  get isLeader(): boolean {
    return this.state === 'StateLeader';
  }

  /** Whether this node may become a leader: a voter, and not about to be replaced by a snapshot. */
  get isPromotable(): boolean {
    const progress = this.tracker.get(this.id);
    return progress !== undefined && !progress.isLearner && !this.log.hasUnstableSnapshot;
  }

  /** As leader: whether an entry of this term is committed, so that reads have something to stand on (dissertation, 6.4, step 1). */
  get hasCommittedInTerm(): boolean {
    return this.isLeader && this.log.committed >= this.termStart;
  }

  send(said: Outgoing): void {
    const { type } = said;
    if (type === 'MsgAppResp') {
      this.afterAppend.push(messageFrom(this.id, this.term, said));
    } else if (type === 'MsgVoteResp' || type === 'MsgPreVoteResp') {
      assert(said.term !== undefined && said.term > 0, 'a vote names its term');
      this.afterAppend.push(messageFrom(this.id, said.term, said));
    } else {
      assert(said.to !== this.id, 'what promises nothing is not sent to oneself');
      this.messages.push(messageFrom(this.id, this.#termOf(said), said));
    }
  }

  /** Starts over in `term`: nobody's progress, votes or reads of before count. */
  reset(term: Term): void {
    assert(term >= this.term, 'a term never falls');
    if (this.term !== term) {
      this.term = term;
      this.vote = noNode;
    }
    this.lead = noNode;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const ticks = this.config.electionTicks;
    this.electionTimeout = randomInteger(this.#random, ticks, 2 * ticks - 1);
    this.leadTransferee = noNode;
    this.hasForcedCampaign = false;
    this.termStart = index(0);
    this.pendingConfIndex = index(0);
    this.uncommittedBytes = 0;
    this.tracker.resetVotes();
    const last = this.log.lastIndex;
    for (const progress of this.tracker.members) {
      progress.reset(index(last + 1));
      if (progress.id === this.id) progress.match = last;
    }
    this.reads = new ReadQueue(this.id);
  }

  becomeFollower(term: Term, lead: NodeId): void {
    this.reset(term);
    this.lead = lead;
    this.state = 'StateFollower';
    this.trace?.note('info', `${hex(this.id)} became follower at term ${this.term}`);
  }

  /** A leader of this term was heard. */
  heardLeader(lead: NodeId): void {
    this.electionElapsed = 0;
    this.lead = lead;
    if (this.config.holdVotes === true) this.holdElapses = this.config.electionTicks;
  }

  #termOf(said: Outgoing): Term {
    const { type } = said;
    if (type === 'MsgVote' || type === 'MsgPreVote') {
      assert(said.term !== undefined && said.term > 0, 'a campaign names its term');
      return said.term;
    }
    // Proposals and reads on their way to a leader belong to no term.
    return type === 'MsgProp' || type === 'MsgReadIndex' ? (0 as Term) : this.term;
  }
}
