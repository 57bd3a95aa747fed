/**
 * The bytes of one direction of a connection between nodes: a preamble, then frames.
 *
 * preamble: "OUTRIG", version u16. frame: payload length u32, kind u8, crc32 u32 of kind and payload, payload.
 * All numbers are big-endian. `docs/peer-protocol.md` has the same as a page.
 *
 * Owns the layout and the taking apart of a byte stream. Must never allocate by an announced length (a stranger's
 * four bytes would cost a gigabyte), never hand out bytes that are used again, and never throw on what a peer sent.
 *
 * The idea: a frame that lies whole in one chunk of the socket is a view into that chunk, so a thousand small frames
 * cost no copy. (Who keeps such a payload keeps its chunk, at most 64 KB.) A frame that spans chunks is gathered in a
 * buffer of its own that starts at `gatherBytesMin` and grows by `gatherGrowth` behind what really arrived, so a large
 * frame is copied one and a third times, and bytes that dribble in one by one cost no more than others.
 */

import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';

/** Raised when nodes of different versions could not understand each other. */
export const protocolVersion: number = 2;

export const frameHeaderBytes: number = 9;

/** Kinds from here on belong to the transport itself (handshake, ping). */
export const ownKindMin: number = 240;

const magic: Buffer = Buffer.from('OUTRIG', 'latin1');
const preambleBytes = 8;

const gatherBytesMin = 65_536;
const gatherGrowth = 4;

/** The checksum of the kind's one byte, from which that of the payload goes on. */
const kindChecksums: readonly number[] = Array.from({ length: 256 }, (_, kind) =>
  crc32(Buffer.of(kind)),
);

/** What makes a byte stream useless; the connection must be closed. */
export type FrameFault =
  /** It does not start like a node of ours. */
  | { readonly kind: 'stranger' }
  | { readonly kind: 'version'; readonly version: number }
  /** Length or checksum; `reason` completes the sentence "sent …". */
  | { readonly kind: 'frame'; readonly reason: string };

export function preamble(): Buffer {
  const bytes = Buffer.alloc(preambleBytes);
  magic.copy(bytes);
  bytes.writeUInt16BE(protocolVersion, magic.length);
  return bytes;
}

/** The header of a frame whose payload is `parts`, one after the other, `payloadBytes` in all. */
export function frameHeader(
  kind: number,
  parts: readonly Uint8Array[],
  payloadBytes: number,
): Buffer {
  const header = Buffer.allocUnsafe(frameHeaderBytes);
  header.writeUInt32BE(payloadBytes, 0);
  header[4] = kind;
  let checksum = kindChecksums[kind] ?? 0;
  for (const part of parts) checksum = crc32(part, checksum);
  header.writeUInt32BE(checksum, 5);
  return header;
}

export interface FrameDecoderOptions {
  /** Bound on a payload; may be moved with `payloadBytesMax` once the peer is trusted. */
  readonly payloadBytesMax: number;
  /** Called inside `push`, frame by frame. May call `stop`. */
  readonly onFrame: (kind: number, payload: Uint8Array) => void;
}

/** Takes a byte stream apart. */
export class FrameDecoder {
  payloadBytesMax: number;
  readonly #onFrame: (kind: number, payload: Uint8Array) => void;
  /** Preamble or header that has arrived in part. */
  readonly #start: Buffer = Buffer.alloc(frameHeaderBytes);
  #startFilled = 0;
  #isPreambleRead = false;
  #isStopped = false;

  // Invariant: #gather is undefined between frames; else #gatherFilled <= #gather.length <= #length.
  #gather: Buffer | undefined;
  #gatherFilled = 0;
  #length = 0;
  #kind = 0;
  #checksum = 0;

  constructor(options: FrameDecoderOptions) {
    this.payloadBytesMax = options.payloadBytesMax;
    this.#onFrame = options.onFrame;
  }

  /** No frame is delivered from now on, not even from the chunk in hand. */
  stop(): void {
    this.#isStopped = true;
    this.#gather = undefined;
  }

  /** Delivers the frames that `chunk` completes. After a fault nothing may be pushed. */
  push(chunk: Buffer): FrameFault | undefined {
    let offset = 0;
    while (offset < chunk.length && !this.#isStopped) {
      if (!this.#isPreambleRead) {
        offset += this.#fillStart(chunk, offset, preambleBytes);
        const fault = this.#readPreamble();
        if (fault !== undefined) return fault;
      } else if (this.#gather !== undefined) {
        offset += this.#fillGather(chunk, offset, this.#gather);
        if (this.#gatherFilled < this.#length) continue;
        const payload = this.#gather;
        this.#gather = undefined;
        const fault = this.#deliver(payload);
        if (fault !== undefined) return fault;
      } else {
        const used = this.#readHeader(chunk, offset);
        if (used === 0) return undefined;
        if (this.#length > this.payloadBytesMax) {
          const text = `a frame of ${this.#length} bytes, more than ${this.payloadBytesMax}`;
          return { kind: 'frame', reason: text };
        }
        offset += used;
        if (chunk.length - offset < this.#length) {
          this.#gather = Buffer.allocUnsafe(Math.min(this.#length, gatherBytesMin));
          this.#gatherFilled = 0;
          continue;
        }
        const payload = chunk.subarray(offset, offset + this.#length);
        offset += this.#length;
        const fault = this.#deliver(payload);
        if (fault !== undefined) return fault;
      }
    }
    return undefined;
  }

  #readPreamble(): FrameFault | undefined {
    const compared = Math.min(this.#startFilled, magic.length);
    if (this.#start.compare(magic, 0, compared, 0, compared) !== 0) return { kind: 'stranger' };
    if (this.#startFilled < preambleBytes) return undefined;
    const version = this.#start.readUInt16BE(magic.length);
    if (version !== protocolVersion) return { kind: 'version', version };
    this.#startFilled = 0;
    this.#isPreambleRead = true;
    return undefined;
  }

  /** Reads the header at `offset`; answers how many bytes of the chunk it took, 0 if it is not complete. */
  #readHeader(chunk: Buffer, offset: number): number {
    let header = chunk;
    let at = offset;
    let used = frameHeaderBytes;
    if (this.#startFilled > 0 || chunk.length - offset < frameHeaderBytes) {
      used = this.#fillStart(chunk, offset, frameHeaderBytes);
      if (this.#startFilled < frameHeaderBytes) return 0;
      this.#startFilled = 0;
      header = this.#start;
      at = 0;
    }
    this.#length = header.readUInt32BE(at);
    this.#kind = header[at + 4] ?? 0;
    this.#checksum = header.readUInt32BE(at + 5);
    return used;
  }

  #fillStart(chunk: Buffer, offset: number, wanted: number): number {
    const end = Math.min(chunk.length, offset + wanted - this.#startFilled);
    const copied = chunk.copy(this.#start, this.#startFilled, offset, end);
    this.#startFilled += copied;
    return copied;
  }

  #fillGather(chunk: Buffer, offset: number, gather: Buffer): number {
    const taken = Math.min(chunk.length - offset, this.#length - this.#gatherFilled);
    let target = gather;
    const filled = this.#gatherFilled + taken;
    if (filled > target.length) {
      target = Buffer.allocUnsafe(
        Math.min(this.#length, Math.max(target.length * gatherGrowth, filled)),
      );
      gather.copy(target, 0, 0, this.#gatherFilled);
      this.#gather = target;
    }
    chunk.copy(target, this.#gatherFilled, offset, offset + taken);
    this.#gatherFilled = filled;
    return taken;
  }

  #deliver(payload: Uint8Array): FrameFault | undefined {
    if (crc32(payload, kindChecksums[this.#kind]) !== this.#checksum) {
      return { kind: 'frame', reason: 'a frame whose checksum is wrong' };
    }
    this.#onFrame(this.#kind, payload);
    return undefined;
  }
}
