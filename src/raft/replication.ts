/**
 * Copying the log: what a leader sends, what a follower does with it, and when an entry is committed.
 *
 * An entry is committed once a quorum holds it durably and it is of the leader's own term; those before it follow
 * (Raft paper, 5.4.2). A leader sends an entry while its own disk is still writing it and counts its own copy through a MsgAppResp
 * to itself, which leaves only when durable. How much is under way to a peer is decided in `progress.ts`.
 */

import { assert } from '../base/assert.ts';
import { index, type Index, type NodeId } from '../base/ids.ts';
import { payloadBytes } from './entries.ts';
import type { Entry, Message } from './message.ts';
import type { Progress } from './progress.ts';
import { confirmReads, releasePostponedReads } from './read-index.ts';
import type { Raft } from './state.ts';
import { hex } from './trace.ts';

/** What becomes an entry: the leader gives it term and index. */
export type Proposal = Pick<Entry, 'type' | 'data'>;

/** Appends to a leader's log; false where too much is uncommitted. Entries without data are never refused. */
export function appendAsLeader(raft: Raft, proposals: readonly Proposal[]): boolean {
  assert(raft.isLeader, 'only a leader makes entries');
  const { term, log, config } = raft;
  let next = log.lastIndex + 1;
  const entries: Entry[] = [];
  for (const { type, data } of proposals) {
    entries.push({ term, index: index(next), type, data });
    next += 1;
  }
  const bytes = payloadBytes(entries);
  const total = raft.uncommittedBytes + bytes;
  if (raft.uncommittedBytes > 0 && bytes > 0 && total > config.maxUncommittedBytes) {
    raft.trace?.note(
      'warn',
      `${hex(raft.id)} appending new entries to log would exceed uncommitted entry size limit; dropping proposal`,
    );
    return false;
  }
  raft.uncommittedBytes = total;
  log.append(entries);
  raft.send({ type: 'MsgAppResp', to: raft.id, index: log.lastIndex });
  return true;
}

/** Sends everybody what they may get, a commit index alone if nothing else. */
export function broadcastAppend(raft: Raft): void {
  for (const progress of raft.tracker.members) {
    if (progress.id !== raft.id) maybeSendAppend(raft, progress, true);
  }
}

/** Sends an append, or the snapshot that must come before it, if flow control allows; says whether it did. */
export function maybeSendAppend(raft: Raft, progress: Progress, evenIfEmpty: boolean): boolean {
  if (progress.isPaused) return false;
  const { log } = raft;
  const previous = index(progress.next - 1);
  const logTerm = log.term(previous);
  if (typeof logTerm !== 'number') return maybeSendSnapshot(raft, progress);
  let entries: readonly Entry[] = [];
  // Into a full window goes an append without entries: if all that filled it was lost, its rejection says so.
  if (progress.state !== 'StateReplicate' || !progress.inflights.isFull) {
    const found = log.entries(progress.next, raft.config.maxMessageBytes);
    if (found === 'compacted') return maybeSendSnapshot(raft, progress);
    entries = found;
  }
  if (entries.length === 0 && !evenIfEmpty) return false;
  const commit = log.committed;
  raft.send({ type: 'MsgApp', to: progress.id, index: previous, logTerm, entries, commit });
  progress.sentEntries(entries.length, payloadBytes(entries));
  progress.sentCommit = commit;
  return true;
}

function maybeSendSnapshot(raft: Raft, progress: Progress): boolean {
  const { id, log, trace } = raft;
  if (!progress.recentActive) {
    trace?.note(
      'debug',
      `ignore sending snapshot to ${hex(progress.id)} since it is not recently active`,
    );
    return false;
  }
  const snapshot = log.snapshot();
  if (snapshot === 'temporarily-unavailable') {
    trace?.note(
      'debug',
      `${hex(id)} failed to send snapshot to ${hex(progress.id)} because snapshot is temporarily unavailable`,
    );
    return false;
  }
  assert(snapshot.index > 0, 'a snapshot is behind a compacted log');
  trace?.note(
    'debug',
    `${hex(id)} [firstindex: ${log.firstIndex}, commit: ${log.committed}] sent snapshot[index: ${snapshot.index}, term: ${snapshot.term}] to ${hex(progress.id)} [${progress.toString()}]`,
  );
  progress.becomeSnapshot(snapshot.index);
  trace?.note(
    'debug',
    `${hex(id)} paused sending replication messages to ${hex(progress.id)} [${progress.toString()}]`,
  );
  raft.send({ type: 'MsgSnap', to: progress.id, snapshot });
  return true;
}

/** Commits what a quorum holds, if it is of this term; true where that is news. */
export function maybeCommit(raft: Raft): boolean {
  const held = raft.tracker.committed();
  if (held <= raft.log.committed || raft.log.termOrZero(held) !== raft.term) return false;
  raft.log.commitTo(held);
  return true;
}

/** A follower is asked to append. */
export function handleAppend(raft: Raft, message: Message): void {
  const { log } = raft;
  const { from } = message;
  if (message.index < log.committed) {
    raft.send({ type: 'MsgAppResp', to: from, index: log.committed });
    return;
  }
  const previous = { term: message.logTerm, index: message.index };
  const last = log.maybeAppend(previous, message.entries);
  if (last !== undefined) {
    log.commitTo(index(Math.min(message.commit, last)));
    raft.send({ type: 'MsgAppResp', to: from, index: last });
    return;
  }
  raft.trace?.note(
    'debug',
    `${hex(raft.id)} [logterm: ${log.termOrZero(message.index)}, index: ${message.index}] rejected MsgApp [logterm: ${message.logTerm}, index: ${message.index}] from ${hex(from)}`,
  );
  // The hint skips our whole tail of terms that the leader's entry there rules out.
  const hint = log.lastNotAfter({
    term: message.logTerm,
    index: index(Math.min(message.index, log.lastIndex)),
  });
  raft.send({
    type: 'MsgAppResp',
    to: from,
    index: message.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  });
}

/** A leader hears how an append went. True where the peer now holds more than was known. */
export function handleAppendResponse(raft: Raft, progress: Progress, message: Message): boolean {
  progress.recentActive = true;
  if (message.reject) {
    handleRejection(raft, progress, message);
    return false;
  }
  if (message.index > raft.log.lastIndex) {
    raft.trace?.note(
      'warn',
      `${hex(raft.id)} ignored MsgAppResp from ${hex(message.from)} for index ${message.index}, which was never sent`,
    );
    return false;
  }
  // Nothing new still tells a probing peer's place.
  const isProbed = progress.match === message.index && progress.state === 'StateProbe';
  if (!progress.maybeUpdate(message.index) && !isProbed) return false;
  resumeReplication(raft, progress, message.index);
  const isSelf = message.from === raft.id;
  if (maybeCommit(raft)) {
    if (raft.hasCommittedInTerm) releasePostponedReads(raft);
    broadcastAppend(raft);
  } else if (!isSelf && progress.wantsCommit(raft.log.committed)) {
    maybeSendAppend(raft, progress, true);
  }
  if (!isSelf) sendWhatFits(raft, progress);
  return true;
}

function sendWhatFits(raft: Raft, progress: Progress): void {
  while (maybeSendAppend(raft, progress, false)) {
    // Each append moves `next` on or fills the window, so this ends.
  }
}

function handleRejection(raft: Raft, progress: Progress, message: Message): void {
  const { log, trace } = raft;
  trace?.note(
    'debug',
    `${hex(raft.id)} received MsgAppResp(rejected, hint: (index ${message.rejectHint}, term ${message.logTerm})) from ${hex(message.from)} for index ${message.index}`,
  );
  // Where our terms are greater than the follower's at the hint, the logs cannot meet: at most one probe a term.
  const hint: Index =
    message.logTerm > 0
      ? log.lastNotAfter({ term: message.logTerm, index: message.rejectHint }).index
      : message.rejectHint;
  if (!progress.maybeDecrease(message.index, hint)) return;
  trace?.note(
    'debug',
    `${hex(raft.id)} decreased progress of ${hex(message.from)} to [${progress.toString()}]`,
  );
  if (progress.state === 'StateReplicate') progress.becomeProbe();
  maybeSendAppend(raft, progress, true);
}

function resumeReplication(raft: Raft, progress: Progress, acknowledged: Index): void {
  switch (progress.state) {
    case 'StateProbe':
      progress.becomeReplicate();
      return;
    case 'StateReplicate':
      progress.inflights.freeTo(acknowledged);
      return;
    case 'StateSnapshot':
      // Whatever snapshot arrived, and whoever sent it: if the log goes on from there, so do we.
      if (progress.match + 1 < raft.log.firstIndex) return;
      raft.trace?.note(
        'debug',
        `${hex(raft.id)} recovered from needing snapshot, resumed sending replication messages to ${hex(progress.id)} [${progress.toString()}]`,
      );
      progress.becomeProbe();
      progress.becomeReplicate();
  }
}

/** A leader hears a peer's answer to a heartbeat. */
export function handleHeartbeatResponse(raft: Raft, progress: Progress, message: Message): void {
  progress.recentActive = true;
  progress.isFlowPaused = false;
  // Also where nothing is missing but the peer's place is not sure: its answer will make it so.
  if (progress.match < raft.log.lastIndex || progress.state === 'StateProbe') {
    maybeSendAppend(raft, progress, true);
  }
  confirmReads(raft, message);
}

/** The transport could not deliver to a peer: what was sent optimistically is probably lost. */
export function handleUnreachable(raft: Raft, progress: Progress): void {
  if (progress.state === 'StateReplicate') progress.becomeProbe();
  raft.trace?.note(
    'debug',
    `${hex(raft.id)} failed to send message to ${hex(progress.id)} because it is unreachable [${progress.toString()}]`,
  );
}

/** The transport delivered a snapshot, or failed to. */
export function handleSnapshotStatus(raft: Raft, progress: Progress, hasFailed: boolean): void {
  if (progress.state !== 'StateSnapshot') return;
  // After a failure the probe starts from what the peer is known to hold.
  if (hasFailed) progress.pendingSnapshot = index(0);
  progress.becomeProbe();
  raft.trace?.note(
    'debug',
    `${hex(raft.id)} snapshot ${hasFailed ? 'failed' : 'succeeded'}, resumed sending replication messages to ${hex(progress.id)} [${progress.toString()}]`,
  );
  // Its answer, or a heartbeat's, says when to go on.
  progress.isFlowPaused = true;
}

/** Appends with entries only, to whoever lags; for peers that a configuration has just added. */
export function probeLagging(raft: Raft): void {
  for (const progress of raft.tracker.members) {
    if (progress.id !== raft.id) maybeSendAppend(raft, progress, false);
  }
}

/** An append for one peer, even an empty one. */
export function sendAppendTo(raft: Raft, to: NodeId): void {
  const progress = raft.tracker.get(to);
  if (progress !== undefined) maybeSendAppend(raft, progress, true);
}
