/**
 * Keeps the replies of one connection in the order of its commands.
 *
 * A command takes its place when it is submitted and gets its reply when that comes; replies leave from the front only. The places are
 * the submissions themselves, linked, so that a command costs one object.
 */

import { assert } from '../base/assert.ts';
import { toResp3, type Shape } from './resp3.ts';

/** Replies leave joined in pieces of about this size, or alone where they are larger: strings have an end. */
const joinedBytesMax = 256 * 1024;

/** A command's place among the replies of its connection. */
export interface Slot {
  /** Undefined until the command is answered; may then be empty, where the client wants no reply. */
  reply: string | undefined;
  /** The client does not want this reply (CLIENT REPLY). */
  readonly isSilent: boolean;
  /** The types of the reply where the client reads RESP3; else undefined. */
  readonly resp3Shape: Shape | undefined;
  /** Belongs to the queue. */
  next: Slot | undefined;
}

/** A reply as the client wants it. */
export function formed(slot: Pick<Slot, 'isSilent' | 'resp3Shape'>, reply: string): string {
  if (slot.isSilent) return '';
  return slot.resp3Shape === undefined ? reply : toResp3(slot.resp3Shape, reply);
}

export class OrderQueue {
  #head: Slot | undefined;
  #tail: Slot | undefined;
  #length = 0;
  #heldChars = 0;

  /** Commands whose replies have not left. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of replies that wait behind an unanswered command. */
  get heldBytes(): number {
    return this.#heldChars;
  }

  add(slot: Slot): void {
    if (this.#tail === undefined) this.#head = slot;
    else this.#tail.next = slot;
    this.#tail = slot;
    this.#length += 1;
  }

  /** Gives a slot its reply, and returns what can leave now, as `take` does. */
  settle(slot: Slot, reply: string): string {
    assert(slot.reply === undefined, 'a command is answered once');
    slot.reply = formed(slot, reply);
    this.#heldChars += slot.reply.length;
    return slot === this.#head ? this.take() : '';
  }

  /** The next replies that can leave now, joined; empty once none can. */
  take(): string {
    let joined = '';
    let head = this.#head;
    while (head?.reply !== undefined) {
      if (joined !== '' && joined.length + head.reply.length > joinedBytesMax) break;
      joined += head.reply;
      this.#length -= 1;
      head = head.next;
    }
    this.#head = head;
    if (head === undefined) this.#tail = undefined;
    this.#heldChars -= joined.length;
    return joined;
  }
}
