/**
 * Reading and writing binary forms: fixed-width big-endian numbers, checked against the end of the bytes.
 *
 * A reader never throws and never trusts a length: once something does not fit, `isBroken` stays true and every
 * further read gives 0 or nothing. Bytes are moved one by one: for the few numbers of a message that is quicker than making a
 * DataView of it.
 */

import { assert } from '../base/assert.ts';

/** Writes into memory of a size that is known beforehand. */
export class WireWriter {
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
  }

  get length(): number {
    return this.#length;
  }

  /** 0…255. */
  byte(value: number): void {
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** 0…2^32-1. */
  count(value: number): void {
    const bytes = this.#bytes;
    const at = this.#length;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.#length = at + 4;
  }

  /** A safe integer from 0 on, in 7 bytes. */
  number(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000);
    this.byte(high >>> 16);
    this.byte(high >>> 8);
    this.byte(high);
    this.count(value >>> 0);
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** All of it, once it has been filled. */
  done(): Uint8Array {
    assert(this.#length === this.#bytes.length, 'what is written has the size that was announced');
    return this.#bytes;
  }
}

/** Reads what a writer wrote, or anything at all. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #place = 0;
  #isBroken = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** True once something did not fit or was marked so. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  get remaining(): number {
    return this.#isBroken ? 0 : this.#bytes.length - this.#place;
  }

  /** What was read makes no sense. */
  fail(): void {
    this.#isBroken = true;
  }

  byte(): number {
    return this.#has(1) ? this.#next() : 0;
  }

  count(): number {
    return this.#has(4) ? this.#word() : 0;
  }

  /** A safe integer; a number beyond 2^53-1 breaks the reader. */
  number(): number {
    if (!this.#has(7)) return 0;
    const high = this.#next() * 0x1_0000 + this.#next() * 0x100 + this.#next();
    const value = high * 0x1_0000_0000 + this.#word();
    if (Number.isSafeInteger(value)) return value;
    this.fail();
    return 0;
  }

  /** A view of the next `length` bytes. */
  raw(length: number): Uint8Array {
    if (!this.#has(length)) return this.#bytes.subarray(0, 0);
    const at = this.#place;
    this.#place += length;
    return this.#bytes.subarray(at, at + length);
  }

  #has(length: number): boolean {
    if (this.#isBroken || length > this.#bytes.length - this.#place) this.#isBroken = true;
    return !this.#isBroken;
  }

  #word(): number {
    return (
      (this.#next() * 0x100_0000 + (this.#next() << 16) + (this.#next() << 8) + this.#next()) >>> 0
    );
  }

  /** The next byte; `#has` has been asked. */
  #next(): number {
    const value = this.#bytes[this.#place] ?? 0;
    this.#place += 1;
    return value;
  }
}
