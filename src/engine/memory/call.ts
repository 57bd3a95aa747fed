/**
 * What a command's function is given: databases, the time, and the rule which keys are there at that time.
 *
 * A key whose deadline is not after `timeMs` is absent. In an entry such a key is removed when met. In a read nothing is removed:
 * where its deadline is after the last applied entry's time its expiry is not yet in the log, and the call is marked due.
 */

import { assert } from '../../base/assert.ts';
import { randomInteger, seededRandom } from '../../base/random.ts';
import type { Random } from '../../base/random.ts';
import type { Reply } from '../engine.ts';
import type { Int64 } from '../int64.ts';
import { Keyspace } from './keyspace.ts';
import type { Item } from './keyspace.ts';

export const databaseCount = 16;

/** Work that is done in slices, so that it never holds the event loop long. */
export interface Job {
  /** Does a slice; gives the reply once there is nothing left. */
  step(): Reply | undefined;
}

/** One command: its name in lower case, what it does, and its function. */
export interface CommandRow {
  readonly name: string;
  readonly kind: 'read' | 'write';
  /** @param args - latin1; element 0 stands for the name and is empty. Valid only during the call. */
  run(call: Call, args: readonly string[]): Reply | Job;
}

export class Call {
  readonly databases: Keyspace[] = Array.from({ length: databaseCount }, () => new Keyspace());
  /** The database the command is for. */
  keyspace: Keyspace;
  /** The entry's or the read's time. */
  timeMs = 0;
  /** Names this life of the engine in SCAN cursors: 1…65,535. */
  readonly runTag: number;
  /** A read must change nothing. */
  isRead = false;
  /** Set by a read that met a key whose expiry is not in the log. */
  isDue = false;
  hits = 0;
  misses = 0;
  expired = 0;

  /** The time of the last applied entry; in an entry, its own. */
  #appliedMs = 0;
  #timeS = 0;
  #index = 0;
  #place = 0;
  readonly #ownRandom: Random;

  constructor(random: Random) {
    this.#ownRandom = random;
    this.runTag = randomInteger(random, 1, 65535);
    this.keyspace = this.database(0);
  }

  beginEntry(timeMs: number, index: number): void {
    this.timeMs = timeMs;
    this.#timeS = Math.floor(timeMs / 1000);
    this.#appliedMs = timeMs;
    this.#index = index;
    this.isRead = false;
  }

  /** @param appliedMs - time of the last applied entry */
  beginRead(timeMs: number, appliedMs: number): void {
    this.timeMs = timeMs;
    this.#appliedMs = appliedMs;
    this.isRead = true;
  }

  /** @param place - the command's place in its entry, from 0 */
  beginCommand(database: number, place: number): void {
    this.keyspace = this.database(database);
    this.#place = place;
    this.isDue = false;
  }

  /** Seeded by index and place in an entry, so that replicas draw alike; the node's own in a read. */
  random(): Random {
    if (this.isRead) return this.#ownRandom;
    return seededRandom(Math.imul(this.#index, 65599) + this.#place);
  }

  database(number: number): Keyspace {
    const keyspace = this.databases[number];
    assert(keyspace !== undefined, 'a database is 0 to 15');
    return keyspace;
  }

  /** The key's item, if it is there at this time. */
  find(key: string, keyspace: Keyspace = this.keyspace): Item | undefined {
    const item = keyspace.get(key);
    if (item === undefined || this.isLive(item)) return item;
    if (!this.isRead) {
      keyspace.remove(item);
      this.expired += 1;
    }
    return undefined;
  }

  /** `find`, counted as hit or miss. */
  look(key: string): Item | undefined {
    const item = this.find(key);
    if (item === undefined) this.misses += 1;
    else this.hits += 1;
    return item;
  }

  /** `look`, and the key counts as used. */
  use(key: string): Item | undefined {
    const item = this.look(key);
    if (item !== undefined) this.touch(item);
    return item;
  }

  /** Notes the use of a key. Reads leave no trace, or replicas would differ. */
  touch(item: Item): void {
    if (!this.isRead) item.touchedS = this.#timeS;
  }

  /** Stores a string under a key, over whatever is there. The old deadline stays where `keepTtl`. */
  store(key: string, text: string, keepTtl: boolean): Item {
    return this.storeOver(this.find(key), key, text, keepTtl);
  }

  /** `store` for a key that was just looked up. */
  storeOver(found: Item | undefined, key: string, text: string, keepTtl: boolean): Item {
    const { keyspace } = this;
    const item = found ?? keyspace.insertString(key, text);
    if (found !== undefined) {
      keyspace.replaceString(found, text, 'natural');
      if (!keepTtl) keyspace.clearDeadline(found);
    }
    item.touchedS = this.#timeS;
    return item;
  }

  /** Sets a deadline; one that is not after this time removes the key. */
  expireAt(item: Item, atMs: Int64): void {
    if (atMs <= this.timeMs) this.keyspace.remove(item);
    else this.keyspace.setDeadline(item, atMs);
  }

  /** Keys of a database that are there at this time; marks the call due where that is not in the log. */
  countLive(keyspace: Keyspace): number {
    const due = keyspace.countDue(this.timeMs);
    if (this.isRead && due > keyspace.countDue(this.#appliedMs)) this.isDue = true;
    return keyspace.size - due;
  }

  /** Whether the item is there at this time. Removes nothing, so walks over the dense array may ask. */
  isLive(item: Item): boolean {
    const { deadline } = item;
    if (deadline === undefined || deadline.atMs > this.timeMs) return true;
    if (this.isRead && deadline.atMs > this.#appliedMs) this.isDue = true;
    return false;
  }

  /** Removes at most `most` due keys of all databases. Entries only. */
  reclaim(most: number): void {
    let left = most;
    for (const keyspace of this.databases) {
      for (let item = keyspace.nextDue(); item !== undefined; item = keyspace.nextDue()) {
        if (left === 0 || this.isLive(item)) break;
        keyspace.remove(item);
        this.expired += 1;
        left -= 1;
      }
    }
  }
}
