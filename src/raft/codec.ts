/**
 * Messages between nodes as bytes.
 *
 * Format 1, all numbers big-endian, terms, indexes and ids in 7 bytes: version, type, flags (1: rejected, 2: snapshot
 * present), to, from, term, logTerm, index, commit, rejectHint, context (length 2 bytes, bytes), entries (count 4 bytes; each term, index,
 * type, length 4 bytes, data), snapshot (index, term, four lists of ids with counts, autoLeave, length 4 bytes, data), end. Bigger
 * data is not copied when encoding, and never when decoding.
 *
 * Decoding believes nothing: what is cut short, too long, of an unknown version, or makes no sense as Raft (a vote without a
 * term, an append with a gap, a configuration with a node in two parts) is undefined. It allocates in proportion to the
 * bytes it was given.
 */

import { assert } from '../base/assert.ts';
import { index, nodeId, term, type Index, type NodeId, type Term } from '../base/ids.ts';
import { isValidConf } from './membership.ts';
import type { ConfState, Entry, EntryType, Message, MessageType, Snapshot } from './message.ts';
import { WireReader, WireWriter } from './wire.ts';

const formatVersion = 1;
const flagRejected = 1;
const flagSnapshot = 2;

/** Data up to this size is copied behind its header: one part more costs more than the copy. */
const copyBytesMax = 512;

/** Contexts are short: a round of heartbeats, or what names a read. */
const contextBytesMax = 0xffff;

/** Members of one kind in a configuration; bounds the work of checking one. */
const listedIdsMax = 1024;

/** What an entry takes at least: term, index, type, length. */
const entryBytesMin = 7 + 7 + 1 + 4;

/** Bytes between nodes: positions are part of the format, append only. */
const entryTypes: readonly EntryType[] = ['normal', 'conf-change', 'conf-change-v2'];

/** Positions are part of the format, append only. Local and storage messages are not among them: they never travel. */
const messageTypes: readonly MessageType[] = [
  'MsgProp',
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgTransferLeader',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgPreVote',
  'MsgPreVoteResp',
];

const codeOfType: ReadonlyMap<MessageType, number> = new Map(
  messageTypes.map((type, code) => [type, code]),
);

/** The message's bytes in parts, to be sent one after the other. Parts may share memory with the entries' data. */
export function encodeMessage(message: Message): readonly Uint8Array[] {
  const type = codeOfType.get(message.type);
  assert(type !== undefined, 'only messages between nodes are encoded');
  assert(message.context.length <= contextBytesMax, 'a context is short');
  const out = new Parts(sizeOf(message));
  const { writer } = out;
  writer.byte(formatVersion);
  writer.byte(type);
  writer.byte(
    (message.reject ? flagRejected : 0) | (message.snapshot === undefined ? 0 : flagSnapshot),
  );
  writer.number(message.to);
  writer.number(message.from);
  writer.number(message.term);
  writer.number(message.logTerm);
  writer.number(message.index);
  writer.number(message.commit);
  writer.number(message.rejectHint);
  writer.byte(message.context.length >>> 8);
  writer.byte(message.context.length & 0xff);
  writer.raw(message.context);
  writer.count(message.entries.length);
  for (const entry of message.entries) {
    writer.number(entry.term);
    writer.number(entry.index);
    writer.byte(entryTypes.indexOf(entry.type));
    out.data(entry.data);
  }
  if (message.snapshot !== undefined) writeSnapshot(out, message.snapshot);
  return out.done();
}

function writeSnapshot(out: Parts, snapshot: Snapshot): void {
  const { writer } = out;
  const { confState } = snapshot;
  writer.number(snapshot.index);
  writer.number(snapshot.term);
  for (const list of [
    confState.voters,
    confState.votersOutgoing,
    confState.learners,
    confState.learnersNext,
  ]) {
    writer.count(list.length);
    for (const id of list) writer.number(id);
  }
  writer.byte(confState.autoLeave ? 1 : 0);
  out.data(snapshot.data);
}

const numberBytes = 7;
const countBytes = 4;
const headerBytes = 3 + 7 * numberBytes + 2 + countBytes;

/** Bytes of `data` that are copied behind its length. */
const copiedBytes = (data: Uint8Array): number => (data.length <= copyBytesMax ? data.length : 0);

/** What is written, data that stays where it is aside. */
function sizeOf(message: Message): number {
  let size = headerBytes + message.context.length;
  for (const { data } of message.entries) size += entryBytesMin + copiedBytes(data);
  const { snapshot } = message;
  if (snapshot === undefined) return size;
  const { voters, votersOutgoing, learners, learnersNext } = snapshot.confState;
  const ids = voters.length + votersOutgoing.length + learners.length + learnersNext.length;
  const lists = 4 * countBytes + ids * numberBytes + 1;
  return size + 2 * numberBytes + lists + countBytes + copiedBytes(snapshot.data);
}

interface Cut {
  readonly at: number;
  readonly data: Uint8Array;
}

/** Written bytes, cut where data goes in between uncopied. */
class Parts {
  readonly writer: WireWriter;
  readonly #cuts: Cut[] = [];

  constructor(size: number) {
    this.writer = new WireWriter(size);
  }

  /** Length and bytes. */
  data(bytes: Uint8Array): void {
    this.writer.count(bytes.length);
    if (bytes.length <= copyBytesMax) this.writer.raw(bytes);
    else this.#cuts.push({ at: this.writer.length, data: bytes });
  }

  done(): readonly Uint8Array[] {
    const all = this.writer.done();
    if (this.#cuts.length === 0) return [all];
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { at, data } of this.#cuts) {
      parts.push(all.subarray(from, at), data);
      from = at;
    }
    if (all.length > from) parts.push(all.subarray(from));
    return parts;
  }
}

/** The message in all of `bytes`, or undefined. Its data are views into them. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  const reader = new WireReader(bytes);
  if (reader.byte() !== formatVersion) return undefined;
  const type = messageTypes[reader.byte()];
  if (type === undefined) return undefined;
  const flags = reader.byte();
  if (flags > (flagRejected | flagSnapshot)) return undefined;
  const message: Message = {
    type,
    to: readId(reader),
    from: readId(reader),
    term: readTerm(reader),
    logTerm: readTerm(reader),
    index: readIndex(reader),
    commit: readIndex(reader),
    rejectHint: readIndex(reader),
    vote: nodeId(0),
    reject: (flags & flagRejected) !== 0,
    context: reader.raw(reader.byte() * 0x100 + reader.byte()),
    entries: readEntries(reader),
    snapshot: (flags & flagSnapshot) === 0 ? undefined : readSnapshot(reader),
    responses: [],
  };
  if (reader.isBroken || reader.remaining > 0) return undefined;
  return makesSense(message) ? message : undefined;
}

const readId = (reader: WireReader): NodeId => nodeId(reader.number());
const readTerm = (reader: WireReader): Term => term(reader.number());
const readIndex = (reader: WireReader): Index => index(reader.number());

function readEntries(reader: WireReader): readonly Entry[] {
  const count = reader.count();
  const entries: Entry[] = [];
  if (count * entryBytesMin > reader.remaining) {
    reader.fail();
    return entries;
  }
  for (let place = 0; place < count && !reader.isBroken; place += 1) {
    const entryTerm = readTerm(reader);
    const entryIndex = readIndex(reader);
    const type = entryTypes[reader.byte()];
    const data = reader.raw(reader.count());
    if (type === undefined) reader.fail();
    else entries.push({ term: entryTerm, index: entryIndex, type, data });
  }
  return entries;
}

function readSnapshot(reader: WireReader): Snapshot | undefined {
  const snapshotIndex = readIndex(reader);
  const snapshotTerm = readTerm(reader);
  const confState: ConfState = {
    voters: readIds(reader),
    votersOutgoing: readIds(reader),
    learners: readIds(reader),
    learnersNext: readIds(reader),
    autoLeave: readFlag(reader),
  };
  const data = reader.raw(reader.count());
  if (reader.isBroken || !isValidConf(confState)) reader.fail();
  return { index: snapshotIndex, term: snapshotTerm, confState, data };
}

function readIds(reader: WireReader): readonly NodeId[] {
  const count = reader.count();
  const ids: NodeId[] = [];
  if (count > listedIdsMax || count * 7 > reader.remaining) reader.fail();
  for (let place = 0; place < count && !reader.isBroken; place += 1) ids.push(readId(reader));
  return ids;
}

function readFlag(reader: WireReader): boolean {
  const value = reader.byte();
  if (value > 1) reader.fail();
  return value === 1;
}

/** What the core relies on and a sender must have kept. */
function makesSense(message: Message): boolean {
  const { type, entries, snapshot } = message;
  if (message.from === 0 || message.to === 0) return false;
  const isForwarded = type === 'MsgProp' || type === 'MsgReadIndex';
  if (isForwarded !== (message.term === 0)) return false;
  if ((type === 'MsgSnap') !== (snapshot !== undefined)) return false;
  if (snapshot !== undefined && (snapshot.index === 0 || snapshot.term > message.term))
    return false;
  if (type === 'MsgProp') return entries.length > 0;
  if (type !== 'MsgApp') return entries.length === 0;
  return continues(message);
}

/** An append's entries follow the one it names without a gap, in terms that do not fall and have begun. */
function continues(message: Message): boolean {
  let lastIndex: number = message.index;
  let lastTerm: number = message.logTerm;
  if (lastTerm > message.term) return false;
  for (const entry of message.entries) {
    if (entry.index !== lastIndex + 1 || entry.term < lastTerm || entry.term === 0) return false;
    lastIndex = entry.index;
    lastTerm = entry.term;
  }
  return lastTerm <= message.term;
}
