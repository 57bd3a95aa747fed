/**
 * Commands between nodes: what origins send to a leader elsewhere, what others send to the leaders here, and the
 * answers both ways. The straight line crosses the network here and nowhere else.
 *
 * Answers are the large thing here, and they outgrow a lane's bound. Reads are made again, so replies that a lane does not take are dropped
 * and their commands stay with the replica until there is room. Those of a group are made once: what the lane refuses of
 * them is kept here, and leaves with the ticks that follow.
 */

import { sessionId, type GroupId, type MemberId, type NodeId } from '../base/ids.ts';
import { decodeCommands, type CommandGroup, type OpenGroup } from '../replica/batch.ts';
import type { GroupAnswer } from '../replica/leadership.ts';
import type { Replica } from '../replica/replica.ts';
import type { Transport } from '../transport/transport.ts';
import {
  decodeAnswerFrame,
  decodeGroupFrame,
  decodeOpenedFrame,
  decodeOpenFrame,
  decodeReadAnswerFrame,
  decodeReadFrame,
  decodeRecallFrame,
  encodeAnswerFrame,
  encodeGroupFrame,
  encodeOpenedFrame,
  encodeOpenFrame,
  encodeReadAnswerFrame,
  encodeReadFrame,
  encodeRecallFrame,
  frameKind,
  repliesInFrame,
  type AnswerFrame,
  type OpenedFrame,
  type RecallFrame,
} from './frames.ts';
import type { Leader, Origin } from './origin.ts';
import type { LocalReads } from './local-reads.ts';
import { encodeNearRead, nearReadOf } from './near-reads.ts';
import type { ReadOrigin, SentReads } from './read-origin.ts';

/** With so much in a lane no more is read for the peer: half of what a lane takes, so that entries pass meanwhile. */
const laneBytesMax = 32 << 20;
/** Of answers that wait for room in one peer's lane; what comes beyond is dropped, and asked for again. */
const keptBytesMax = 256 << 20;

/** One group as this node knows it. */
export interface LocalGroup {
  /** Undefined where this node holds none. */
  readonly replica: Replica | undefined;
  readonly origin: Origin;
  readonly reads: ReadOrigin;
  /** Undefined where this node holds no replica. */
  readonly localReads: LocalReads | undefined;
  /** Of a node without replicas: reads that a member answers from its own. */
  readonly nearReads: ReadOrigin | undefined;
}

export interface ForwardOptions {
  readonly self: NodeId;
  readonly member: MemberId;
  readonly incarnation: number;
  readonly transport: Pick<Transport, 'send' | 'queuedBytes'>;
  readonly groupOf: (group: GroupId) => LocalGroup | undefined;
}

/** Answers that a peer's lane has not taken, in order. */
interface Kept {
  readonly answers: AnswerFrame[];
  bytes: number;
}

/** The answer to a group of which not all frames have come. */
interface Partial {
  readonly session: number;
  readonly sequence: number;
  readonly total: number;
  readonly replies: string[];
}

/** Who gave a group. */
interface Asker {
  readonly node: NodeId;
  readonly session: number;
  readonly sequence: number;
}

export class Forward {
  readonly #options: ForwardOptions;
  readonly #kept = new Map<NodeId, Kept>();
  /** By peer and group. */
  readonly #partial = new Map<NodeId, Map<GroupId, Partial>>();
  /** What stands for the connection to a peer, while it is there and has asked for reads. */
  readonly #connections = new Map<NodeId, object>();

  constructor(options: ForwardOptions) {
    this.#options = options;
  }

  /** Takes a group of commands to the leader. */
  sendGroup(group: GroupId, leader: Leader, commands: CommandGroup): void {
    const { self, transport, groupOf } = this.#options;
    if (leader.node === self) {
      groupOf(group)?.replica?.offer(self, leader.term, commands);
      return;
    }
    const frame = encodeGroupFrame({ group, term: leader.term, commands });
    transport.send(leader.node, 'data', frameKind.group, frame);
  }

  /** Asks replicas for the replies to a group that the leader has lost; those that have them answer. */
  recall(frame: RecallFrame, members: readonly NodeId[]): void {
    const { self, transport } = this.#options;
    const encoded = encodeRecallFrame(frame);
    for (const member of members) {
      if (member === self) this.#answerRecall(self, frame);
      else transport.send(member, 'data', frameKind.recall, [encoded]);
    }
  }

  openSession(group: GroupId, leader: Leader, nonce: number): void {
    const { self, member, incarnation, transport, groupOf } = this.#options;
    if (leader.node === self) {
      groupOf(group)?.replica?.openSession({
        kind: 'open',
        node: self,
        member,
        incarnation,
        nonce,
      });
      return;
    }
    const frame = encodeOpenFrame({ group, incarnation, nonce, member });
    transport.send(leader.node, 'data', frameKind.open, [frame]);
  }

  /** False where they could not leave. */
  sendReads(group: GroupId, leader: Leader, reads: SentReads): boolean {
    const { self, transport, groupOf } = this.#options;
    const { read, floor, submissions } = reads;
    if (leader.node !== self) {
      const frame = encodeReadFrame({ group, read, floor, commands: submissions });
      return transport.send(leader.node, 'data', frameKind.read, frame);
    }
    const local = groupOf(group);
    const replica = local?.replica;
    if (local === undefined || replica === undefined) return false;
    let place = 0;
    replica.read({
      from: self,
      commands: submissions,
      floor,
      room: () => 'now',
      take: (replies, index) => {
        const first = place;
        place += replies.length;
        local.reads.answered(read, { place: first, replies, index });
        return replies.length;
      },
      refuse: () => local.reads.refused(read),
    });
    return true;
  }

  /** Takes reads to a member, led by it or not; false where they could not leave. Answers come through `receiveNear`. */
  sendNear(group: GroupId, member: NodeId, reads: SentReads): boolean {
    const frame = encodeNearRead(nearReadOf(group, reads));
    return this.#options.transport.send(member, 'data', frameKind.nearRead, frame);
  }

  /** False where the frame makes no sense. */
  receiveNear(payload: Uint8Array): boolean {
    const frame = decodeReadAnswerFrame(payload);
    if (frame === undefined) return false;
    const { group, read, place, index, replies } = frame;
    const reads = this.#options.groupOf(group)?.nearReads;
    if (replies === undefined) reads?.refused(read);
    else reads?.answered(read, { place, replies, index });
    return true;
  }

  /** What became of a group that the leader here got from an origin. */
  answer(group: GroupId, to: Asker, answer: GroupAnswer): void {
    const { session, sequence } = to;
    if (to.node === this.#options.self) {
      this.#options.groupOf(group)?.origin.answered(session, sequence, answer);
      return;
    }
    const total = answer.kind === 'replies' ? answer.replies.length : 0;
    const frame: AnswerFrame = { group, session, sequence, answer, place: 0, total };
    const rest = this.#kept.has(to.node) ? frame : this.#sendAnswer(to.node, frame);
    if (rest !== undefined) this.#keep(to.node, rest);
  }

  /** Sends what lanes had no room for; called every heartbeat interval. */
  tick(): void {
    // A peer whose lane is full again is put back, but not looked at again now.
    const all = [...this.#kept];
    this.#kept.clear();
    for (const [peer, { answers }] of all) {
      for (const answer of answers) {
        const rest = this.#kept.has(peer) ? answer : this.#sendAnswer(peer, answer);
        if (rest !== undefined) this.#keep(peer, rest);
      }
    }
  }

  opened(group: GroupId, asked: OpenGroup, session: number): void {
    const { node, member, incarnation, nonce } = asked;
    const opened = { group, incarnation, nonce, member, session };
    if (node === this.#options.self) this.#opened(opened);
    else {
      const frame = encodeOpenedFrame(opened);
      this.#options.transport.send(node, 'data', frameKind.opened, [frame]);
    }
  }

  /** The peer's connection ended, perhaps with its life: nothing it asked for is answered on the next. */
  disconnected(peer: NodeId): void {
    this.#connections.delete(peer);
    this.#kept.delete(peer);
    this.#partial.delete(peer);
  }

  /** A frame of kind 16 and up. False where it makes no sense: the peer is broken. */
  receive(from: NodeId, kind: number, payload: Uint8Array): boolean {
    switch (kind) {
      case frameKind.group:
        return this.#receiveGroup(from, payload);
      case frameKind.answer:
        return this.#receiveAnswer(from, payload);
      case frameKind.open:
        return this.#receiveOpen(from, payload);
      case frameKind.opened:
        return this.#receiveOpened(payload);
      case frameKind.recall:
        return this.#receiveRecall(from, payload);
      case frameKind.read:
        return this.#receiveRead(from, payload);
      case frameKind.readAnswer:
        return this.#receiveReadAnswer(payload);
      default:
        return false;
    }
  }

  #receiveGroup(from: NodeId, payload: Uint8Array): boolean {
    const frame = decodeGroupFrame(payload);
    if (frame === undefined || !isWellFormed(frame.commands)) return false;
    this.#options.groupOf(frame.group)?.replica?.offer(from, frame.term, frame.commands);
    return true;
  }

  /** Answers with what the lane did not take of the answer. */
  #sendAnswer(peer: NodeId, frame: AnswerFrame): AnswerFrame | undefined {
    const { transport } = this.#options;
    const send = (part: AnswerFrame): boolean =>
      transport.send(peer, 'data', frameKind.answer, [encodeAnswerFrame(part)]);
    const { answer } = frame;
    if (answer.kind !== 'replies') return send(frame) ? undefined : frame;
    const { kind, replies, index } = answer;
    let at = 0;
    do {
      const count = repliesInFrame(replies, at);
      const isWhole = count === replies.length;
      const part: AnswerFrame = {
        ...frame,
        place: frame.place + at,
        answer: isWhole ? answer : { kind, replies: replies.slice(at, at + count), index },
      };
      if (!send(part)) {
        return {
          ...frame,
          place: part.place,
          answer: { kind, replies: replies.slice(at), index },
        };
      }
      at += count;
    } while (at < replies.length);
    return undefined;
  }

  /** Where nobody is connected, nothing is kept: the peer asks again. */
  #keep(peer: NodeId, rest: AnswerFrame): void {
    const { transport } = this.#options;
    if (transport.queuedBytes(peer, 'data') === 0) return;
    const kept = this.#kept.get(peer) ?? { answers: [], bytes: 0 };
    const bytes = bytesOf(rest.answer);
    const isKept = kept.answers.some(
      ({ group, session, sequence }) =>
        group === rest.group && session === rest.session && sequence === rest.sequence,
    );
    if (isKept || (kept.bytes > 0 && kept.bytes + bytes > keptBytesMax)) return;
    kept.answers.push(rest);
    kept.bytes += bytes;
    this.#kept.set(peer, kept);
  }

  #receiveAnswer(from: NodeId, payload: Uint8Array): boolean {
    const frame = decodeAnswerFrame(payload);
    if (frame === undefined) return false;
    const { group, session, sequence } = frame;
    const answer = this.#join(from, frame);
    if (answer !== undefined) {
      this.#options.groupOf(group)?.origin.answered(session, sequence, answer);
    }
    return true;
  }

  /** The answer, once its last frame has come. The frame at place 0 begins one, whatever came before. */
  #join(from: NodeId, frame: AnswerFrame): GroupAnswer | undefined {
    const { group, session, sequence, place, total, answer } = frame;
    if (answer.kind !== 'replies') return answer;
    if (place === 0 && answer.replies.length === total) return answer;
    let partials = this.#partial.get(from);
    if (partials === undefined) {
      partials = new Map();
      this.#partial.set(from, partials);
    }
    if (place === 0) partials.set(group, { session, sequence, total, replies: [] });
    const partial = partials.get(group);
    const isNext =
      partial?.session === session &&
      partial.sequence === sequence &&
      partial.total === total &&
      partial.replies.length === place;
    if (!isNext) return undefined;
    for (const reply of answer.replies) partial.replies.push(reply);
    if (partial.replies.length < total) return undefined;
    partials.delete(group);
    return { kind: 'replies', replies: partial.replies, index: answer.index };
  }

  #receiveOpen(from: NodeId, payload: Uint8Array): boolean {
    const frame = decodeOpenFrame(payload);
    if (frame === undefined) return false;
    const { member, incarnation, nonce } = frame;
    const asked = { kind: 'open', node: from, member, incarnation, nonce } as const;
    this.#options.groupOf(frame.group)?.replica?.openSession(asked);
    return true;
  }

  #receiveRecall(from: NodeId, payload: Uint8Array): boolean {
    const frame = decodeRecallFrame(payload);
    if (frame === undefined) return false;
    this.#answerRecall(from, frame);
    return true;
  }

  #answerRecall(node: NodeId, { group, session, sequence }: RecallFrame): void {
    const replica = this.#options.groupOf(group)?.replica;
    const replies = replica?.recorded(sessionId(session), sequence);
    if (replica === undefined || replies === undefined) return;
    const index = replica.appliedIndex;
    this.answer(group, { node, session, sequence }, { kind: 'replies', replies, index });
  }

  #receiveOpened(payload: Uint8Array): boolean {
    const frame = decodeOpenedFrame(payload);
    if (frame === undefined) return false;
    this.#opened(frame);
    return true;
  }

  /** Nonces start anew in each life, and what an earlier one asked for may be applied in this one. */
  #opened({ group, incarnation, nonce, member, session }: OpenedFrame): void {
    const { member: own, incarnation: life, groupOf } = this.#options;
    if (member === own && incarnation === life) groupOf(group)?.origin.opened(nonce, session);
  }

  /** Reads are numbered anew in each life, so an answer belongs to the connection on which it was asked for. */
  #receiveRead(from: NodeId, payload: Uint8Array): boolean {
    const frame = decodeReadFrame(payload);
    if (frame === undefined) return false;
    const { group, read, floor, commands } = frame;
    const { transport, groupOf } = this.#options;
    const connection = this.#connections.get(from) ?? {};
    this.#connections.set(from, connection);
    const isGone = (): boolean => this.#connections.get(from) !== connection;
    let place = 0;
    const send = (replies: readonly string[] | undefined, index: number): boolean => {
      const answer = encodeReadAnswerFrame({ group, read, place, index, replies });
      return transport.send(from, 'data', frameKind.readAnswer, [answer]);
    };
    const refuse = (): void => {
      if (!isGone()) send(undefined, 0);
    };
    const replica = groupOf(group)?.replica;
    if (replica === undefined) {
      refuse();
      return true;
    }
    replica.read({
      from,
      commands,
      room: () => {
        if (isGone()) return 'gone';
        return transport.queuedBytes(from, 'data') < laneBytesMax ? 'now' : 'later';
      },
      floor,
      take: (replies, index) => {
        if (isGone()) return replies.length;
        let at = 0;
        while (at < replies.length) {
          const count = repliesInFrame(replies, at);
          const part = count === replies.length ? replies : replies.slice(at, at + count);
          if (!send(part, index)) break;
          at += count;
          place += count;
        }
        return at;
      },
      refuse,
    });
    return true;
  }

  #receiveReadAnswer(payload: Uint8Array): boolean {
    const frame = decodeReadAnswerFrame(payload);
    if (frame === undefined) return false;
    const { group, read, place, index, replies } = frame;
    const reads = this.#options.groupOf(group)?.reads;
    if (replies === undefined) reads?.refused(read);
    else reads?.answered(read, { place, replies, index });
    return true;
  }
}

function bytesOf(answer: GroupAnswer): number {
  let bytes = 0;
  if (answer.kind === 'replies') for (const reply of answer.replies) bytes += reply.length;
  return bytes;
}

/** What must hold of a group before it may enter the log, where it would stop every replica. */
function isWellFormed(group: CommandGroup): boolean {
  const { session, sequence, acknowledged, isAlone, body, count } = group;
  if (isAlone && count !== 1) return false;
  return session !== 0 && acknowledged < sequence && decodeCommands(body, count) !== undefined;
}
