/**
 * What makes a node's groups of commands exactly once: replicated state, changed only by applied entries.
 *
 * A node opens a session a shard, through the log, and numbers its groups from 1. A group is applied if its number is
 * the session's next, and never otherwise; the replies of groups that the origin has not acknowledged are kept, so that
 * a group sent again gets the reply it missed. A node has one session a shard: opening another ends the
 * former, which also fences whatever of it is still on its way. Sessions end by the time of entries,
 * long after their node gave up, so that all replicas end them at the same entry.
 *
 * Bounds: one session a node; of each, replies of at most the origin's window of unanswered groups, and of at most
 * `repliesBytesMax`: what is beyond is forgotten, oldest first, and a group sent again for it is in doubt.
 */

import { assert } from '../base/assert.ts';
import { noSession, sessionId, type NodeId, type SessionId } from '../base/ids.ts';
import type { Reply } from '../engine/engine.ts';
import type { CommandGroup, OpenGroup } from './batch.ts';

/** Far beyond the moment an origin replaces an idle session (`cluster/origin`). */
export const sessionIdleMs: number = 10 * 60_000;
const sweepEveryMs = 60_000;

/** Recorded replies of a session, each with `replyOverheadBytes`. Where nobody writes any more they stay for good. */
const repliesBytesMax = 8 << 20;
const replyOverheadBytes = 16;

interface Session {
  readonly id: SessionId;
  readonly asked: OpenGroup;
  /** Invariant: acknowledged <= lastSequence; replies hold only sequences in (acknowledged, lastSequence]. */
  lastSequence: number;
  acknowledged: number;
  lastUsedMs: number;
  /** Found idle at a sweep; the next one ends it, unless it is used in between. */
  isIdle: boolean;
  readonly replies: Map<number, readonly Reply[]>;
  /** Of all `replies`. */
  replyBytes: number;
  /** The last group whose replies were forgotten, or lost, before they were acknowledged. */
  forgotten: number;
}

/** `next`: apply it. `duplicate`: it was applied. `unknown`: its session has ended. */
export type Admission = 'next' | 'duplicate' | 'unknown';

export class Sessions {
  readonly #sessions = new Map<SessionId, Session>();
  #opened = 0;
  #sweptMs = 0;

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Ends the node's other session; but a request older than the one that opened it, held up on its way, opens nothing: its
   * origin has given it up. `noSession` then.
   */
  open(asked: OpenGroup, timeMs: number): SessionId {
    for (const session of this.#sessions.values()) {
      if (session.asked.node !== asked.node) continue;
      if (isSameRequest(session.asked, asked)) return session.id;
      if (isOlderRequest(asked, session.asked)) return noSession;
      this.#sessions.delete(session.id);
    }
    this.#opened += 1;
    const id = sessionId(this.#opened);
    const replies = new Map<number, readonly Reply[]>();
    this.#sessions.set(id, {
      id,
      asked,
      lastSequence: 0,
      acknowledged: 0,
      lastUsedMs: timeMs,
      isIdle: false,
      replies,
      replyBytes: 0,
      forgotten: 0,
    });
    return id;
  }

  /** The node that opened the session; undefined where it has ended. */
  nodeOf(id: SessionId): NodeId | undefined {
    return this.#sessions.get(id)?.asked.node;
  }

  /** The last group that was applied; undefined where the session has ended. */
  lastSequence(id: SessionId): number | undefined {
    return this.#sessions.get(id)?.lastSequence;
  }

  /** Takes a committed group in; for `next` the caller applies it and then records its replies. */
  admit(group: CommandGroup, timeMs: number): Admission {
    const session = this.#sessions.get(group.session);
    if (session === undefined) return 'unknown';
    session.lastUsedMs = timeMs;
    session.isIdle = false;
    if (group.sequence <= session.lastSequence) return 'duplicate';
    assert(group.sequence === session.lastSequence + 1, 'a session enters the log without a gap');
    session.lastSequence = group.sequence;
    for (let sequence = session.acknowledged + 1; sequence <= group.acknowledged; sequence++) {
      forget(session, sequence);
    }
    session.acknowledged = Math.max(session.acknowledged, group.acknowledged);
    assert(
      session.acknowledged < session.lastSequence,
      'a group is not answered before it is sent',
    );
    return 'next';
  }

  record(id: SessionId, sequence: number, replies: readonly Reply[]): void {
    const session = this.#sessions.get(id);
    if (session === undefined || sequence <= session.acknowledged) return;
    session.replies.set(sequence, replies);
    session.replyBytes += bytesOf(replies);
    // In the order in which they were applied; perhaps down to the one just recorded.
    for (const oldest of session.replies.keys()) {
      if (session.replyBytes <= repliesBytesMax) break;
      forget(session, oldest);
      session.forgotten = Math.max(session.forgotten, oldest);
    }
  }

  /** The group was applied, and its replies will not come; nor will those of groups before it that have none. */
  lose(id: SessionId, sequence: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.forgotten = Math.max(session.forgotten, sequence);
  }

  /** Undefined where they were acknowledged, or are not there yet, or the session has ended. */
  recorded(id: SessionId, sequence: number): readonly Reply[] | undefined {
    return this.#sessions.get(id)?.replies.get(sequence);
  }

  /** Whether the group's replies will not be there again: the origin has them, they were too many to be kept, or the engine lost them. */
  isForgotten(id: SessionId, sequence: number): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return true;
    return sequence <= Math.max(session.acknowledged, session.forgotten);
  }

  /**
   * Ends what has been idle too long at an entry's time, but only what the sweep before found so: a single step of time, after
   * all machines were suspended, says nothing about who is alive.
   */
  expire(timeMs: number): void {
    if (timeMs - this.#sweptMs < sweepEveryMs) return;
    this.#sweptMs = timeMs;
    for (const session of this.#sessions.values()) {
      if (timeMs - session.lastUsedMs <= sessionIdleMs) continue;
      if (session.isIdle) this.#sessions.delete(session.id);
      session.isIdle = true;
    }
  }
}

function forget(session: Session, sequence: number): void {
  const replies = session.replies.get(sequence);
  if (replies === undefined) return;
  session.replies.delete(sequence);
  session.replyBytes -= bytesOf(replies);
}

function bytesOf(replies: readonly Reply[]): number {
  let bytes = 0;
  for (const reply of replies) bytes += replyOverheadBytes + reply.length;
  return bytes;
}

/** Only requests of one data directory have an order. */
function isOlderRequest(left: OpenGroup, right: OpenGroup): boolean {
  if (left.member !== right.member) return false;
  return (
    left.incarnation < right.incarnation ||
    (left.incarnation === right.incarnation && left.nonce < right.nonce)
  );
}

function isSameRequest(left: OpenGroup, right: OpenGroup): boolean {
  return (
    left.member === right.member &&
    left.incarnation === right.incarnation &&
    left.nonce === right.nonce
  );
}
