/**
 * Heartbeats: the leader's sign of life, which also carries commit indexes and numbers rounds for reads and leases.
 */

import { index, type NodeId } from '../base/ids.ts';
import type { Message } from './message.ts';
import type { Raft } from './state.ts';

/** Sends a round of heartbeats to everybody else. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = encodeRound(raft.reads.nextRound());
  const { committed } = raft.log;
  for (const progress of raft.tracker.members) {
    if (progress.id === raft.id) continue;
    // A follower may hold entries behind `match` that are not ours, so it is told to commit no further.
    const commit = index(Math.min(progress.match, committed));
    raft.send({ type: 'MsgHeartbeat', to: progress.id, commit, context });
    progress.sentCommit = commit;
  }
}

/** A follower's side. */
export function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit);
  raft.send({ type: 'MsgHeartbeatResp', to: message.from, context: message.context });
}

/** Counts a follower's answer to a round. */
export function acknowledgeRound(raft: Raft, from: NodeId, context: Uint8Array): void {
  const round = decodeRound(context);
  if (round !== undefined) raft.reads.acknowledge(from, round);
}

const roundBytes = 8;

function encodeRound(round: number): Uint8Array {
  const bytes = new Uint8Array(roundBytes);
  new DataView(bytes.buffer).setFloat64(0, round);
  return bytes;
}

/** Undefined where it is not a number this core could have sent. */
function decodeRound(bytes: Uint8Array): number | undefined {
  if (bytes.length !== roundBytes) return undefined;
  const round = new DataView(bytes.buffer, bytes.byteOffset, roundBytes).getFloat64(0);
  return Number.isSafeInteger(round) ? round : undefined;
}
