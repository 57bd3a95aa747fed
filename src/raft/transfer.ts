/**
 * Handing leadership over (dissertation, section 3.10): stop taking proposals, bring the target up to date, tell it to
 * campaign at once. Its campaign is forced past everybody's lease, which is why a leader that sent MsgTimeoutNow must not
 * trust a lease for the rest of its term. Given up after an election timeout.
 */

import type { NodeId } from '../base/ids.ts';
import { sendAppendTo } from './replication.ts';
import type { Raft } from './state.ts';
import { hex } from './trace.ts';

/** A leader is asked to hand over to `to`, a member. */
export function handleTransfer(raft: Raft, to: NodeId): void {
  const { id, term, trace } = raft;
  const progress = raft.tracker.get(to);
  if (progress === undefined || progress.isLearner) {
    trace?.note('debug', `${hex(id)} is learner. Ignored transferring leadership`);
    return;
  }
  if (raft.leadTransferee === to) {
    trace?.note(
      'info',
      `${hex(id)} [term ${term}] transfer leadership to ${hex(to)} is in progress, ignores request to same node ${hex(to)}`,
    );
    return;
  }
  if (raft.leadTransferee !== 0) {
    trace?.note(
      'info',
      `${hex(id)} [term ${term}] abort previous transferring leadership to ${hex(raft.leadTransferee)}`,
    );
    abortTransfer(raft);
  }
  if (to === id) {
    trace?.note('debug', `${hex(id)} is already leader. Ignored transferring leadership to self`);
    return;
  }
  trace?.note('info', `${hex(id)} [term ${term}] starts to transfer leadership to ${hex(to)}`);
  raft.electionElapsed = 0;
  raft.leadTransferee = to;
  if (progress.match === raft.log.lastIndex) {
    sendTimeoutNow(raft, to);
    trace?.note(
      'info',
      `${hex(id)} sends MsgTimeoutNow to ${hex(to)} immediately as ${hex(to)} already has up-to-date log`,
    );
  } else {
    sendAppendTo(raft, to);
  }
}

/** The target of a transfer may have caught up. */
export function continueTransfer(raft: Raft, from: NodeId): void {
  if (from !== raft.leadTransferee) return;
  if (raft.tracker.get(from)?.match !== raft.log.lastIndex) return;
  raft.trace?.note(
    'info',
    `${hex(raft.id)} sent MsgTimeoutNow to ${hex(from)} after received MsgAppResp`,
  );
  sendTimeoutNow(raft, from);
}

function sendTimeoutNow(raft: Raft, to: NodeId): void {
  raft.hasForcedCampaign = true;
  raft.send({ type: 'MsgTimeoutNow', to });
}

export function abortTransfer(raft: Raft): void {
  raft.leadTransferee = 0 as NodeId;
}
