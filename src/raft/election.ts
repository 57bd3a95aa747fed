/**
 * Becoming a leader: timeouts, pre-votes, votes (Raft paper, section 5.2; dissertation, 9.6 and 4.2.3).
 *
 * A vote is given once a term, only to a log that is at least as up to date as ours, and it leaves only when durable. With
 * pre-vote a candidate first asks whether it could win, which changes nobody's term. With check-quorum, or held votes,
 * whoever has heard from a leader lately does not answer at all, unless the leader itself forced the campaign.
 */

import { assert } from '../base/assert.ts';
import { index, noNode, term, type NodeId, type Term } from '../base/ids.ts';
import { allVoters } from './membership.ts';
import type { Message } from './message.ts';
import type { VoteResult } from './quorum.ts';
import { appendAsLeader, broadcastAppend } from './replication.ts';
import type { Raft } from './state.ts';
import { hex } from './trace.ts';

/** `transfer`: the leader asked for it, so no pre-vote and no lease is in its way. */
export type Campaign = 'pre-election' | 'election' | 'transfer';

/** The context of a vote request whose campaign the leader forced; others carry none. */
const forced = Uint8Array.of(1);

const noData = new Uint8Array(0);

/** Campaigns, if this node may. */
export function maybeCampaign(raft: Raft, campaign: Campaign): void {
  const { id, trace } = raft;
  if (raft.isLeader) {
    trace?.note('debug', `${hex(id)} ignoring MsgHup because already leader`);
    return;
  }
  if (!raft.isPromotable) {
    trace?.note('warn', `${hex(id)} is unpromotable and can not campaign`);
    return;
  }
  if (hasUnappliedConfChange(raft)) {
    trace?.note(
      'warn',
      `${hex(id)} cannot campaign at term ${raft.term} since there are still pending configuration changes to apply`,
    );
    return;
  }
  if (raft.holdElapses > 0 && campaign !== 'transfer') {
    trace?.note(
      'info',
      `${hex(id)} cannot campaign at term ${raft.term} while its vote is held (remaining ticks: ${raft.holdElapses})`,
    );
    return;
  }
  trace?.note('info', `${hex(id)} is starting a new election at term ${raft.term}`);
  startCampaign(raft, campaign);
}

/** Whether a configuration is committed that this node does not act by yet: its votes would be counted wrongly. */
function hasUnappliedConfChange({ log }: Raft): boolean {
  return log.hasConfChange(index(log.applied + 1), index(log.committed + 1));
}

function startCampaign(raft: Raft, campaign: Campaign): void {
  const isPreVote = campaign === 'pre-election';
  if (isPreVote) becomePreCandidate(raft);
  else becomeCandidate(raft);
  const type = isPreVote ? 'MsgPreVote' : 'MsgVote';
  const asked: Term = isPreVote ? term(raft.term + 1) : raft.term;
  const last = raft.log.last;
  for (const to of allVoters(raft.tracker.conf)) {
    if (to === raft.id) {
      raft.send({ type: isPreVote ? 'MsgPreVoteResp' : 'MsgVoteResp', to, term: asked });
      continue;
    }
    raft.trace?.note(
      'info',
      `${hex(raft.id)} [logterm: ${last.term}, index: ${last.index}] sent ${type} request to ${hex(to)} at term ${raft.term}`,
    );
    raft.send({
      type,
      to,
      term: asked,
      index: last.index,
      logTerm: last.term,
      context: campaign === 'transfer' ? forced : noData,
    });
  }
}

function becomeCandidate(raft: Raft): void {
  assert(!raft.isLeader, 'a leader does not campaign');
  raft.reset(term(raft.term + 1));
  raft.vote = raft.id;
  raft.state = 'StateCandidate';
  raft.trace?.note('info', `${hex(raft.id)} became candidate at term ${raft.term}`);
}

/** Nothing durable changes: neither term nor vote. */
function becomePreCandidate(raft: Raft): void {
  assert(!raft.isLeader, 'a leader does not campaign');
  raft.tracker.resetVotes();
  raft.lead = noNode;
  raft.state = 'StatePreCandidate';
  raft.trace?.note('info', `${hex(raft.id)} became pre-candidate at term ${raft.term}`);
}

function becomeLeader(raft: Raft): void {
  assert(raft.state === 'StateCandidate', 'only a candidate becomes leader');
  raft.reset(raft.term);
  raft.lead = raft.id;
  raft.state = 'StateLeader';
  const self = raft.tracker.get(raft.id);
  assert(self !== undefined, 'a leader is a member when it is elected');
  self.becomeReplicate();
  self.recentActive = true;
  // There may be a change of configuration in the tail; waiting for all of it is safe.
  raft.pendingConfIndex = raft.log.lastIndex;
  raft.termStart = index(raft.log.lastIndex + 1);
  const isAppended = appendAsLeader(raft, [{ type: 'normal', data: noData }]);
  assert(isAppended, "a term's first entry is never refused");
  raft.trace?.note('info', `${hex(raft.id)} became leader at term ${raft.term}`);
}

/** A candidate of either kind counts an answer of its own kind. */
export function handleVoteResponse(raft: Raft, message: Message): void {
  const { id, tracker, trace } = raft;
  const isGranted = !message.reject;
  trace?.note(
    'info',
    `${hex(id)} received ${message.type} ${isGranted ? '' : 'rejection '}from ${hex(message.from)} at term ${raft.term}`,
  );
  tracker.recordVote(message.from, isGranted);
  const { granted, rejected, result } = tracker.tally();
  trace?.note(
    'info',
    `${hex(id)} has received ${granted} ${message.type} votes and ${rejected} vote rejections`,
  );
  concludeVote(raft, result);
}

function concludeVote(raft: Raft, result: VoteResult): void {
  switch (result) {
    case 'VoteWon':
      if (raft.state === 'StatePreCandidate') {
        startCampaign(raft, 'election');
      } else {
        becomeLeader(raft);
        broadcastAppend(raft);
      }
      return;
    case 'VoteLost':
      // The answer to a pre-vote may name a term that nobody is in.
      raft.becomeFollower(raft.term, noNode);
      return;
    case 'VotePending':
  }
}

/** How this node stands to a request, for the trace. */
function describeStance(raft: Raft, verb: string, message: Message): string {
  const last = raft.log.last;
  return (
    `${hex(raft.id)} [logterm: ${last.term}, index: ${last.index}, vote: ${hex(raft.vote)}] ${verb} ` +
    `${hex(message.from)} [logterm: ${message.logTerm}, index: ${message.index}] at term ${raft.term}`
  );
}

/**
 * Whether a request for a vote of this or a later term is not to be answered because a leader has been heard lately
 * (dissertation, 4.2.3). Neither term nor vote may change then.
 */
export function isLeaseInTheWay(raft: Raft, message: Message): boolean {
  if (message.context.length === forced.length && message.context[0] === forced[0]) return false;
  const { electionTicks, checkQuorum } = raft.config;
  const isLater = message.term > raft.term;
  const inLease = isLater && checkQuorum && raft.lead !== 0 && raft.electionElapsed < electionTicks;
  if (!inLease && raft.holdElapses === 0) return false;
  const remaining = inLease ? electionTicks - raft.electionElapsed : raft.holdElapses;
  raft.trace?.note(
    'info',
    `${describeStance(raft, `ignored ${message.type} from`, message)}: lease is not expired (remaining ticks: ${remaining})`,
  );
  return true;
}

/** Answers a request for a vote or pre-vote of this term, or a pre-vote of a later one. */
export function handleVoteRequest(raft: Raft, message: Message): void {
  const { from } = message;
  const isPreVote = message.type === 'MsgPreVote';
  const type = isPreVote ? 'MsgPreVoteResp' : 'MsgVoteResp';
  const mayVote =
    raft.vote === from ||
    (raft.vote === 0 && raft.lead === 0) ||
    (isPreVote && message.term > raft.term);
  const isUpToDate = raft.log.isUpToDate({ term: message.logTerm, index: message.index });
  // Learners vote too: they may have been made voters by an entry that they do not hold yet.
  if (!mayVote || !isUpToDate) {
    rejectVote(raft, message);
    return;
  }
  raft.trace?.note('info', describeStance(raft, `cast ${message.type} for`, message));
  // The request's term: for a pre-vote it is not ours, and the candidate counts answers of that term.
  raft.send({ type, to: from, term: message.term });
  if (!isPreVote) {
    raft.electionElapsed = 0;
    raft.vote = from;
  }
}

/** Refuses, in this node's term: a candidate that is behind learns it. */
export function rejectVote(raft: Raft, message: Message): void {
  const type = message.type === 'MsgPreVote' ? 'MsgPreVoteResp' : 'MsgVoteResp';
  raft.trace?.note('info', describeStance(raft, `rejected ${message.type} from`, message));
  raft.send({ type, to: message.from, term: raft.term, reject: true });
}

/** A leader checks that a quorum was heard since the last check. */
export function checkQuorum(raft: Raft): void {
  if (!raft.tracker.isQuorumActive()) {
    raft.trace?.note('warn', `${hex(raft.id)} stepped down to follower since quorum is not active`);
    raft.becomeFollower(raft.term, noNode);
  }
  for (const progress of raft.tracker.members) {
    if (progress.id !== raft.id) progress.recentActive = false;
  }
}

/** A follower is told by its leader to campaign at once. */
export function handleTimeoutNow(raft: Raft, from: NodeId): void {
  raft.trace?.note(
    'info',
    `${hex(raft.id)} [term ${raft.term}] received MsgTimeoutNow from ${hex(from)} and starts an election to get leadership.`,
  );
  maybeCampaign(raft, 'transfer');
}
