/**
 * This node's commands on their way through one shard's log, and their replies on the way back: exactly once.
 *
 * What is submitted in one turn becomes one group, but a command that has to be resolved is a group of its own. A group gets the session's next sequence when it is first sent, and keeps it: after a
 * change of leader or term, or a broken connection, every unanswered group is sent again in order, before
 * newer ones, and the replicated session tells the leader which of them were applied (`replica/sessions`).
 *
 * Time-outs. A group that was never sent fails with `cluster-down`: it did not happen. One that was sent fails with `in-doubt`;
 * its sequence is then sent again *empty*: whichever of the two enters the log first makes a duplicate of the other. So once a
 * later group of this origin has been answered, the one in doubt has happened before it, or never will.
 *
 * A group that took effect, but whose replies the leader has lost (with a connection of its engine), is asked for at all replicas: each has
 * computed the same. If none has answered after `recallMs`, it is in doubt.
 *
 * Bounds: `unansweredGroupsMax` and `unansweredBytesMax` sent at a time; what waits is bounded by the node
 * (`member`), which stops reading from clients.
 */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { sessionId, type NodeId, type Term } from '../base/ids.ts';
import { encodeCommands, type CommandGroup } from '../replica/batch.ts';
import type { GroupAnswer } from '../replica/leadership.ts';
import type { Submission, SubmitFailure } from './cluster.ts';

const unansweredGroupsMax = 128;
const unansweredBytesMax = 32 << 20;
/** A group is closed at this size; a larger command is a group of its own. */
const groupBytesMax = 1 << 20;
/** An answer or a frame may have been dropped: unanswered groups are sent again after this long. */
const resendMs = 1_000;
const reopenMs = 500;
/** How long replicas are asked for replies that the leader has lost; one that lags has applied the group by then. */
const recallMs = 1_000;
/** A session that has been idle this long is replaced before use; replicas end it long after that (`replica/sessions`). */
const sessionRestMs = 5 * 60_000;

export interface Leader {
  readonly node: NodeId;
  readonly term: Term;
}

export interface OriginOptions {
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
  /** Undefined while none is known. */
  readonly leader: () => Leader | undefined;
  /** Takes a group to the leader; answers come back through `answered`. Lost frames are sent again. */
  readonly send: (leader: Leader, group: CommandGroup) => void;
  readonly openSession: (leader: Leader, nonce: number) => void;
  /** Asks all replicas for the replies to a group; what they have comes through `answered`. */
  readonly recall: (session: number, sequence: number) => void;
  /** So many submissions of so many bytes have got a reply or have failed. */
  readonly onSettled: (count: number, bytes: number) => void;
}

interface Unanswered {
  readonly sequence: number;
  /** Emptied when they fail: then the sequence is sent without commands. */
  submissions: readonly Submission[];
  body: Uint8Array;
  isAlone: boolean;
  readonly deadlineMs: number;
  isAnswered: boolean;
  /** It took effect and the leader has lost its replies: other replicas are asked for them until then. */
  recallUntilMs: number | undefined;
  /** How often it was sent, and which of all sends was its last. */
  sends: number;
  lastSend: number;
}

interface Waiting {
  readonly submissions: Submission[];
  /** Its one submission travels alone. */
  readonly isAlone: boolean;
  readonly deadlineMs: number;
  bytes: number;
}

type Session =
  | { readonly kind: 'none' }
  | { readonly kind: 'opening'; readonly nonce: number; askedMs: number }
  | { readonly kind: 'open'; readonly id: number };

const noBody = new Uint8Array(0);
const noSubmissions: readonly Submission[] = [];

export class Origin {
  readonly #options: OriginOptions;
  readonly #waiting: Waiting[] = [];
  /** The last of those that wait, while its turn lasts. */
  #turn: Waiting | undefined;
  /** Invariant: sequences rise by one; the first is `#acknowledged + 1`. */
  readonly #unanswered: Unanswered[] = [];
  #unansweredBytes = 0;
  #acknowledged = 0;
  #session: Session = { kind: 'none' };
  #nonce = 0;
  #sends = 0;
  #lastUsedMs = 0;
  #sentAgainMs = 0;
  #mustSendAgain = false;

  constructor(options: OriginOptions) {
    this.#options = options;
  }

  /** Nothing is under way, and no session is being opened. */
  get isIdle(): boolean {
    const { length: waiting } = this.#waiting;
    return waiting === 0 && this.#unanswered.length === 0 && this.#session.kind !== 'opening';
  }

  /** Takes a submission; it leaves with `flush`, at the end of the turn. */
  submit(submission: Submission): void {
    const { isAlone, bytes } = submission;
    const size = bytes.length;
    let turn = this.#turn;
    const isFull = turn !== undefined && turn.bytes + size > groupBytesMax;
    assert(turn !== undefined || submission.isBehind !== true, 'there is a command before it');
    if (turn === undefined || isAlone || (isFull && submission.isBehind !== true)) {
      const nowMs = this.#options.clock.monotonicMs();
      const deadlineMs = nowMs + this.#options.commandTimeoutMs;
      turn = { submissions: [], isAlone, deadlineMs, bytes: 0 };
      this.#waiting.push(turn);
    }
    turn.submissions.push(submission);
    turn.bytes += size;
    this.#turn = isAlone ? undefined : turn;
  }

  /** Sends what waits, as far as leader, session and window allow. */
  flush(): void {
    this.#turn = undefined;
    if (this.#waiting.length === 0) return;
    const leader = this.#options.leader();
    if (leader === undefined || !this.#ensureSession(leader)) return;
    while (
      // A leader on this node may answer at once that the session has ended.
      this.#session.kind === 'open' &&
      this.#waiting.length > 0 &&
      this.#unanswered.length < unansweredGroupsMax &&
      (this.#unanswered.length === 0 || this.#unansweredBytes < unansweredBytesMax)
    ) {
      this.#sendNext(leader);
    }
  }

  /** Another leader or term, or the leader's connection came back: everything unanswered goes again, in order. */
  sendAgain(): void {
    const leader = this.#options.leader();
    if (leader === undefined) return;
    this.#mustSendAgain = false;
    this.#sentAgainMs = this.#options.clock.monotonicMs();
    if (this.#session.kind === 'opening') this.#options.openSession(leader, this.#session.nonce);
    if (this.#session.kind === 'none') this.#ensureSession(leader);
    const session = this.#session;
    // A leader on this node may answer at once, which changes the list, or ends the session.
    for (const group of this.#unanswered.filter(({ isAnswered }) => !isAnswered)) {
      if (this.#session !== session) break;
      if (!group.isAnswered) this.#send(leader, group);
    }
    this.flush();
  }

  opened(nonce: number, session: number): void {
    if (this.#session.kind !== 'opening' || this.#session.nonce !== nonce) return;
    assert(this.#unanswered.length === 0, 'a session opens with nothing unanswered');
    this.#session = { kind: 'open', id: session };
    this.#acknowledged = 0;
    this.#lastUsedMs = this.#options.clock.monotonicMs();
    this.flush();
  }

  answered(session: number, sequence: number, answer: GroupAnswer): void {
    if (this.#session.kind !== 'open' || this.#session.id !== session) return;
    const group = this.#unanswered[sequence - this.#acknowledged - 1];
    if (group === undefined || group.isAnswered) return;
    switch (answer.kind) {
      case 'replies':
        this.#settle(group, answer.replies, answer.index);
        break;
      case 'forgotten':
        this.#recall(group);
        return;
      case 'gap':
        this.#mustSendAgain = true;
        return;
      case 'unknown-session':
        this.#endSession(group);
        return;
    }
    this.#forget(group);
    // Groups take effect in order and are answered in order: the answer to an earlier one was lost.
    const first = this.#unanswered.find(({ recallUntilMs }) => recallUntilMs === undefined);
    if ((first?.sequence ?? Infinity) < sequence) this.#mustSendAgain = true;
    this.flush();
  }

  /** Time-outs and second tries; called every heartbeat interval. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#expire(nowMs);
    this.#recallAgain(nowMs);
    const leader = this.#options.leader();
    if (leader === undefined) return;
    if (this.#session.kind === 'opening' && nowMs - this.#session.askedMs > reopenMs) {
      this.#session.askedMs = nowMs;
      this.#options.openSession(leader, this.#session.nonce);
    }
    const isOverdue = this.#unanswered.length > 0 && nowMs - this.#lastSentMs() > resendMs;
    if (this.#mustSendAgain || isOverdue) this.sendAgain();
    else this.flush();
  }

  /** The node stops: nothing will be answered any more. */
  close(): void {
    for (const { submissions } of this.#waiting.splice(0)) this.#fail(submissions, 'closing');
    for (const { submissions } of this.#unanswered.splice(0)) this.#fail(submissions, 'in-doubt');
  }

  #lastSentMs(): number {
    return Math.max(this.#sentAgainMs, this.#lastUsedMs);
  }

  #ensureSession(leader: Leader): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#session.kind === 'open') {
      const isRested = nowMs - this.#lastUsedMs > sessionRestMs && this.#unanswered.length === 0;
      if (!isRested) return true;
      this.#session = { kind: 'none' };
    }
    if (this.#session.kind === 'none') {
      this.#nonce += 1;
      this.#session = { kind: 'opening', nonce: this.#nonce, askedMs: nowMs };
      this.#options.openSession(leader, this.#nonce);
    }
    return false;
  }

  /** The first waiting group, joined by those behind it that fit. */
  #sendNext(leader: Leader): void {
    const first = this.#waiting.shift();
    assert(first !== undefined, 'a group waits');
    const { submissions } = first;
    let size = first.bytes;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || first.isAlone || next.isAlone) break;
      if (size + next.bytes > groupBytesMax) break;
      this.#waiting.shift();
      for (const submission of next.submissions) submissions.push(submission);
      size += next.bytes;
    }
    const group: Unanswered = {
      sequence: this.#acknowledged + this.#unanswered.length + 1,
      submissions,
      body: encodeCommands(submissions),
      isAlone: first.isAlone,
      deadlineMs: first.deadlineMs,
      isAnswered: false,
      recallUntilMs: undefined,
      sends: 0,
      lastSend: 0,
    };
    this.#unanswered.push(group);
    this.#unansweredBytes += group.body.length;
    this.#lastUsedMs = this.#options.clock.monotonicMs();
    this.#send(leader, group);
  }

  #send(leader: Leader, group: Unanswered): void {
    assert(this.#session.kind === 'open', 'groups are sent in a session');
    this.#sends += 1;
    group.sends += 1;
    group.lastSend = this.#sends;
    this.#options.send(leader, {
      kind: 'commands',
      session: sessionId(this.#session.id),
      sequence: group.sequence,
      acknowledged: this.#acknowledged,
      isAlone: group.isAlone,
      count: group.submissions.length,
      body: group.body,
    });
  }

  #settle(group: Unanswered, replies: readonly string[], index: number): void {
    const { submissions } = group;
    group.submissions = noSubmissions;
    if (submissions.length === 0) return;
    assert(submissions.length === replies.length, 'every command of a group has its reply');
    let bytes = 0;
    submissions.forEach((submission, place) => {
      bytes += submission.bytes.length;
      submission.settle(replies[place] ?? '', index);
    });
    this.#options.onSettled(submissions.length, bytes);
  }

  #recall(group: Unanswered): void {
    if (group.recallUntilMs !== undefined || this.#session.kind !== 'open') return;
    group.recallUntilMs = this.#options.clock.monotonicMs() + recallMs;
    this.#options.recall(this.#session.id, group.sequence);
  }

  #recallAgain(nowMs: number): void {
    for (const group of this.#unanswered.filter((each) => each.recallUntilMs !== undefined)) {
      if (group.isAnswered || this.#session.kind !== 'open') continue;
      if (nowMs < (group.recallUntilMs ?? 0) && group.submissions.length > 0) {
        this.#options.recall(this.#session.id, group.sequence);
      } else {
        const { submissions } = group;
        group.submissions = noSubmissions;
        this.#forget(group);
        this.#fail(submissions, 'in-doubt');
      }
    }
  }

  #fail(submissions: readonly Submission[], failure: SubmitFailure): void {
    failAll(submissions, failure, this.#options.onSettled);
  }

  /** An answered group; the answered ones at the head are acknowledged from now on. */
  #forget(group: Unanswered): void {
    group.isAnswered = true;
    this.#unansweredBytes -= group.body.length;
    group.body = noBody;
    while (this.#unanswered[0]?.isAnswered === true) {
      this.#unanswered.shift();
      this.#acknowledged += 1;
    }
  }

  #expire(nowMs: number): void {
    while ((this.#waiting[0]?.deadlineMs ?? Infinity) <= nowMs) {
      this.#fail(this.#waiting.shift()?.submissions ?? noSubmissions, 'cluster-down');
    }
    for (const group of this.#unanswered) {
      if (group.deadlineMs > nowMs) break;
      if (group.isAnswered || group.submissions.length === 0) continue;
      const { submissions } = group;
      this.#unansweredBytes -= group.body.length;
      group.submissions = noSubmissions;
      group.body = noBody;
      group.isAlone = false;
      this.#fail(submissions, 'in-doubt');
    }
  }

  /**
   * The shard has forgotten the session, for good. What was sent only once, and after the group that is refused, meets the same refusal: it
   * did not happen, and goes again in the next session. Anything else may have happened, and no more of it will.
   */
  #endSession(refused: Unanswered): void {
    this.#session = { kind: 'none' };
    this.#unansweredBytes = 0;
    const again: Waiting[] = [];
    for (const group of this.#unanswered.splice(0)) {
      const { submissions, isAlone, deadlineMs } = group;
      const hasHappened = group.recallUntilMs !== undefined;
      if (hasHappened || group.sends > 1 || group.lastSend < refused.lastSend) {
        this.#fail(submissions, 'in-doubt');
        continue;
      }
      if (submissions.length === 0) continue;
      const bytes = submissions.reduce((sum, submission) => sum + submission.bytes.length, 0);
      again.push({ submissions: [...submissions], isAlone, deadlineMs, bytes });
    }
    this.#waiting.unshift(...again);
    this.flush();
  }
}

/** Fails them all, and says how many they were and of how many bytes. */
export function failAll(
  submissions: readonly Submission[],
  failure: SubmitFailure,
  onSettled: OriginOptions['onSettled'],
): void {
  let bytes = 0;
  for (const submission of submissions) {
    bytes += submission.bytes.length;
    submission.fail(failure);
  }
  if (submissions.length > 0) onSettled(submissions.length, bytes);
}
