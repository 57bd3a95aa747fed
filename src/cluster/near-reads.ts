/**
 * Reads below strong of nodes without a replica, answered by a member's own: what travels, and the member's side.
 *
 * To the member they are like local reads of its own clients, passed on to the leader where its replica cannot answer. A batch is answered once
 * all of it is, in as many frames as it takes; frames that a lane has no room for leave with the ticks that follow. Of one peer
 * `batchesMax` are under way, each until its last frame has left, with replies of `keptBytesMax`; what comes beyond is refused, and comes
 * again.
 *
 *     nearRead    u8 1 where it belongs to sessions | u32 bound in ms, the highest number for none | a read frame
 *     nearAnswer  a readAnswer frame
 */

import type { GroupId, NodeId } from '../base/ids.ts';
import { asBuffer } from '../replica/bytes.ts';
import type { Transport } from '../transport/transport.ts';
import type { Submission } from './cluster.ts';
import {
  decodeReadFrame,
  encodeReadAnswerFrame,
  encodeReadFrame,
  frameKind,
  repliesInFrame,
  type ReadFrame,
} from './frames.ts';
import type { SentReads } from './read-origin.ts';

const batchesMax = 256;
/** Refusals among what a lane has not taken; beyond, the peer's own time-out says it. */
const refusalsMax = 1024;
/** With so much in a lane no more is put there: half of what a lane takes, so that entries pass meanwhile. */
const laneBytesMax = 32 << 20;
/** Replies held for one peer, unless they are a single batch's. */
const keptBytesMax = 256 << 20;
const headBytes = 5;
const noBound = 2 ** 32 - 1;

export interface NearReadFrame extends ReadFrame {
  readonly isSession: boolean;
  readonly boundMs: number;
}

export function encodeNearRead(frame: NearReadFrame): readonly Uint8Array[] {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt8(frame.isSession ? 1 : 0, 0);
  head.writeUInt32BE(Math.min(frame.boundMs, noBound), 1);
  return [head, ...encodeReadFrame(frame)];
}

export function decodeNearRead(payload: Uint8Array): NearReadFrame | undefined {
  const buffer = asBuffer(payload);
  if (buffer.length < headBytes || buffer.readUInt8(0) > 1) return undefined;
  const frame = decodeReadFrame(buffer.subarray(headBytes));
  if (frame === undefined) return undefined;
  const bound = buffer.readUInt32BE(1);
  return {
    ...frame,
    isSession: buffer.readUInt8(0) === 1,
    boundMs: bound === noBound ? Infinity : bound,
  };
}

/** One frame for all: what the strictest of them asks for. */
export function nearReadOf(group: GroupId, { read, floor, submissions }: SentReads): NearReadFrame {
  let boundMs = Infinity;
  let isSession = false;
  for (const submission of submissions) {
    boundMs = Math.min(boundMs, submission.boundMs ?? Infinity);
    isSession ||= submission.floor !== undefined;
  }
  return { group, read, floor, commands: submissions, isSession, boundMs };
}

export interface NearReadsOptions {
  readonly transport: Pick<Transport, 'send' | 'queuedBytes'>;
  /** Whether this node takes commands of the group, and has room for more. */
  readonly hasRoom: (group: GroupId) => boolean;
  readonly submit: (group: GroupId, submission: Submission) => void;
}

/** One connection of a peer. */
interface Asker {
  /** Batches of which not all frames have left. */
  batches: number;
  /** Of the replies to them. */
  bytes: number;
  /** What its lane has not taken. */
  unsent: Unsent[];
}

interface Unsent {
  readonly frame: Uint8Array;
  /** The batch that ends with this frame. */
  readonly ends: Batch | undefined;
}

interface Batch {
  /** Of its replies so far. */
  bytes: number;
}

export class NearReads {
  readonly #options: NearReadsOptions;
  readonly #askers = new Map<NodeId, Asker>();

  constructor(options: NearReadsOptions) {
    this.#options = options;
  }

  /** False where the frame makes no sense. */
  receive(from: NodeId, payload: Uint8Array): boolean {
    const frame = decodeNearRead(payload);
    if (frame === undefined) return false;
    const asker = this.#askers.get(from) ?? { batches: 0, bytes: 0, unsent: [] };
    this.#askers.set(from, asker);
    const isRefused = asker.batches >= batchesMax || !this.#options.hasRoom(frame.group);
    if (isRefused && asker.batches >= batchesMax + refusalsMax) return true;
    asker.batches += 1;
    if (isRefused) this.#answer(from, asker, frame, { bytes: 0 }, undefined, 0);
    else this.#submit(from, asker, frame);
    return true;
  }

  disconnected(peer: NodeId): void {
    this.#askers.delete(peer);
  }

  /** Sends what lanes had no room for; called every heartbeat interval. */
  tick(): void {
    for (const [peer, asker] of this.#askers) this.#send(peer, asker, asker.unsent.splice(0));
  }

  #submit(from: NodeId, asker: Asker, frame: NearReadFrame): void {
    const { group, floor, isSession, boundMs, commands } = frame;
    const replies: string[] = [];
    const batch: Batch = { bytes: 0 };
    let newest = 0;
    let missing = commands.length;
    let hasFailed = false;
    const oneLess = (): void => {
      missing -= 1;
      if (missing > 0) return;
      this.#answer(from, asker, frame, batch, hasFailed ? undefined : replies, newest);
    };
    const failed = (): void => {
      hasFailed = true;
      replies.length = 0;
      asker.bytes -= batch.bytes;
      batch.bytes = 0;
    };
    const keep = (reply: string, place: number): void => {
      const isOnly = asker.bytes === batch.bytes;
      if (!isOnly && asker.bytes + reply.length > keptBytesMax) failed();
      if (hasFailed) return;
      replies[place] = reply;
      batch.bytes += reply.length;
      asker.bytes += reply.length;
    };
    for (const [place, { database, bytes }] of commands.entries()) {
      this.#options.submit(group, {
        path: 'local',
        isAlone: false,
        floor: isSession ? floor : undefined,
        boundMs,
        database,
        bytes,
        settle: (reply, index) => {
          keep(reply, place);
          newest = Math.max(newest, index);
          oneLess();
        },
        fail: () => {
          failed();
          oneLess();
        },
      });
    }
    if (commands.length === 0) this.#answer(from, asker, frame, batch, replies, 0);
  }

  /** A connection that has ended is not answered: the peer asks again on the next. */
  #answer(
    to: NodeId,
    asker: Asker,
    { group, read }: NearReadFrame,
    batch: Batch,
    replies: readonly string[] | undefined,
    index: number,
  ): void {
    if (this.#askers.get(to) !== asker) return;
    const frames: Unsent[] = [];
    let place = 0;
    do {
      const count = replies === undefined ? 0 : repliesInFrame(replies, place);
      const part = replies?.slice(place, place + count);
      const frame = encodeReadAnswerFrame({ group, read, place, index, replies: part });
      place += count;
      frames.push({ frame, ends: place < (replies?.length ?? 0) ? undefined : batch });
    } while (place < (replies?.length ?? 0));
    if (asker.unsent.length > 0) asker.unsent.push(...frames);
    else this.#send(to, asker, frames);
  }

  #send(to: NodeId, asker: Asker, frames: readonly Unsent[]): void {
    const { transport } = this.#options;
    for (const [at, { frame, ends }] of frames.entries()) {
      const hasRoom = transport.queuedBytes(to, 'data') < laneBytesMax;
      if (!hasRoom || !transport.send(to, 'data', frameKind.nearAnswer, [frame])) {
        asker.unsent.push(...frames.slice(at));
        return;
      }
      if (ends === undefined) continue;
      asker.batches -= 1;
      asker.bytes -= ends.bytes;
    }
  }
}
