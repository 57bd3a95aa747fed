/**
 * The frames of one turn on their way into one socket write.
 *
 * Owns what was sent and not yet given to the socket. Must never change or keep the bytes it was given any longer.
 * Small parts are joined into one buffer, since each place in a vector costs more than a short copy; parts from
 * `joinedBytesMax` on are passed as they are.
 */

import { Buffer } from 'node:buffer';
import { frameHeader, frameHeaderBytes } from './frame.ts';

/** 40 parts of 20 bytes: joined 25 us a turn, vector 35; 10 of 2 KB: 36 and 27 (bench/socket-parts.ts, 2 cores). */
const joinedBytesMax = 2048;

export class Outbox {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** Bytes that wait, headers included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `payloadBytes` is the sum of the parts. */
  add(kind: number, parts: readonly Uint8Array[], payloadBytes: number): void {
    this.#parts.push(frameHeader(kind, parts, payloadBytes));
    for (const part of parts) this.#parts.push(part);
    this.#bytes += frameHeaderBytes + payloadBytes;
  }

  /** Empties the box into as few buffers as is cheap. */
  take(): Uint8Array[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    const buffers: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at <= parts.length; at += 1) {
      const part = parts[at];
      if (part !== undefined && part.length < joinedBytesMax) continue;
      if (at - from === 1) buffers.push(parts[from] ?? part ?? Buffer.alloc(0));
      else if (at > from) buffers.push(Buffer.concat(parts.slice(from, at)));
      if (part !== undefined) buffers.push(part);
      from = at + 1;
    }
    return buffers;
  }
}
