/**
 * One batch for a fronted Redis: what an entry, or a part of one, is sent as, and what its replies come to. It does no IO.
 *
 * MULTI; the count goes up; the marker is written; the commands, each in its database; EXEC. All of it takes effect, or nothing.
 */

import { assert } from '../../base/assert.ts';
import { elementsOf, isErrorReply } from '../../resp/reply-framer.ts';
import type { Applied, Reply } from '../engine.ts';
import { batchesKey, markerEnd, markerKey, ownerKey } from './bookkeeping.ts';
import { execRequest, multiRequest, request, selectRequest } from './request.ts';
import type { Flush, Swap, Translated } from './translation.ts';
import { isUnwellError, shownError } from './unwell.ts';

/** What is ours and stands in the data. */
export interface Marks {
  readonly shard: number;
  readonly owner: string;
  /** See `bookkeeping`. */
  readonly markerStart: string;
  /** The entry. */
  readonly applied: Applied;
  /** The value of the count once the batch has run. */
  readonly batch: number;
}

interface Slot {
  /** Of its first reply among those of the batch's commands. */
  readonly first: number;
  readonly translated: Translated;
  /** Its effect alone matters. */
  readonly isSilent: boolean;
}

/** What the reply to EXEC says. */
export type Outcome =
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  /** Nothing of it took effect. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It took effect on data that is not what it must be, or only a part of it did. */
  | { readonly kind: 'broken'; readonly reason: string };

/** Redis's replies to the bookkeeping in front. */
const bookkeepingCommands = 2;

export class Batch {
  readonly #marks: Marks;
  /** Whole requests. */
  readonly #body: string[] = [];
  #database = 0;
  /** In the order of the requests: what Redis answers is told to each once. */
  readonly #slots: Slot[] = [];
  #flushes = 0;

  constructor(marks: Marks) {
    this.#marks = marks;
  }

  /** How many flushes it holds, each of which Redis tells of. */
  get flushes(): number {
    return this.#flushes;
  }

  /** Nothing is to be sent, whatever is to be answered. */
  get isEmpty(): boolean {
    return this.#body.length === 0;
  }

  get commands(): readonly string[] {
    return this.#body;
  }

  add(database: number, translated: Translated): void {
    if (translated.commands.length > 0) this.#select(database);
    this.#put(translated, false);
  }

  /** Something that may be sent in any database, and has no reply for a client. */
  addSilent(translated: Translated): void {
    this.#put(translated, true);
  }

  /** A flush of what the whole Redis holds, or one database of it; what is ours is put back. */
  addFlush(database: number, flush: Flush): void {
    this.#flushes += 1;
    this.add(database, flush);
    if (flush.database !== undefined && flush.database !== 0) return;
    const { shard, owner, batch } = this.#marks;
    const marker = [markerKey(shard), this.#marker(false)];
    this.#select(0);
    this.#body.push(request('MSET', ownerKey, owner, ...marker, batchesKey(shard), String(batch)));
  }

  /** Two databases change places; what is ours goes back to database 0. */
  addSwap(database: number, swap: Swap): void {
    this.add(database, swap);
    const [one, other] = swap.databases;
    if (one === other || (one !== 0 && other !== 0)) return;
    const { shard } = this.#marks;
    this.#select(one === 0 ? other : one);
    for (const key of [ownerKey, markerKey(shard), batchesKey(shard)])
      this.#body.push(request('MOVE', key, '0'));
  }

  /** What is sent, and how many replies come for it. `isPart`: the entry goes on in another batch. */
  requests(isPart: boolean): { readonly text: string; readonly count: number } {
    this.#select(0);
    const { shard } = this.#marks;
    const text =
      multiRequest +
      request('INCR', batchesKey(shard)) +
      request('SET', markerKey(shard), this.#marker(isPart)) +
      this.#body.join('') +
      execRequest;
    return { text, count: this.#body.length + bookkeepingCommands + 2 };
  }

  /** @param replies - all that came for the requests */
  outcome(replies: readonly Reply[]): Outcome {
    const elements = elementsOf(replies.at(-1) ?? '');
    if (elements === undefined) {
      const error = replies.find(isErrorReply) ?? '-the transaction was not run\r\n';
      return { kind: 'refused', reason: shownError(error) };
    }
    if (elements[0] !== `:${this.#marks.batch}\r\n`)
      return { kind: 'broken', reason: 'its count is not what this node made of it last' };
    const broken = elements.find((reply) => isErrorReply(reply) && isUnwellError(reply));
    if (broken !== undefined)
      return { kind: 'broken', reason: `a part of a batch did not run: ${shownError(broken)}` };
    return { kind: 'replies', replies: this.#ownReplies(elements) };
  }

  /** The replies of a batch that has nothing for Redis: commands can be answered without it. */
  repliesOfEmpty(): readonly Reply[] {
    assert(this.isEmpty, 'nothing is sent');
    return this.#ownReplies([]);
  }

  /** @param elements - what EXEC answered, the bookkeeping in front */
  #ownReplies(elements: readonly Reply[]): readonly Reply[] {
    const own: Reply[] = [];
    for (const slot of this.#slots) {
      const reply = replyOf(slot, elements);
      if (!slot.isSilent) own.push(reply);
    }
    return own;
  }

  #marker(isPart: boolean): string {
    const { markerStart, batch, applied } = this.#marks;
    return markerStart + markerEnd(batch, applied, isPart);
  }

  #put(translated: Translated, isSilent: boolean): void {
    this.#slots.push({ first: this.#body.length, translated, isSilent });
    for (const command of translated.commands) this.#body.push(command);
  }

  #select(database: number): void {
    if (this.#database === database) return;
    this.#database = database;
    this.#body.push(selectRequest(database));
  }
}

function replyOf({ first, translated }: Slot, elements: readonly Reply[]): Reply {
  const start = bookkeepingCommands + first;
  const own = elements.slice(start, start + translated.commands.length);
  assert(own.length === translated.commands.length, 'Redis answers every command of a batch');
  return translated.reply(own);
}
