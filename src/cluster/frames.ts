/**
 * The frames by which nodes take commands to leaders and form a cluster. Kinds 16 and up; 1…15 are the replicas'.
 *
 * Layouts, big-endian:
 *
 *     group      u16 group | u48 term | a group of commands (replica/batch)
 *     answer     u16 group | u48 session | u48 sequence | u8 outcome | u32 place | u32 total | u48 index | replies
 *     open       u16 group | u32 incarnation | u32 nonce | 8 bytes member id
 *     opened     u16 group | u32 incarnation | u32 nonce | 8 bytes member id | u48 session
 *     read       u16 group | u48 read | u48 floor | u32 count | commands (replica/batch)
 *     readAnswer u16 group | u48 read | u8 outcome | u32 place | u48 index | replies
 *     replies    u32 count | (u32 length | bytes)…
 *     recall     u16 group | u48 session | u48 sequence
 *     formation  JSON (cluster/formation)
 *     view       JSON (cluster/view)
 *     transfer   u16 group | u32 node that is to lead it
 *
 * Replies may be of any size together, so an answer is as many frames as it takes: each says at which place its first reply
 * stands. They come in order, those of one answer to a group without another of that group between them.
 *
 * Decoders return undefined for anything that does not fit exactly.
 */

import {
  groupId,
  memberId,
  nodeId,
  term,
  type GroupId,
  type MemberId,
  type NodeId,
  type Term,
} from '../base/ids.ts';
import {
  decodeCommands,
  decodeGroup,
  encodeCommands,
  encodeGroup,
  type CommandGroup,
} from '../replica/batch.ts';
import { asBuffer } from '../replica/bytes.ts';
import type { GroupAnswer } from '../replica/leadership.ts';

export const frameKind = {
  group: 16,
  answer: 17,
  open: 18,
  opened: 19,
  read: 20,
  readAnswer: 21,
  formation: 22,
  view: 23,
  recall: 24,
  transfer: 25,
  nearRead: 26,
  nearAnswer: 27,
} as const;

/** A command as it travels: views into the frame on arrival. */
interface Command {
  readonly database: number;
  readonly bytes: Uint8Array;
}

export interface GroupFrame {
  readonly group: GroupId;
  /** The term whose leader it is meant for. */
  readonly term: Term;
  readonly commands: CommandGroup;
}

export interface AnswerFrame {
  readonly group: GroupId;
  readonly session: number;
  readonly sequence: number;
  /** Of replies, those in this frame. */
  readonly answer: GroupAnswer;
  /** Where the first of them stands among all the group's. */
  readonly place: number;
  /** How many the group has. */
  readonly total: number;
}

/** Asks a replica for what it has recorded of a group; it is answered as the leader would, or not at all. */
export interface RecallFrame {
  readonly group: GroupId;
  readonly session: number;
  readonly sequence: number;
}

export interface OpenFrame {
  readonly group: GroupId;
  readonly incarnation: number;
  readonly nonce: number;
  readonly member: MemberId;
}

/** Says back what was asked, so that only the life of a node that asked takes the session. */
export interface OpenedFrame extends OpenFrame {
  readonly session: number;
}

export interface ReadFrame {
  readonly group: GroupId;
  /** The origin's number for these reads. */
  readonly read: number;
  /** Not to be answered before the entry at this index is applied. */
  readonly floor: number;
  readonly commands: readonly Command[];
}

export interface ReadAnswerFrame {
  readonly group: GroupId;
  readonly read: number;
  /** Where the first reply stands among those to the commands that were sent. */
  readonly place: number;
  /** Nothing in the replies is newer than this entry. */
  readonly index: number;
  /** Undefined where the node does not lead: ask the leader. */
  readonly replies: readonly string[] | undefined;
}

/** An operator's wish; whoever leads the group offers its leadership. */
export interface TransferFrame {
  readonly group: GroupId;
  readonly to: NodeId;
}

/** Checklist: the order is the format. */
const outcomes = ['replies', 'forgotten', 'gap', 'unknown-session'] as const;
const noReplies: readonly string[] = [];
const openBytes = 18;
const recallBytes = 14;
const answerHeadBytes = 29;
const readHeadBytes = 18;
const readAnswerHeadBytes = 19;
const transferBytes = 6;
/** Replies in a frame, or one larger reply. */
const repliesBytesMax = 1 << 20;

/** How many replies from `start` on make a frame; at least one, where there is one. */
export function repliesInFrame(replies: readonly string[], start: number): number {
  let bytes = 0;
  let at = start;
  for (; at < replies.length; at++) {
    bytes += 4 + (replies[at]?.length ?? 0);
    if (bytes > repliesBytesMax && at > start) break;
  }
  return at - start;
}

export function encodeGroupFrame(frame: GroupFrame): readonly Uint8Array[] {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt16BE(frame.group, 0);
  head.writeUIntBE(frame.term, 2, 6);
  return [head, encodeGroup(frame.commands)];
}

export function decodeGroupFrame(payload: Uint8Array): GroupFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length < 8) return undefined;
  const commands = decodeGroup(buffer.subarray(8));
  if (commands?.kind !== 'commands') return undefined;
  const group = groupId(buffer.readUInt16BE(0));
  return { group, term: term(buffer.readUIntBE(2, 6)), commands };
}

export function encodeAnswerFrame(frame: AnswerFrame): Uint8Array {
  const { answer } = frame;
  const replies = answer.kind === 'replies' ? answer.replies : noReplies;
  const buffer = Buffer.allocUnsafe(answerHeadBytes + repliesBytes(replies));
  buffer.writeUInt16BE(frame.group, 0);
  buffer.writeUIntBE(frame.session, 2, 6);
  buffer.writeUIntBE(frame.sequence, 8, 6);
  buffer.writeUInt8(outcomes.indexOf(answer.kind), 14);
  buffer.writeUInt32BE(frame.place, 15);
  buffer.writeUInt32BE(frame.total, 19);
  buffer.writeUIntBE(answer.kind === 'replies' ? answer.index : 0, 23, 6);
  writeReplies(buffer, answerHeadBytes, replies);
  return buffer;
}

export function decodeAnswerFrame(payload: Uint8Array): AnswerFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length < answerHeadBytes) return undefined;
  const kind = outcomes[buffer.readUInt8(14)];
  const place = buffer.readUInt32BE(15);
  const total = buffer.readUInt32BE(19);
  const index = buffer.readUIntBE(23, 6);
  const replies = readReplies(buffer, answerHeadBytes);
  if (kind === undefined || replies === undefined) return undefined;
  return {
    group: groupId(buffer.readUInt16BE(0)),
    session: buffer.readUIntBE(2, 6),
    sequence: buffer.readUIntBE(8, 6),
    answer: kind === 'replies' ? { kind, replies, index } : { kind },
    place,
    total,
  };
}

export function encodeRecallFrame({ group, session, sequence }: RecallFrame): Uint8Array {
  const buffer = Buffer.allocUnsafe(recallBytes);
  buffer.writeUInt16BE(group, 0);
  buffer.writeUIntBE(session, 2, 6);
  buffer.writeUIntBE(sequence, 8, 6);
  return buffer;
}

export function decodeRecallFrame(payload: Uint8Array): RecallFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length !== recallBytes) return undefined;
  return {
    group: groupId(buffer.readUInt16BE(0)),
    session: buffer.readUIntBE(2, 6),
    sequence: buffer.readUIntBE(8, 6),
  };
}

export function encodeOpenFrame(frame: OpenFrame): Uint8Array {
  const buffer = Buffer.allocUnsafe(openBytes);
  writeOpen(buffer, frame);
  return buffer;
}

export function decodeOpenFrame(payload: Uint8Array): OpenFrame | undefined {
  const buffer = asBuffer(payload);
  return buffer.length === openBytes ? readOpen(buffer) : undefined;
}

function writeOpen(buffer: Buffer, frame: OpenFrame): void {
  buffer.writeUInt16BE(frame.group, 0);
  buffer.writeUInt32BE(frame.incarnation, 2);
  buffer.writeUInt32BE(frame.nonce, 6);
  buffer.write(frame.member, 10, 8, 'hex');
}

function readOpen(buffer: Buffer): OpenFrame {
  return {
    group: groupId(buffer.readUInt16BE(0)),
    incarnation: buffer.readUInt32BE(2),
    nonce: buffer.readUInt32BE(6),
    member: memberId(buffer.toString('hex', 10, 18)),
  };
}

export function encodeOpenedFrame(frame: OpenedFrame): Uint8Array {
  const buffer = Buffer.allocUnsafe(openBytes + 6);
  writeOpen(buffer, frame);
  buffer.writeUIntBE(frame.session, openBytes, 6);
  return buffer;
}

export function decodeOpenedFrame(payload: Uint8Array): OpenedFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length !== openBytes + 6) return undefined;
  return { ...readOpen(buffer), session: buffer.readUIntBE(openBytes, 6) };
}

export function encodeTransferFrame(frame: TransferFrame): Uint8Array {
  const buffer = Buffer.allocUnsafe(transferBytes);
  buffer.writeUInt32BE(frame.to, buffer.writeUInt16BE(frame.group, 0));
  return buffer;
}

export function decodeTransferFrame(payload: Uint8Array): TransferFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length !== transferBytes) return undefined;
  return { group: groupId(buffer.readUInt16BE(0)), to: nodeId(buffer.readUInt32BE(2)) };
}

export function encodeReadFrame(frame: ReadFrame): readonly Uint8Array[] {
  const head = Buffer.allocUnsafe(readHeadBytes);
  head.writeUInt16BE(frame.group, 0);
  head.writeUIntBE(frame.read, 2, 6);
  head.writeUIntBE(frame.floor, 8, 6);
  head.writeUInt32BE(frame.commands.length, 14);
  return [head, encodeCommands(frame.commands)];
}

export function decodeReadFrame(payload: Uint8Array): ReadFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length < readHeadBytes) return undefined;
  const commands = decodeCommands(buffer.subarray(readHeadBytes), buffer.readUInt32BE(14));
  if (commands === undefined) return undefined;
  const group = groupId(buffer.readUInt16BE(0));
  return { group, read: buffer.readUIntBE(2, 6), floor: buffer.readUIntBE(8, 6), commands };
}

export function encodeReadAnswerFrame(frame: ReadAnswerFrame): Uint8Array {
  const replies = frame.replies ?? noReplies;
  const buffer = Buffer.allocUnsafe(readAnswerHeadBytes + repliesBytes(replies));
  buffer.writeUInt16BE(frame.group, 0);
  buffer.writeUIntBE(frame.read, 2, 6);
  buffer.writeUInt8(frame.replies === undefined ? 1 : 0, 8);
  buffer.writeUInt32BE(frame.place, 9);
  buffer.writeUIntBE(frame.index, 13, 6);
  writeReplies(buffer, readAnswerHeadBytes, replies);
  return buffer;
}

export function decodeReadAnswerFrame(payload: Uint8Array): ReadAnswerFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length < readAnswerHeadBytes) return undefined;
  const replies = readReplies(buffer, readAnswerHeadBytes);
  const outcome = buffer.readUInt8(8);
  if (replies === undefined || outcome > 1) return undefined;
  const group = groupId(buffer.readUInt16BE(0));
  return {
    group,
    read: buffer.readUIntBE(2, 6),
    place: buffer.readUInt32BE(9),
    index: buffer.readUIntBE(13, 6),
    replies: outcome === 0 ? replies : undefined,
  };
}

function repliesBytes(replies: readonly string[]): number {
  let size = 4;
  for (const reply of replies) size += 4 + reply.length;
  return size;
}

/** Replies are latin1: one char is one byte. */
function writeReplies(buffer: Buffer, start: number, replies: readonly string[]): void {
  let at = buffer.writeUInt32BE(replies.length, start);
  for (const reply of replies) {
    at = buffer.writeUInt32BE(reply.length, at);
    at += buffer.write(reply, at, 'latin1');
  }
}

function readReplies(buffer: Buffer, start: number): readonly string[] | undefined {
  if (buffer.length < start + 4) return undefined;
  const count = buffer.readUInt32BE(start);
  const replies: string[] = [];
  let at = start + 4;
  while (replies.length < count) {
    if (at + 4 > buffer.length) return undefined;
    const from = at + 4;
    at = from + buffer.readUInt32BE(at);
    if (at > buffer.length) return undefined;
    replies.push(buffer.toString('latin1', from, at));
  }
  return at === buffer.length ? replies : undefined;
}
