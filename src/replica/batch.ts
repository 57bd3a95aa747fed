/**
 * The bytes of an entry: a time, and groups of commands, each with the session and sequence it came under.
 *
 * A group is encoded once, by the node that its clients are connected to, travels so to the leader, and is copied
 * as it is into the entry. Layout, numbers big-endian, u48 for what counts for ever:
 *
 *     entry     u8 version = 1 | u48 timeMs | u32 groups | group…
 *     commands  u8 kind = 1 | u48 session | u48 sequence | u48 acknowledged | u32 count | u32 bytes | command…
 *     command   u8 database | u32 length | RESP bytes
 *     alone     u8 kind = 3 | the rest as commands; on its way to the leader only, never in an entry
 *     open      u8 kind = 2 | u32 node | 8 bytes member id | u32 incarnation | u32 nonce
 *
 * Decoding bounds everything by the bytes that are there. A committed entry that does not decode stops the replica.
 */

import { assert } from '../base/assert.ts';
import {
  memberId,
  nodeId,
  sessionId,
  type MemberId,
  type NodeId,
  type SessionId,
} from '../base/ids.ts';
import type { EngineCommand } from '../engine/engine.ts';
import { asBuffer } from './bytes.ts';

const version = 1;
const kindCommands = 1;
const kindOpen = 2;
const kindAlone = 3;
const entryHeaderBytes = 1 + 6 + 4;
const commandsHeaderBytes = 1 + 6 + 6 + 6 + 4 + 4;
const commandHeaderBytes = 1 + 4;
const openBytes = 1 + 4 + 8 + 4 + 4;

/** Commands of one origin that take effect together, once. */
export interface CommandGroup {
  readonly kind: 'commands';
  /** 0 for commands that may be applied any number of times: reads that go through the log. */
  readonly session: SessionId;
  /** Rises by one from group to group of a session, from 1. */
  readonly sequence: number;
  /** The origin has the replies of all its groups up to this one; they may be forgotten. */
  readonly acknowledged: number;
  /**
   * The leader has to resolve its command before it is logged: no replica could compute the effect alone. Invariant: such a group has one
   * command, and an entry has no such group.
   */
  readonly isAlone: boolean;
  readonly count: number;
  /** `count` commands in the layout above. */
  readonly body: Uint8Array;
}

/** An origin asks for a session. The same four values ask for the same session. */
export interface OpenGroup {
  readonly kind: 'open';
  readonly node: NodeId;
  readonly member: MemberId;
  readonly incarnation: number;
  readonly nonce: number;
}

export type Group = CommandGroup | OpenGroup;

export interface Batch {
  readonly timeMs: number;
  readonly groups: readonly Group[];
}

/** The body of a command group. */
export function encodeCommands(commands: readonly EngineCommand[]): Uint8Array {
  let size = 0;
  for (const command of commands) size += commandHeaderBytes + command.bytes.length;
  const body = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { database, bytes } of commands) {
    assert(database >= 0 && database < 16, 'a database is 0…15');
    body[at] = database;
    at = body.writeUInt32BE(bytes.length, at + 1);
    body.set(bytes, at);
    at += bytes.length;
  }
  return body;
}

/** Undefined where the body does not hold exactly `count` commands. Commands are views into it. */
export function decodeCommands(body: Uint8Array, count: number): EngineCommand[] | undefined {
  const buffer = asBuffer(body);
  const commands: EngineCommand[] = [];
  let at = 0;
  while (at < buffer.length) {
    if (buffer.length - at < commandHeaderBytes) return undefined;
    const database = buffer.readUInt8(at);
    const start = at + commandHeaderBytes;
    at = start + buffer.readUInt32BE(at + 1);
    if (database > 15 || at > buffer.length) return undefined;
    commands.push({ database, bytes: buffer.subarray(start, at) });
  }
  return commands.length === count ? commands : undefined;
}

export function groupBytes(group: Group): number {
  return group.kind === 'open' ? openBytes : commandsHeaderBytes + group.body.length;
}

export function encodeGroup(group: Group): Uint8Array {
  const buffer = Buffer.allocUnsafe(groupBytes(group));
  writeGroup(buffer, 0, group);
  return buffer;
}

/** A single group, nothing behind it; undefined for anything else. */
export function decodeGroup(bytes: Uint8Array): Group | undefined {
  const buffer = asBuffer(bytes);
  const read = readGroup(buffer, 0);
  return read !== undefined && read.end === buffer.length ? read.group : undefined;
}

export function encodeBatch(batch: Batch): Uint8Array {
  let size = entryHeaderBytes;
  for (const group of batch.groups) size += groupBytes(group);
  const buffer = Buffer.allocUnsafe(size);
  buffer[0] = version;
  buffer.writeUIntBE(batch.timeMs, 1, 6);
  let at = buffer.writeUInt32BE(batch.groups.length, 7);
  for (const group of batch.groups) {
    assert(group.kind === 'open' || !group.isAlone, 'what enters the log is resolved');
    at = writeGroup(buffer, at, group);
  }
  assert(at === size, 'a batch fills its buffer');
  return buffer;
}

/** Undefined where the bytes are not a batch of a version this program knows. */
export function decodeBatch(data: Uint8Array): Batch | undefined {
  const buffer = asBuffer(data);
  if (buffer.length < entryHeaderBytes || buffer[0] !== version) return undefined;
  const timeMs = buffer.readUIntBE(1, 6);
  const count = buffer.readUInt32BE(7);
  const groups: Group[] = [];
  let at = entryHeaderBytes;
  while (groups.length < count) {
    const read = readGroup(buffer, at);
    if (read === undefined) return undefined;
    if (read.group.kind === 'commands' && read.group.isAlone) return undefined;
    groups.push(read.group);
    at = read.end;
  }
  return at === buffer.length ? { timeMs, groups } : undefined;
}

function writeGroup(buffer: Buffer, start: number, group: Group): number {
  if (group.kind === 'open') {
    let at = buffer.writeUInt8(kindOpen, start);
    at = buffer.writeUInt32BE(group.node, at);
    at += buffer.write(group.member, at, 8, 'hex');
    at = buffer.writeUInt32BE(group.incarnation, at);
    return buffer.writeUInt32BE(group.nonce, at);
  }
  let at = buffer.writeUInt8(group.isAlone ? kindAlone : kindCommands, start);
  at = buffer.writeUIntBE(group.session, at, 6);
  at = buffer.writeUIntBE(group.sequence, at, 6);
  at = buffer.writeUIntBE(group.acknowledged, at, 6);
  at = buffer.writeUInt32BE(group.count, at);
  at = buffer.writeUInt32BE(group.body.length, at);
  buffer.set(group.body, at);
  return at + group.body.length;
}

function readGroup(
  buffer: Buffer,
  start: number,
): { readonly group: Group; readonly end: number } | undefined {
  const kind = buffer[start];
  if (kind === kindOpen) {
    const end = start + openBytes;
    if (end > buffer.length) return undefined;
    const group: OpenGroup = {
      kind: 'open',
      node: nodeId(buffer.readUInt32BE(start + 1)),
      member: memberId(buffer.toString('hex', start + 5, start + 13)),
      incarnation: buffer.readUInt32BE(start + 13),
      nonce: buffer.readUInt32BE(start + 17),
    };
    return { group, end };
  }
  const isAlone = kind === kindAlone;
  if ((kind !== kindCommands && !isAlone) || start + commandsHeaderBytes > buffer.length)
    return undefined;
  const bodyStart = start + commandsHeaderBytes;
  const end = bodyStart + buffer.readUInt32BE(start + 23);
  if (end > buffer.length) return undefined;
  const group: CommandGroup = {
    kind: 'commands',
    session: sessionId(buffer.readUIntBE(start + 1, 6)),
    sequence: buffer.readUIntBE(start + 7, 6),
    acknowledged: buffer.readUIntBE(start + 13, 6),
    isAlone,
    count: buffer.readUInt32BE(start + 19),
    body: buffer.subarray(bodyStart, end),
  };
  return { group, end };
}
