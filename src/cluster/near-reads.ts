/**
 * Reads below strong of nodes without a replica, answered by a member's own: what travels, and the member's side.
 *
 * To the member they are like local reads of its own clients, passed on to the leader where its replica cannot answer. A batch is answered once
 * all of it is, in as many frames as it takes; frames that a lane has no room for leave with the ticks that follow. Of one peer
 * `batchesMax` are under way; what comes beyond is refused, and comes again.
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
  readonly transport: Pick<Transport, 'send'>;
  /** Whether this node takes commands of the group, and has room for more. */
  readonly hasRoom: (group: GroupId) => boolean;
  readonly submit: (group: GroupId, submission: Submission) => void;
}

/** One connection of a peer. */
interface Asker {
  /** Batches that are not answered. */
  batches: number;
  /** What its lane has not taken. */
  unsent: Uint8Array[];
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
    const asker = this.#askers.get(from) ?? { batches: 0, unsent: [] };
    this.#askers.set(from, asker);
    const isRefused = asker.batches >= batchesMax || !this.#options.hasRoom(frame.group);
    asker.batches += 1;
    if (isRefused) this.#answer(from, asker, frame, undefined, 0);
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
    let newest = 0;
    let missing = commands.length;
    let hasFailed = false;
    const oneLess = (): void => {
      missing -= 1;
      if (missing > 0) return;
      this.#answer(from, asker, frame, hasFailed ? undefined : replies, newest);
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
          replies[place] = reply;
          newest = Math.max(newest, index);
          oneLess();
        },
        fail: () => {
          hasFailed = true;
          oneLess();
        },
      });
    }
    if (commands.length === 0) this.#answer(from, asker, frame, replies, 0);
  }

  /** A connection that has ended is not answered: the peer asks again on the next. */
  #answer(
    to: NodeId,
    asker: Asker,
    { group, read }: NearReadFrame,
    replies: readonly string[] | undefined,
    index: number,
  ): void {
    asker.batches -= 1;
    if (this.#askers.get(to) !== asker) return;
    const frames: Uint8Array[] = [];
    let place = 0;
    do {
      const count = replies === undefined ? 0 : repliesInFrame(replies, place);
      const part = replies?.slice(place, place + count);
      frames.push(encodeReadAnswerFrame({ group, read, place, index, replies: part }));
      place += count;
    } while (place < (replies?.length ?? 0));
    if (asker.unsent.length > 0) asker.unsent.push(...frames);
    else this.#send(to, asker, frames);
  }

  #send(to: NodeId, asker: Asker, frames: readonly Uint8Array[]): void {
    const refused = frames.findIndex(
      (frame) => !this.#options.transport.send(to, 'data', frameKind.nearAnswer, [frame]),
    );
    if (refused >= 0) asker.unsent.push(...frames.slice(refused));
  }
}
