/**
 * The frames that replicas send each other: heartbeats of all groups in one, their answers, and other Raft messages.
 *
 * Layouts, big-endian:
 *
 *     heartbeats  f64 sentMs | u16 count | heartbeat…
 *     answers     f64 sentMs (of the heartbeats answered) | u48 wallMs | u32 promiseMs | u16 count | answer…
 *     heartbeat   u16 group | u48 term | u48 commit | u8 length | context
 *     answer      u16 group | u48 term | u8 isWell (whether the group's engine is) | u8 length | context
 *     raft        u16 group | message (raft/codec)
 *
 * `sentMs` is the sender's monotonic clock: it comes back unchanged and means nothing to anybody else. Decoders
 * return undefined for anything that does not fit exactly.
 */

import { groupId, index, term, type GroupId, type NodeId } from '../base/ids.ts';
import { decodeMessage, encodeMessage } from '../raft/codec.ts';
import { message, type Message } from '../raft/message.ts';
import { asBuffer } from './bytes.ts';

/** Frame kinds 1…15 belong to the replicas; `cluster/frames` has the others. */
export const frameKind = { heartbeats: 1, answers: 2, raft: 3 } as const;

const contextBytesMax = 255;
const answersHeadBytes = 8 + 6 + 4 + 2;

export interface GroupMessage {
  readonly group: GroupId;
  readonly message: Message;
}

export interface Heartbeats {
  readonly sentMs: number;
  readonly messages: readonly GroupMessage[];
}

export interface AnswerMessage extends GroupMessage {
  /** Whether the sender's engine of that group can serve. */
  readonly isWell: boolean;
}

export interface Answers {
  /** Of the heartbeats answered. */
  readonly sentMs: number;
  readonly messages: readonly AnswerMessage[];
  readonly wallMs: number;
  /** How long the sender grants no vote from when it got the heartbeats. */
  readonly promiseMs: number;
}

export function encodeHeartbeats(heartbeats: Heartbeats): Uint8Array {
  const buffer = allocate(10, 15, heartbeats.messages);
  let at = buffer.writeDoubleBE(heartbeats.sentMs, 0);
  at = buffer.writeUInt16BE(heartbeats.messages.length, at);
  for (const { group, message: beat } of heartbeats.messages) {
    at = buffer.writeUInt16BE(group, at);
    at = buffer.writeUIntBE(beat.term, at, 6);
    at = buffer.writeUIntBE(beat.commit, at, 6);
    at = writeContext(buffer, at, beat.context);
  }
  return buffer;
}

export function decodeHeartbeats(
  payload: Uint8Array,
  from: NodeId,
  to: NodeId,
): Heartbeats | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length < 10) return undefined;
  const messages = readList(buffer, 8, 15, (at, context) => ({
    group: groupId(buffer.readUInt16BE(at)),
    message: message({
      type: 'MsgHeartbeat',
      from,
      to,
      term: term(buffer.readUIntBE(at + 2, 6)),
      commit: index(buffer.readUIntBE(at + 8, 6)),
      context,
    }),
  }));
  // A leader has a term; 0 marks what a node says to itself.
  const isUsable = messages?.every(({ message: beat }) => beat.term > 0) ?? false;
  if (messages === undefined || !isUsable) return undefined;
  return { sentMs: buffer.readDoubleBE(0), messages };
}

export function encodeAnswers(answers: Answers): Uint8Array {
  const buffer = allocate(answersHeadBytes, 10, answers.messages);
  let at = buffer.writeDoubleBE(answers.sentMs, 0);
  at = buffer.writeUIntBE(answers.wallMs, at, 6);
  at = buffer.writeUInt32BE(answers.promiseMs, at);
  at = buffer.writeUInt16BE(answers.messages.length, at);
  for (const { group, message: answer, isWell } of answers.messages) {
    at = buffer.writeUInt16BE(group, at);
    at = buffer.writeUIntBE(answer.term, at, 6);
    at = buffer.writeUInt8(isWell ? 1 : 0, at);
    at = writeContext(buffer, at, answer.context);
  }
  return buffer;
}

export function decodeAnswers(payload: Uint8Array, from: NodeId, to: NodeId): Answers | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length < answersHeadBytes) return undefined;
  const messages = readList(buffer, answersHeadBytes - 2, 10, (at, context) => {
    const wellness = buffer.readUInt8(at + 8);
    if (wellness > 1) return undefined;
    const answer = message({
      type: 'MsgHeartbeatResp',
      from,
      to,
      term: term(buffer.readUIntBE(at + 2, 6)),
      context,
    });
    const group = groupId(buffer.readUInt16BE(at));
    return { group, message: answer, isWell: wellness === 1 };
  });
  return (
    messages && {
      sentMs: buffer.readDoubleBE(0),
      wallMs: buffer.readUIntBE(8, 6),
      promiseMs: buffer.readUInt32BE(14),
      messages,
    }
  );
}

export function encodeRaft({ group, message: sent }: GroupMessage): readonly Uint8Array[] {
  const head = Buffer.allocUnsafe(2);
  head.writeUInt16BE(group, 0);
  return [head, ...encodeMessage(sent)];
}

export function decodeRaft(payload: Uint8Array): GroupMessage | undefined {
  if (payload.length < 2) return undefined;
  const decoded = decodeMessage(payload.subarray(2));
  return decoded && { group: groupId(asBuffer(payload).readUInt16BE(0)), message: decoded };
}

/** `head` bytes, and for each message `fixed` bytes (the context's length byte among them) and its context. */
function allocate(head: number, fixed: number, messages: readonly GroupMessage[]): Buffer {
  let size = head;
  for (const { message: sent } of messages) size += fixed + sent.context.length;
  return Buffer.allocUnsafe(size);
}

function writeContext(buffer: Buffer, start: number, context: Uint8Array): number {
  if (context.length > contextBytesMax) throw new RangeError('a context has at most 255 bytes');
  const at = buffer.writeUInt8(context.length, start);
  buffer.set(context, at);
  return at + context.length;
}

function readList<T extends GroupMessage>(
  buffer: Buffer,
  start: number,
  fixed: number,
  read: (at: number, context: Uint8Array) => T | undefined,
): readonly T[] | undefined {
  const count = buffer.readUInt16BE(start);
  const messages: T[] = [];
  let at = start + 2;
  while (messages.length < count) {
    if (at + fixed > buffer.length) return undefined;
    const contextStart = at + fixed;
    const end = contextStart + buffer.readUInt8(contextStart - 1);
    if (end > buffer.length) return undefined;
    const one = read(at, buffer.subarray(contextStart, end));
    if (one === undefined) return undefined;
    messages.push(one);
    at = end;
  }
  return at === buffer.length ? messages : undefined;
}
