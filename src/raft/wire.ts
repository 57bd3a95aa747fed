/**
 * Reading and writing binary forms: fixed-width big-endian numbers, checked against the end of the bytes.
 *
 * A reader never throws and never trusts a length: once something does not fit, `isBroken` stays true and every
 * further read gives 0 or nothing.
 */

/** Writes into memory that grows by doubling. */
export class WireWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** 0…255. */
  byte(value: number): void {
    this.#reserve(1);
    this.#view.setUint8(this.#length, value);
    this.#length += 1;
  }

  /** 0…2^32-1. */
  count(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value);
    this.#length += 4;
  }

  /** A safe integer from 0 on, in 7 bytes. */
  number(value: number): void {
    this.#reserve(7);
    const high = Math.floor(value / 0x1_0000_0000);
    this.#view.setUint8(this.#length, high >>> 16);
    this.#view.setUint16(this.#length + 1, high & 0xffff);
    this.#view.setUint32(this.#length + 3, value >>> 0);
    this.#length += 7;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was written since `from`; a view that later writing does not change. */
  since(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads what a writer wrote, or anything at all. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #place = 0;
  #isBroken = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
    return this.#has(1) ? this.#view.getUint8(this.#advance(1)) : 0;
  }

  count(): number {
    return this.#has(4) ? this.#view.getUint32(this.#advance(4)) : 0;
  }

  /** A safe integer; a number beyond 2^53-1 breaks the reader. */
  number(): number {
    if (!this.#has(7)) return 0;
    const at = this.#advance(7);
    const high = this.#view.getUint8(at) * 0x1_0000 + this.#view.getUint16(at + 1);
    const value = high * 0x1_0000_0000 + this.#view.getUint32(at + 3);
    if (Number.isSafeInteger(value)) return value;
    this.fail();
    return 0;
  }

  /** A view of the next `length` bytes. */
  raw(length: number): Uint8Array {
    if (!this.#has(length)) return this.#bytes.subarray(0, 0);
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  #has(length: number): boolean {
    if (this.#isBroken || length > this.#bytes.length - this.#place) this.#isBroken = true;
    return !this.#isBroken;
  }

  #advance(length: number): number {
    const at = this.#place;
    this.#place += length;
    return at;
  }
}
