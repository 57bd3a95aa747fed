/**
 * Commands between nodes: what origins send to a leader elsewhere, what others send to the leaders here, and the
 * answers both ways. The straight line crosses the network here and nowhere else.
 */

import type { GroupId, MemberId, NodeId } from '../base/ids.ts';
import { decodeCommands, type CommandGroup, type OpenGroup } from '../replica/batch.ts';
import type { GroupAnswer, Replica } from '../replica/replica.ts';
import type { Transport } from '../transport/transport.ts';
import type { Submission } from './cluster.ts';
import {
  decodeAnswerFrame,
  decodeGroupFrame,
  decodeOpenedFrame,
  decodeOpenFrame,
  decodeReadAnswerFrame,
  decodeReadFrame,
  encodeAnswerFrame,
  encodeGroupFrame,
  encodeOpenedFrame,
  encodeOpenFrame,
  encodeReadAnswerFrame,
  encodeReadFrame,
  frameKind,
  type OpenedFrame,
} from './frames.ts';
import type { Leader, Origin } from './origin.ts';
import type { ReadOrigin } from './read-origin.ts';

/** One group as this node knows it. */
export interface LocalGroup {
  readonly replica: Replica;
  readonly origin: Origin;
  readonly reads: ReadOrigin;
}

export interface ForwardOptions {
  readonly self: NodeId;
  readonly member: MemberId;
  readonly incarnation: number;
  readonly transport: Pick<Transport, 'send'>;
  readonly groupOf: (group: GroupId) => LocalGroup | undefined;
}

export class Forward {
  readonly #options: ForwardOptions;
  /** By peer, how many connections of it have ended. */
  readonly #endedConnections = new Map<NodeId, number>();

  constructor(options: ForwardOptions) {
    this.#options = options;
  }

  /** Takes a group of commands to the leader. */
  sendGroup(group: GroupId, leader: Leader, commands: CommandGroup): void {
    const { self, transport, groupOf } = this.#options;
    if (leader.node === self) {
      groupOf(group)?.replica.offer(self, leader.term, commands);
      return;
    }
    const frame = encodeGroupFrame({ group, term: leader.term, commands });
    transport.send(leader.node, 'data', frameKind.group, frame);
  }

  openSession(group: GroupId, leader: Leader, nonce: number): void {
    const { self, member, incarnation, transport, groupOf } = this.#options;
    if (leader.node === self) {
      groupOf(group)?.replica.openSession({ kind: 'open', node: self, member, incarnation, nonce });
      return;
    }
    const frame = encodeOpenFrame({ group, incarnation, nonce, member });
    transport.send(leader.node, 'data', frameKind.open, [frame]);
  }

  sendReads(
    group: GroupId,
    leader: Leader,
    read: number,
    submissions: readonly Submission[],
  ): void {
    const { self, transport, groupOf } = this.#options;
    if (leader.node === self) {
      const local = groupOf(group);
      local?.replica.read({
        commands: submissions,
        done: (replies) => local.reads.answered(read, replies),
      });
      return;
    }
    const frame = encodeReadFrame({ group, read, commands: submissions });
    transport.send(leader.node, 'data', frameKind.read, frame);
  }

  /** What became of a group that the leader here got from an origin. */
  answer(
    group: GroupId,
    to: { readonly node: NodeId; readonly session: number; readonly sequence: number },
    answer: GroupAnswer,
  ): void {
    const { session, sequence } = to;
    if (to.node === this.#options.self) {
      this.#options.groupOf(group)?.origin.answered(session, sequence, answer);
      return;
    }
    const frame = encodeAnswerFrame({ group, session, sequence, answer });
    this.#options.transport.send(to.node, 'data', frameKind.answer, [frame]);
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
    this.#endedConnections.set(peer, this.#connectionOf(peer) + 1);
  }

  /** A frame of kind 16 and up. False where it makes no sense: the peer is broken. */
  receive(from: NodeId, kind: number, payload: Uint8Array): boolean {
    switch (kind) {
      case frameKind.group:
        return this.#receiveGroup(from, payload);
      case frameKind.answer:
        return this.#receiveAnswer(payload);
      case frameKind.open:
        return this.#receiveOpen(from, payload);
      case frameKind.opened:
        return this.#receiveOpened(payload);
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
    this.#options.groupOf(frame.group)?.replica.offer(from, frame.term, frame.commands);
    return true;
  }

  #receiveAnswer(payload: Uint8Array): boolean {
    const frame = decodeAnswerFrame(payload);
    if (frame === undefined) return false;
    const { session, sequence, answer } = frame;
    this.#options.groupOf(frame.group)?.origin.answered(session, sequence, answer);
    return true;
  }

  #receiveOpen(from: NodeId, payload: Uint8Array): boolean {
    const frame = decodeOpenFrame(payload);
    if (frame === undefined) return false;
    const { member, incarnation, nonce } = frame;
    const asked = { kind: 'open', node: from, member, incarnation, nonce } as const;
    this.#options.groupOf(frame.group)?.replica.openSession(asked);
    return true;
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
    const { group, read, commands } = frame;
    const connection = this.#connectionOf(from);
    const done = (replies: readonly string[] | undefined): void => {
      if (connection !== this.#connectionOf(from)) return;
      const answer = encodeReadAnswerFrame({ group, read, replies });
      this.#options.transport.send(from, 'data', frameKind.readAnswer, [answer]);
    };
    const local = this.#options.groupOf(group);
    if (local === undefined) done(undefined);
    else local.replica.read({ commands, done });
    return true;
  }

  #connectionOf(peer: NodeId): number {
    return this.#endedConnections.get(peer) ?? 0;
  }

  #receiveReadAnswer(payload: Uint8Array): boolean {
    const frame = decodeReadAnswerFrame(payload);
    if (frame === undefined) return false;
    this.#options.groupOf(frame.group)?.reads.answered(frame.read, frame.replies);
    return true;
  }
}

/** What must hold of a group before it may enter the log, where it would stop every replica. */
function isWellFormed({ session, sequence, acknowledged, body, count }: CommandGroup): boolean {
  return session !== 0 && acknowledged < sequence && decodeCommands(body, count) !== undefined;
}
