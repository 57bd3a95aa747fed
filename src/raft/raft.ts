/**
 * The state machine: one tick, or one message, at a time.
 *
 * A message passes three stations: its term (an older one is answered or ignored, a newer one makes this node a follower),
 * then what every role answers alike (votes, storage's answers), then the role's own step. Nothing here waits, and
 * nothing is thrown but failed assertions and what `RaftLog` says of a damaged log.
 */

import { assert } from '../base/assert.ts';
import { noNode } from '../base/ids.ts';
import { decodeConfChange } from './conf-codec.ts';
import {
  checkQuorum,
  handleTimeoutNow,
  handleVoteRequest,
  handleVoteResponse,
  isLeaseInTheWay,
  maybeCampaign,
  rejectVote,
} from './election.ts';
import { entriesBytes, payloadBytes } from './entries.ts';
import { broadcastHeartbeat, handleHeartbeat } from './heartbeat.ts';
import { changeConf, describeChange, describeConf, isJoint } from './membership.ts';
import type { Message, Snapshot } from './message.ts';
import type { Progress } from './progress.ts';
import { forwardReadIndex, handleReadIndex } from './read-index.ts';
import { handleSnapshot } from './reconfigure.ts';
import {
  appendAsLeader,
  broadcastAppend,
  handleAppend,
  handleAppendResponse,
  handleHeartbeatResponse,
  handleSnapshotStatus,
  handleUnreachable,
  type Proposal,
} from './replication.ts';
import type { Raft, StepResult } from './state.ts';
import { hex } from './trace.ts';
import { abortTransfer, continueTransfer, handleTransfer } from './transfer.ts';

/**
 * One tick of the node's ticker.
 *
 * @param isResting - as leader: heartbeats that would be due wait for the next tick
 */
export function tick(raft: Raft, isResting: boolean): void {
  if (raft.holdElapses > 0) raft.holdElapses -= 1;
  raft.electionElapsed += 1;
  if (raft.isLeader) {
    tickLeader(raft, isResting);
  } else if (raft.isPromotable && raft.electionElapsed >= raft.electionTimeout) {
    raft.electionElapsed = 0;
    campaign(raft);
  }
}

function tickLeader(raft: Raft, isResting: boolean): void {
  const { config } = raft;
  raft.heartbeatElapsed += 1;
  if (raft.electionElapsed >= config.electionTicks) {
    raft.electionElapsed = 0;
    if (config.checkQuorum) checkQuorum(raft);
    if (raft.isLeader && raft.leadTransferee !== 0) abortTransfer(raft);
  }
  if (raft.isLeader && raft.heartbeatElapsed >= config.heartbeatTicks && !isResting) {
    raft.heartbeatElapsed = 0;
    broadcastHeartbeat(raft);
  }
}

/** Starts an election of the configured kind. */
export function campaign(raft: Raft): void {
  maybeCampaign(raft, raft.config.preVote ? 'pre-election' : 'election');
}

/** Takes one message, from another node, from storage or from this node itself. */
export function step(raft: Raft, message: Message): StepResult {
  const { term } = message;
  if (term > raft.term) {
    if (isVoteRequest(message) && isLeaseInTheWay(raft, message)) return 'ok';
    followTerm(raft, message);
  } else if (term !== 0 && term < raft.term) {
    answerOldTerm(raft, message);
    return 'ok';
  }
  const { type } = message;
  if (type === 'MsgProp') return propose(raft, message.entries, message.from);
  if (type === 'MsgVote' || type === 'MsgPreVote') {
    if (term > raft.term || !isLeaseInTheWay(raft, message)) handleVoteRequest(raft, message);
  } else if (type === 'MsgStorageAppendResp') {
    if (message.index !== 0) raft.log.stableTo({ term: message.logTerm, index: message.index });
    if (message.snapshot !== undefined) appliedSnapshot(raft, message.snapshot);
  } else if (type === 'MsgStorageApplyResp') {
    applied(raft, message);
  } else if (type === 'MsgHup') {
    campaign(raft);
  } else {
    return stepRole(raft, message);
  }
  return 'ok';
}

const isVoteRequest = (message: Message): boolean =>
  message.type === 'MsgVote' || message.type === 'MsgPreVote';

const isFromLeader = (message: Message): boolean =>
  message.type === 'MsgApp' || message.type === 'MsgHeartbeat' || message.type === 'MsgSnap';

/** A message of a later term: follow it, unless it is only about a pre-vote. */
function followTerm(raft: Raft, message: Message): void {
  // Asking for a pre-vote moves nobody, and a granted one names the term that its candidate may enter.
  if (message.type === 'MsgPreVote') return;
  if (message.type === 'MsgPreVoteResp' && !message.reject) return;
  raft.trace?.note(
    'info',
    `${hex(raft.id)} [term: ${raft.term}] received a ${message.type} message with higher term from ${hex(message.from)} [term: ${message.term}]`,
  );
  raft.becomeFollower(message.term, isFromLeader(message) ? message.from : noNode);
}

/** A message of an earlier term is not acted on, but its sender may need to hear of the later one. */
function answerOldTerm(raft: Raft, message: Message): void {
  const { type, from } = message;
  const { checkQuorum, preVote } = raft.config;
  if ((type === 'MsgHeartbeat' || type === 'MsgApp') && (checkQuorum || preVote)) {
    // A node that raised its term while it was cut off is not listened to when it campaigns; this gets it unstuck.
    raft.send({ type: 'MsgAppResp', to: from });
  } else if (type === 'MsgPreVote') {
    // Without an answer, candidates of unlike terms could wait for each other for ever.
    rejectVote(raft, message);
  } else if (type === 'MsgStorageAppendResp') {
    // The entries may have been replaced since, and what replaces them may still be on its way to the disk.
    if (message.index !== 0) {
      raft.trace?.note(
        'info',
        `${hex(raft.id)} [term: ${raft.term}] ignored entry appends from a ${type} message with lower term [term: ${message.term}]`,
      );
    }
    // A snapshot is committed state, of whatever term.
    if (message.snapshot !== undefined) appliedSnapshot(raft, message.snapshot);
  } else {
    raft.trace?.note(
      'info',
      `${hex(raft.id)} [term: ${raft.term}] ignored a ${type} message with lower term from ${hex(from)} [term: ${message.term}]`,
    );
  }
}

function stepRole(raft: Raft, message: Message): StepResult {
  switch (raft.state) {
    case 'StateLeader':
      return stepLeader(raft, message);
    case 'StateCandidate':
    case 'StatePreCandidate':
      return stepCandidate(raft, message);
    case 'StateFollower':
      return stepFollower(raft, message);
  }
}

function stepLeader(raft: Raft, message: Message): StepResult {
  if (message.type === 'MsgBeat') broadcastHeartbeat(raft);
  if (message.type === 'MsgCheckQuorum') checkQuorum(raft);
  if (message.type === 'MsgReadIndex') return handleReadIndex(raft, message);
  const progress = raft.tracker.get(message.from);
  if (progress !== undefined) stepLeaderAboutPeer(raft, progress, message);
  return 'ok';
}

function stepLeaderAboutPeer(raft: Raft, progress: Progress, message: Message): void {
  if (message.type === 'MsgAppResp') {
    if (handleAppendResponse(raft, progress, message)) continueTransfer(raft, message.from);
  } else if (message.type === 'MsgHeartbeatResp') {
    handleHeartbeatResponse(raft, progress, message);
  } else if (message.type === 'MsgSnapStatus') {
    handleSnapshotStatus(raft, progress, message.reject);
  } else if (message.type === 'MsgUnreachable') {
    handleUnreachable(raft, progress);
  } else if (message.type === 'MsgTransferLeader') {
    handleTransfer(raft, message.from);
  }
}

function stepCandidate(raft: Raft, message: Message): StepResult {
  const { type, from } = message;
  // Late answers to the pre-vote must not count in the election.
  const awaited = raft.state === 'StatePreCandidate' ? 'MsgPreVoteResp' : 'MsgVoteResp';
  if (type === awaited) {
    handleVoteResponse(raft, message);
  } else if (isFromLeader(message)) {
    // Somebody else was elected in this very term (Raft paper, 5.2).
    raft.becomeFollower(message.term, from);
    stepFollower(raft, message);
  } else if (type === 'MsgReadIndex') {
    return forwardReadIndex(raft, message);
  } else if (type === 'MsgTimeoutNow') {
    raft.trace?.note(
      'debug',
      `${hex(raft.id)} [term ${raft.term} state ${raft.state}] ignored MsgTimeoutNow from ${hex(from)}`,
    );
  }
  return 'ok';
}

function stepFollower(raft: Raft, message: Message): StepResult {
  const { type, from } = message;
  if (type === 'MsgApp') {
    raft.heardLeader(from);
    handleAppend(raft, message);
  } else if (type === 'MsgHeartbeat') {
    raft.heardLeader(from);
    handleHeartbeat(raft, message);
  } else if (type === 'MsgSnap') {
    raft.heardLeader(from);
    handleSnapshot(raft, message);
  } else if (type === 'MsgReadIndex') {
    return forwardReadIndex(raft, message);
  } else if (type === 'MsgReadIndexResp') {
    raft.readStates.push({ index: message.index, context: message.context });
  } else if (type === 'MsgTimeoutNow') {
    handleTimeoutNow(raft, from);
  } else if (type === 'MsgTransferLeader') {
    forwardTransfer(raft, message);
  } else if (type === 'MsgForgetLeader') {
    forgetLeader(raft);
  }
  return 'ok';
}

function forwardTransfer(raft: Raft, message: Message): void {
  if (raft.lead !== 0) {
    raft.send({ type: 'MsgTransferLeader', to: raft.lead, from: message.from });
    return;
  }
  raft.trace?.note(
    'info',
    `${hex(raft.id)} no leader at term ${raft.term}; dropping leader transfer msg`,
  );
}

/** Lets a follower take part in an election at once; it breaks leases, so where there are any it is refused. */
function forgetLeader(raft: Raft): void {
  if (raft.config.readOnly === 'lease-based' || raft.config.holdVotes === true) {
    raft.trace?.note('error', 'ignoring MsgForgetLeader due to ReadOnlyLeaseBased');
    return;
  }
  if (raft.lead === 0) return;
  raft.trace?.note(
    'info',
    `${hex(raft.id)} forgetting leader ${hex(raft.lead)} at term ${raft.term}`,
  );
  raft.lead = noNode;
}

/** Appends at a leader, passes on at a follower. `from` is the proposer. */
export function propose(
  raft: Raft,
  proposals: readonly Proposal[],
  from: Message['from'],
): StepResult {
  assert(proposals.length > 0, 'a proposal is not empty');
  if (raft.isLeader) return proposeAsLeader(raft, proposals);
  if (raft.lead === 0) {
    raft.trace?.note('info', `${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`);
    return 'proposal-dropped';
  }
  if (raft.config.disableProposalForwarding === true) {
    raft.trace?.note(
      'info',
      `${hex(raft.id)} not forwarding to leader ${hex(raft.lead)} at term ${raft.term}; dropping proposal`,
    );
    return 'proposal-dropped';
  }
  const entries = proposals.map(({ type, data }) => ({
    type,
    data,
    term: 0 as Message['term'],
    index: 0 as Message['index'],
  }));
  raft.send({ type: 'MsgProp', to: raft.lead, from, entries });
  return 'ok';
}

function proposeAsLeader(raft: Raft, proposals: readonly Proposal[]): StepResult {
  // A leader that was removed leads on, but starts nothing new.
  if (raft.tracker.get(raft.id) === undefined) return 'proposal-dropped';
  if (raft.leadTransferee !== 0) {
    raft.trace?.note(
      'debug',
      `${hex(raft.id)} [term ${raft.term}] transfer leadership to ${hex(raft.leadTransferee)} is in progress; dropping proposal`,
    );
    return 'proposal-dropped';
  }
  const checked = proposals.some(({ type }) => type !== 'normal')
    ? proposals.map((proposal, place) => checkProposal(raft, proposal, place))
    : proposals;
  if (!appendAsLeader(raft, checked)) return 'proposal-dropped';
  broadcastAppend(raft);
  return 'ok';
}

/** A change of configuration that does not fit becomes an entry that says nothing. */
function checkProposal(raft: Raft, proposal: Proposal, place: number): Proposal {
  if (proposal.type === 'normal') return proposal;
  const reason = whyNotChange(raft, proposal);
  if (reason !== undefined && raft.config.disableConfChangeValidation !== true) {
    const change = decodeConfChange(proposal);
    raft.trace?.note(
      'info',
      `${hex(raft.id)} ignoring conf change ${change === undefined ? '' : describeChange(change)} at config ${describeConf(raft.tracker.conf)}: ${reason}`,
    );
    return { type: 'normal', data: new Uint8Array(0) };
  }
  raft.pendingConfIndex = (raft.log.lastIndex + place + 1) as Raft['pendingConfIndex'];
  return proposal;
}

function whyNotChange(raft: Raft, proposal: Proposal): string | undefined {
  const change = decodeConfChange(proposal);
  if (change === undefined) return 'not a conf change';
  const { conf } = raft.tracker;
  if (raft.pendingConfIndex > raft.log.applied) {
    return `possible unapplied conf change at index ${raft.pendingConfIndex} (applied to ${raft.log.applied})`;
  }
  const isLeaving = change.changes.length === 0;
  if (isJoint(conf) && !isLeaving) return 'must transition out of joint config first';
  if (!isJoint(conf) && isLeaving) return 'not in joint state; refusing empty conf change';
  // Nothing is pending, so this is the configuration that the change will meet.
  const next = changeConf(conf, change);
  return 'refused' in next ? next.refused : undefined;
}

/** Storage has applied the entries of a MsgStorageApply. */
function applied(raft: Raft, message: Message): void {
  const last = message.entries.at(-1);
  if (last === undefined) return;
  appliedTo(raft, last.index, entriesBytes(message.entries));
  raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - payloadBytes(message.entries));
}

function appliedSnapshot(raft: Raft, snapshot: Snapshot): void {
  raft.log.stableSnapshotTo(snapshot.index);
  appliedTo(raft, snapshot.index, 0);
}

/** Everything to `index` is applied; the leader then leaves a joint configuration that asks for it. */
function appliedTo(raft: Raft, index: Message['index'], bytes: number): void {
  raft.log.appliedTo(index > raft.log.applied ? index : raft.log.applied, bytes);
  const { conf } = raft.tracker;
  if (!conf.autoLeave || !raft.isLeader || raft.log.applied < raft.pendingConfIndex) return;
  // Without data it is never too big. If a transfer drops it, the next applied entry tries again, here or at the successor.
  const leave: Proposal = { type: 'conf-change-v2', data: new Uint8Array(0) };
  const isProposed = proposeAsLeader(raft, [leave]) === 'ok';
  raft.trace?.note(
    isProposed ? 'info' : 'debug',
    `${isProposed ? 'initiating' : 'not initiating'} automatic transition out of joint configuration ${describeConf(conf)}`,
  );
}
