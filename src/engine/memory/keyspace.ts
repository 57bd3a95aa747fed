/**
 * One database: its keys, their values and deadlines, and an order in which they can be walked.
 *
 * Keys and values are latin1 strings, one char a byte. Beside the map from key to item stands a dense array of the items, for
 * RANDOMKEY and for SCAN without state. SCAN walks it from high positions to low ones; its cursor is a position. A new item goes to the end;
 * a removed one's place is taken by the last item. So an item's position only ever falls. What a walk has not yet visited lies
 * below its cursor, and stays below it until visited: an item that is there from start to end of a walk is never missed, and at
 * worst seen twice.
 *
 * This file knows deadlines but not the time: whether an item is due is for `Call` to say. A key that stays keeps
 * its item and position when its value is replaced.
 *
 * Invariant: `items[item.position] === item === map.get(item.key)`.
 */

import { assert } from '../../base/assert.ts';
import { Deadlines } from '../deadlines.ts';
import type { Deadline } from '../deadlines.ts';
import type { Int64 } from '../int64.ts';

/**
 * How Redis would hold a string, which OBJECT ENCODING shows.
 * `natural`: as SET stores it, an integer where it reads as one. `text`: by length alone (INCRBYFLOAT).
 * `copied`: the same, but a small integer is its own and not the one that all share (COPY). `raw`: once it was changed in place (APPEND, SETRANGE).
 */
export type StringEncoding = 'natural' | 'copied' | 'text' | 'raw';

/** A string and its key. Other types will be other members of the union `Item`, told apart by `kind`. */
export class StringItem {
  readonly kind = 'string';
  readonly key: string;
  text: string;
  encoding: StringEncoding;
  /** Undefined where the key stays until deleted. */
  deadline: Deadline<Item> | undefined;
  /** In the dense array. */
  position: number;
  /** Entry time of the last logged command that touched the key, in whole seconds since 1970. */
  touchedS: number;

  constructor(key: string, text: string, position: number) {
    this.key = key;
    this.text = text;
    this.encoding = 'natural';
    this.deadline = undefined;
    this.position = position;
    this.touchedS = 0;
  }
}

export type Item = StringItem;

/** What a key and a value cost beside their bytes, estimated for Node 24: item, map entry, array slot, two string headers. */
export const itemOverheadBytes = 192;
/** A node of the heap and its slot. */
export const deadlineOverheadBytes = 56;

export class Keyspace {
  readonly #map = new Map<string, Item>();
  readonly #items: Item[] = [];
  readonly #deadlines = new Deadlines<Item>();
  #bytes = 0;

  /** All keys, due ones included. */
  get size(): number {
    return this.#items.length;
  }

  /** Keys with a deadline, due ones included. */
  get expires(): number {
    return this.#deadlines.size;
  }

  /** An estimate of what keys and values take. */
  get bytes(): number {
    return this.#bytes + this.#deadlines.size * deadlineOverheadBytes;
  }

  get(key: string): Item | undefined {
    return this.#map.get(key);
  }

  /** @param position - 0 up to `size` */
  at(position: number): Item {
    const item = this.#items[position];
    assert(item !== undefined, 'a position lies within the dense array');
    return item;
  }

  /** All items, in the order of the dense array; later changes of the keyspace do not change it. */
  snapshot(): Item[] {
    return [...this.#items];
  }

  /** Adds a key that is not there, as SET stores it. */
  insertString(key: string, text: string): StringItem {
    const item = new StringItem(key, text, this.#items.length);
    this.#map.set(key, item);
    this.#items.push(item);
    this.#bytes += key.length + text.length + itemOverheadBytes;
    return item;
  }

  /** Gives a string another value; its deadline stays. */
  replaceString(item: StringItem, text: string, encoding: StringEncoding): void {
    this.#bytes += text.length - item.text.length;
    item.text = text;
    item.encoding = encoding;
  }

  /** The item keeps its `deadline`, by which a snapshot taken earlier tells whether it was due then. */
  remove(item: Item): void {
    if (item.deadline !== undefined) this.#deadlines.remove(item.deadline);
    this.#map.delete(item.key);
    const last = this.#items.pop();
    assert(last !== undefined, 'an item that is removed was there');
    if (last !== item) {
      this.#items[item.position] = last;
      last.position = item.position;
    }
    this.#bytes -= item.key.length + item.text.length + itemOverheadBytes;
  }

  setDeadline(item: Item, atMs: Int64): void {
    if (item.deadline === undefined) item.deadline = this.#deadlines.add(item, atMs);
    else this.#deadlines.change(item.deadline, atMs);
  }

  clearDeadline(item: Item): void {
    if (item.deadline === undefined) return;
    this.#deadlines.remove(item.deadline);
    item.deadline = undefined;
  }

  /** The earliest deadline's item. */
  nextDue(): Item | undefined {
    return this.#deadlines.earliest()?.owner;
  }

  /** How many keys have a deadline not after `timeMs`. */
  countDue(timeMs: number): number {
    return this.#deadlines.countUntil(timeMs);
  }
}
