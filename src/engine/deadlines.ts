/**
 * The keys of one database that have a deadline, earliest first: a binary heap whose nodes know their place.
 *
 * Because a node knows its place, a deadline that is set anew or taken away leaves nothing behind; a key whose TTL is renewed a
 * thousand times is still one node.
 *
 * Invariant: `nodes[node.place] === node`, and no node is later than its children (2p + 1 and 2p + 2).
 */

import { assert } from '../base/assert.ts';
import type { Int64 } from './int64.ts';

export interface Deadline<Owner> {
  readonly owner: Owner;
  /** Milliseconds since 1970. Changed by the heap only. */
  atMs: Int64;
  /** Position in the heap. Changed by the heap only. */
  place: number;
}

export class Deadlines<Owner> {
  readonly #nodes: Deadline<Owner>[] = [];

  get size(): number {
    return this.#nodes.length;
  }

  earliest(): Deadline<Owner> | undefined {
    return this.#nodes[0];
  }

  add(owner: Owner, atMs: Int64): Deadline<Owner> {
    const node = { owner, atMs, place: this.#nodes.length };
    this.#nodes.push(node);
    this.#rise(node);
    return node;
  }

  change(node: Deadline<Owner>, atMs: Int64): void {
    node.atMs = atMs;
    this.#rise(node);
    this.#sink(node);
  }

  remove(node: Deadline<Owner>): void {
    assert(this.#nodes[node.place] === node, 'a removed deadline stands where it says');
    const last = this.#nodes.pop();
    if (last === undefined || last === node) return;
    this.#put(last, node.place);
    this.#rise(last);
    this.#sink(last);
  }

  /** How many are not after `timeMs`; takes time in proportion to the answer. */
  countUntil(timeMs: number): number {
    const owners = this.until(timeMs);
    let count = 0;
    while (owners.next().done !== true) count += 1;
    return count;
  }

  /** Owners of deadlines that are not after `timeMs`, in no set order. */
  *until(timeMs: number): Generator<Owner, undefined> {
    const open = [0];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const node = this.#nodes[place];
      if (node === undefined || node.atMs > timeMs) continue;
      yield node.owner;
      open.push(2 * place + 1, 2 * place + 2);
    }
    return undefined;
  }

  #put(node: Deadline<Owner>, place: number): void {
    this.#nodes[place] = node;
    node.place = place;
  }

  #rise(node: Deadline<Owner>): void {
    while (node.place > 0) {
      const place = node.place;
      const parent = this.#nodes[(place - 1) >> 1];
      assert(parent !== undefined, 'a node that is not the root has a parent');
      if (parent.atMs <= node.atMs) return;
      this.#put(node, parent.place);
      this.#put(parent, place);
    }
  }

  #sink(node: Deadline<Owner>): void {
    for (;;) {
      const place = node.place;
      const left = this.#nodes[2 * place + 1];
      const right = this.#nodes[2 * place + 2];
      if (left === undefined) return;
      const child = right !== undefined && right.atMs < left.atMs ? right : left;
      if (child.atMs >= node.atMs) return;
      this.#put(node, child.place);
      this.#put(child, place);
    }
  }
}
