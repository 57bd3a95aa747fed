/**
 * Acting by a configuration: entering one that was applied, and replacing log and configuration by a snapshot.
 *
 * A configuration counts from the moment it is applied, at each node for itself; a leader lets only one be on its way
 * at a time, so neighbouring ones always overlap (dissertation, chapter 4).
 */

import { assert } from '../base/assert.ts';
import { noNode } from '../base/ids.ts';
import { changeConf, describeConf, isValidConf, isVoter, type ConfChangeV2 } from './membership.ts';
import type { ConfState, Message, Snapshot } from './message.ts';
import { broadcastAppend, maybeCommit, probeLagging } from './replication.ts';
import type { Raft } from './state.ts';
import { hex } from './trace.ts';
import { abortTransfer } from './transfer.ts';

/** Enters what a committed change makes of the configuration in force; one that a snapshot has overtaken changes nothing. */
export function applyConfChange(raft: Raft, change: ConfChangeV2): ConfState {
  // Nothing is handed out while a snapshot waits, so this is of an entry before it, and its effect is in the snapshot.
  if (raft.log.hasUnstableSnapshot) return raft.tracker.conf;
  const next = changeConf(raft.tracker.conf, change);
  // A refused change in the log means that its leader checked it against another configuration than we have.
  assert(!('refused' in next), 'a committed change fits the configuration in force');
  switchToConf(raft, next);
  return next;
}

function switchToConf(raft: Raft, conf: ConfState): void {
  raft.tracker.switchTo(conf, raft.log.lastIndex);
  raft.trace?.note('info', `${hex(raft.id)} switched to configuration ${describeConf(conf)}`);
  if (!raft.isLeader) return;
  const self = raft.tracker.get(raft.id);
  if (self === undefined || self.isLearner) {
    // Otherwise it leads on, without a vote, until somebody else campaigns (dissertation, 4.2.2).
    if (raft.config.stepDownOnRemoval) raft.becomeFollower(raft.term, noNode);
    return;
  }
  // A smaller quorum may commit more; else new members need not wait for the next proposal.
  if (maybeCommit(raft)) broadcastAppend(raft);
  else probeLagging(raft);
  if (raft.leadTransferee !== 0 && !isVoter(conf, raft.leadTransferee)) abortTransfer(raft);
}

/** A follower receives a snapshot. */
export function handleSnapshot(raft: Raft, message: Message): void {
  const { snapshot, from } = message;
  if (snapshot === undefined) return;
  const isRestored = restore(raft, snapshot);
  const { committed, lastIndex } = raft.log;
  raft.trace?.note(
    'info',
    `${hex(raft.id)} [commit: ${committed}] ${isRestored ? 'restored' : 'ignored'} snapshot [index: ${snapshot.index}, term: ${snapshot.term}]`,
  );
  raft.send({ type: 'MsgAppResp', to: from, index: isRestored ? lastIndex : committed });
}

/** Replaces log and configuration; false where the log already holds what the snapshot does. */
function restore(raft: Raft, snapshot: Snapshot): boolean {
  const { id, log, trace } = raft;
  if (snapshot.index <= log.committed) return false;
  assert(raft.state === 'StateFollower', 'only a follower is sent a snapshot');
  const conf = snapshot.confState;
  if (!isValidConf(conf)) {
    trace?.note('warn', `${hex(id)} ignored snapshot with configuration ${describeConf(conf)}`);
    return false;
  }
  // This node need not be in it: the change that added it may lie behind the snapshot, in entries still to come.
  if (log.matches(snapshot)) {
    trace?.note('info', describeRestore(raft, 'fast-forwarded commit to', snapshot));
    log.commitTo(snapshot.index);
    return false;
  }
  log.restore(snapshot);
  raft.tracker.clear();
  switchToConf(raft, conf);
  trace?.note('info', describeRestore(raft, 'restored', snapshot));
  return true;
}

function describeRestore(raft: Raft, verb: string, snapshot: Snapshot): string {
  const { last, committed } = raft.log;
  return (
    `${hex(raft.id)} [commit: ${committed}, lastindex: ${last.index}, lastterm: ${last.term}] ` +
    `${verb} snapshot [index: ${snapshot.index}, term: ${snapshot.term}]`
  );
}
