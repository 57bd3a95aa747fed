/**
 * One number for everything that clients could see, the same for equal data whatever its history.
 *
 * Every key is hashed with its database, type, value and deadline, and the 128-bit hashes are added up. A sum does not depend on
 * the order of keys, so nothing is sorted. All keys are hashed in one go, about a microsecond each. It tells replicas that differ by mistake; it is no defence against someone who
 * chooses data to deceive it.
 */

import type { Item, Keyspace } from './keyspace.ts';

const lanes = 4;

/** @param timeMs - keys whose deadline is not after it do not count */
export function digestOf(databases: readonly Keyspace[], timeMs: number): string {
  const sum = new Uint32Array(lanes);
  for (const [database, keyspace] of databases.entries()) {
    for (const item of keyspace.snapshot()) {
      const isDue = item.deadline !== undefined && item.deadline.atMs <= timeMs;
      if (!isDue) addWide(sum, hashOf(database, item));
    }
  }
  return [...sum].map((lane) => lane.toString(16).padStart(8, '0')).join('');
}

function hashOf(database: number, item: Item): Uint32Array {
  const hash = new ItemHash();
  hash.add(String(database));
  hash.add(item.key);
  hash.add(item.kind);
  hash.add(item.text);
  hash.add(item.deadline === undefined ? '' : String(item.deadline.atMs));
  return hash.finish();
}

/** Adds into `sum`, the last lane being the lowest. */
function addWide(sum: Uint32Array, other: Uint32Array): void {
  let carry = 0;
  for (let lane = lanes - 1; lane >= 0; lane -= 1) {
    const total = (sum[lane] ?? 0) + (other[lane] ?? 0) + carry;
    sum[lane] = total;
    carry = total > 0xffffffff ? 1 : 0;
  }
}

/** Four multiply-and-xor hashes with different constants, stirred at the end (the finish of MurmurHash3). */
class ItemHash {
  #a = 0x9e3779b1;
  #b = 0x85ebca77;
  #c = 0xc2b2ae3d;
  #d = 0x27d4eb2f;

  /** The length goes first, so that no two lists of fields run together; then four chars, which are bytes, at a time. */
  add(field: string): void {
    const { length } = field;
    this.#stir(length);
    const whole = length - (length % 4);
    for (let at = 0; at < whole; at += 4) {
      const low = field.charCodeAt(at) | (field.charCodeAt(at + 1) << 8);
      this.#stir(low | (field.charCodeAt(at + 2) << 16) | (field.charCodeAt(at + 3) << 24));
    }
    for (let at = whole; at < length; at += 1) this.#stir(field.charCodeAt(at));
  }

  finish(): Uint32Array {
    const mixed = new Uint32Array(lanes);
    let before = 0;
    for (const [lane, value] of [this.#a, this.#b, this.#c, this.#d].entries()) {
      before = mix(value ^ before);
      mixed[lane] = before;
    }
    return mixed;
  }

  #stir(word: number): void {
    this.#a = rotate(Math.imul(this.#a ^ word, 0x01000193), 5);
    this.#b = rotate(Math.imul(this.#b + word, 0x85ebca6b), 13);
    this.#c = Math.imul(rotate(this.#c ^ this.#a, 7) + word, 0xc2b2ae35);
    this.#d = rotate(Math.imul(this.#d ^ this.#b, 0x2c1b3c6d) + this.#c, 11);
  }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
