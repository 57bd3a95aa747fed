/**
 * The values of the log's records: an envelope that is the same for all kinds and versions, and a payload for each kind.
 *
 * The envelope is: version (u8), kind (u8, the key's), payload, CRC-32 (u32) over the key and all before it. A value that
 * was moved to another key, cut or altered does not verify. Because the envelope never changes, a CRC that holds under an
 * unknown version means a newer program and not damage. Numbers are big-endian; u64 carry safe integers only.
 * Bytes from disk are validated here and never asserted. The byte tables are in `docs/storage-format.md`.
 */

import { crc32 } from 'node:zlib';

import { assert } from '../base/assert.ts';
import { clusterId, index, memberId, nodeId, term } from '../base/ids.ts';
import type { Index, NodeId } from '../base/ids.ts';
import type { ConfState, Entry, EntryType, HardState } from '../raft/message.ts';
import { kindBase, kindEntry, kindFormat, kindHardState, kindIdentity } from './keys.ts';
import type { GroupBase, Identity, MemberIdentity } from './log.ts';

/** The layout of keys and payloads that this program writes, and the newest it reads. */
export const formatVersion = 1;

const headBytes = 2;
const crcBytes = 4;
const memberIdBytes = 8;
const clusterIdBytes = 16;

/** On disk an entry's type is its place in this list. */
const entryTypes: readonly EntryType[] = ['normal', 'conf-change', 'conf-change-v2'];
/** On disk a phase is its place in this list. */
const phases: readonly Identity['phase'][] = ['new', 'agreed', 'formed'];

/** A value that cannot be used. `newer`: it is whole, but a newer program wrote it. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
  readonly isNewer: boolean;

  constructor(message: string, isNewer = false) {
    super(message);
    this.isNewer = isNewer;
  }
}

export function encodeFormat(key: Uint8Array, version: number): Buffer {
  const writer = new RecordWriter(kindFormat, 2);
  writer.u16(version);
  return writer.seal(key);
}

/** The version of the directory as a whole; the caller compares it. */
export function decodeFormat(key: Uint8Array, value: Uint8Array): number {
  const reader = openRecord(key, value);
  const version = reader.u16();
  reader.end();
  return version;
}

export function encodeIdentity(key: Uint8Array, identity: Identity): Buffer {
  const members = identity.members;
  const fixedBytes = 1 + 4 + memberIdBytes + 8 + clusterIdBytes + 2 + 2;
  const writer = new RecordWriter(kindIdentity, fixedBytes + members.length * (4 + memberIdBytes));
  writer.u8(phases.indexOf(identity.phase));
  writer.u32(identity.nodeId);
  writer.hex(identity.memberId, memberIdBytes);
  writer.u64(identity.incarnation);
  writer.hex(identity.clusterId ?? '0'.repeat(2 * clusterIdBytes), clusterIdBytes);
  writer.u16(identity.shards);
  writer.u16(members.length);
  for (const member of members) {
    writer.u32(member.nodeId);
    writer.hex(member.memberId, memberIdBytes);
  }
  return writer.seal(key);
}

export function decodeIdentity(key: Uint8Array, value: Uint8Array): Identity {
  const reader = openRecord(key, value);
  const phase = phases[reader.u8()];
  if (phase === undefined) throw new RecordError('has an unknown phase');
  const own = nodeId(reader.u32());
  const member = memberId(reader.hex(memberIdBytes));
  const incarnation = reader.u64();
  const cluster = clusterId(reader.hex(clusterIdBytes));
  const shards = reader.u16();
  const members: MemberIdentity[] = [];
  for (let left = reader.u16(); left > 0; left -= 1) {
    members.push({ nodeId: nodeId(reader.u32()), memberId: memberId(reader.hex(memberIdBytes)) });
  }
  reader.end();
  return {
    phase,
    nodeId: own,
    memberId: member,
    incarnation,
    clusterId: phase === 'new' ? undefined : cluster,
    members,
    shards,
  };
}

export function encodeBase(key: Uint8Array, base: GroupBase): Buffer {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = base.confState;
  const lists = [voters, votersOutgoing, learners, learnersNext];
  const listBytes = lists.reduce((sum, list) => sum + 2 + 4 * list.length, 0);
  const writer = new RecordWriter(kindBase, 8 + 8 + 1 + listBytes);
  writer.u64(base.index);
  writer.u64(base.term);
  writer.u8(autoLeave ? 1 : 0);
  for (const list of lists) writer.nodes(list);
  return writer.seal(key);
}

export function decodeBase(key: Uint8Array, value: Uint8Array): GroupBase {
  const reader = openRecord(key, value);
  const baseIndex = index(reader.u64());
  const baseTerm = term(reader.u64());
  const autoLeave = reader.u8() === 1;
  const confState: ConfState = {
    voters: reader.nodes(),
    votersOutgoing: reader.nodes(),
    learners: reader.nodes(),
    learnersNext: reader.nodes(),
    autoLeave,
  };
  reader.end();
  return { index: baseIndex, term: baseTerm, confState };
}

export function encodeHardState(key: Uint8Array, hardState: HardState): Buffer {
  const writer = new RecordWriter(kindHardState, 8 + 4 + 8);
  writer.u64(hardState.term);
  writer.u32(hardState.vote);
  writer.u64(hardState.commit);
  return writer.seal(key);
}

export function decodeHardState(key: Uint8Array, value: Uint8Array): HardState {
  const reader = openRecord(key, value);
  const hardState: HardState = {
    term: term(reader.u64()),
    vote: nodeId(reader.u32()),
    commit: index(reader.u64()),
  };
  reader.end();
  return hardState;
}

/** Copies the entry's data once, into the returned value. */
export function encodeEntry(key: Uint8Array, entry: Entry): Buffer {
  const writer = new RecordWriter(kindEntry, 8 + 1 + entry.data.length);
  writer.u64(entry.term);
  writer.u8(entryTypes.indexOf(entry.type));
  writer.bytes(entry.data);
  return writer.seal(key);
}

/** The entry's data is a view of `value`, which must not change afterwards. */
export function decodeEntry(key: Uint8Array, value: Uint8Array, at: Index): Entry {
  const reader = openRecord(key, value);
  const entryTerm = term(reader.u64());
  const type = entryTypes[reader.u8()];
  if (type === undefined) throw new RecordError('has an unknown entry type');
  return { term: entryTerm, index: at, type, data: reader.rest() };
}

/** Verifies the envelope and stands before the payload. Throws a `RecordError`. */
function openRecord(key: Uint8Array, value: Uint8Array): RecordReader {
  const end = value.length - crcBytes;
  if (end < headBytes) throw new RecordError('is cut short');
  const reader = new RecordReader(value, end);
  if (crc32(value.subarray(0, end), crc32(key)) !== reader.crc()) {
    throw new RecordError('does not match its CRC');
  }
  const version = reader.u8();
  if (version > formatVersion) throw new RecordError(`has format version ${String(version)}`, true);
  if (version !== formatVersion) throw new RecordError('has no valid format version');
  if (reader.u8() !== key[0]) throw new RecordError('is of another kind than its key');
  return reader;
}

/** Fills one record of a size known beforehand. A field that does not fit is our own bug. */
class RecordWriter {
  readonly #bytes: Buffer;
  #at: number;

  constructor(kind: number, payloadBytes: number) {
    this.#bytes = Buffer.allocUnsafe(headBytes + payloadBytes + crcBytes);
    this.#bytes[0] = formatVersion;
    this.#bytes[1] = kind;
    this.#at = headBytes;
  }

  u8(value: number): void {
    this.#at = this.#bytes.writeUInt8(value, this.#at);
  }

  u16(value: number): void {
    this.#at = this.#bytes.writeUInt16BE(value, this.#at);
  }

  u32(value: number): void {
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
  }

  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a stored number is a safe integer');
    this.u32(Math.floor(value / 2 ** 32));
    this.u32(value % 2 ** 32);
  }

  hex(digits: string, byteCount: number): void {
    assert(digits.length === 2 * byteCount, 'an id has all its hex digits');
    const written = this.#bytes.write(digits, this.#at, byteCount, 'hex');
    assert(written === byteCount, 'an id consists of hex digits');
    this.#at += byteCount;
  }

  nodes(list: readonly NodeId[]): void {
    this.u16(list.length);
    for (const node of list) this.u32(node);
  }

  bytes(data: Uint8Array): void {
    this.#bytes.set(data, this.#at);
    this.#at += data.length;
  }

  seal(key: Uint8Array): Buffer {
    assert(this.#at === this.#bytes.length - crcBytes, 'a record is filled to its end');
    this.u32(crc32(this.#bytes.subarray(0, this.#at), crc32(key)));
    return this.#bytes;
  }
}

/** Reads a payload's fields; one that is not there is a `RecordError`. */
class RecordReader {
  readonly #value: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #at = 0;

  constructor(value: Uint8Array, end: number) {
    this.#value = value;
    this.#view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    this.#end = end;
  }

  crc(): number {
    return this.#view.getUint32(this.#end);
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  u64(): number {
    const value = this.u32() * 2 ** 32 + this.u32();
    if (!Number.isSafeInteger(value)) throw new RecordError('has a number beyond 2^53');
    return value;
  }

  hex(byteCount: number): string {
    const from = this.#advance(byteCount);
    return Buffer.from(this.#value.subarray(from, from + byteCount)).toString('hex');
  }

  nodes(): readonly NodeId[] {
    const list: NodeId[] = [];
    for (let left = this.u16(); left > 0; left -= 1) list.push(nodeId(this.u32()));
    return list;
  }

  rest(): Uint8Array {
    return this.#value.subarray(this.#at, this.#end);
  }

  end(): void {
    if (this.#at !== this.#end) throw new RecordError('is longer than its fields');
  }

  #advance(byteCount: number): number {
    const from = this.#at;
    if (from + byteCount > this.#end) throw new RecordError('is shorter than its fields');
    this.#at += byteCount;
    return from;
  }
}
