/**
 * Linearizable reads without the log (dissertation, section 6.4).
 *
 * The leader notes its commit index, makes sure by a round of heartbeats that it still leads, and hands the index
 * back; the reader serves once that is applied. Before an entry of its own term is committed, a leader does not know what
 * was committed before it (section 6.4, step 1), so reads wait for that. Followers pass the request on.
 */

import type { Index } from '../base/ids.ts';
import { acknowledgeRound, broadcastHeartbeat } from './heartbeat.ts';
import type { Message } from './message.ts';
import { hex } from './trace.ts';
import type { Raft, StepResult } from './state.ts';

/** A leader is asked for an index to read at. */
export function handleReadIndex(raft: Raft, request: Message): StepResult {
  if (raft.tracker.isSingleton && raft.tracker.conf.voters[0] === raft.id) {
    // What a single voter has committed nobody else can have added to.
    respond(raft, request, raft.log.committed);
    return 'ok';
  }
  if (raft.reads.isFull) return 'read-dropped';
  if (raft.hasCommittedInTerm) askQuorum(raft, request);
  else raft.reads.postpone(request);
  return 'ok';
}

/** The first entry of this term has been committed: reads that waited for it go on. */
export function releasePostponedReads(raft: Raft): void {
  const postponed = raft.reads.takePostponed();
  for (const request of postponed) askQuorum(raft, request);
}

/** A follower answered a round of heartbeats: reads that a quorum has confirmed are answered. */
export function confirmReads(raft: Raft, answer: Message): void {
  acknowledgeRound(raft, answer.from, answer.context);
  for (const read of raft.reads.takeConfirmed(raft.tracker.conf)) {
    respond(raft, read.request, read.index);
  }
}

/** A follower passes a read on to its leader. */
export function forwardReadIndex(raft: Raft, request: Message): StepResult {
  if (raft.lead === 0) {
    raft.trace?.note(
      'info',
      `${hex(raft.id)} no leader at term ${raft.term}; dropping index reading msg`,
    );
    return 'read-dropped';
  }
  raft.send({
    type: 'MsgReadIndex',
    to: raft.lead,
    from: originOf(raft, request),
    context: request.context,
  });
  return 'ok';
}

function askQuorum(raft: Raft, request: Message): void {
  if (raft.config.readOnly === 'lease-based') {
    respond(raft, request, raft.log.committed);
    return;
  }
  raft.reads.add(request, raft.log.committed);
  broadcastHeartbeat(raft);
}

function respond(raft: Raft, request: Message, index: Index): void {
  const origin = originOf(raft, request);
  const { context } = request;
  if (origin === raft.id) raft.readStates.push({ index, context });
  else raft.send({ type: 'MsgReadIndexResp', to: origin, index, context });
}

/** A request without a sender is this node's own. */
const originOf = (raft: Raft, request: Message): Message['from'] =>
  request.from === 0 ? raft.id : request.from;
