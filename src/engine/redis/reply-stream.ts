/**
 * Cuts what a Redis sends into whole replies, in RESP2.
 *
 * Every byte is looked at once, however the replies are cut into chunks: a long bulk string is awaited without being joined or searched
 * again. The sender is a Redis of ours, so lengths are believed; a type byte that RESP2 does not have ends the connection.
 */

import type { Reply } from '../engine.ts';

/** Type bytes: `$ * + - :`. */
const bulkType = 0x24;
const arrayType = 0x2a;
const statusType = 0x2b;
const errorType = 0x2d;
const integerType = 0x3a;

export class ReplyStream {
  readonly #onReply: (reply: Reply) => void;
  /** What has come and is not cut yet, from the beginning of a reply. */
  #chunks: string[] = [];
  #length = 0;
  /** Chars that must have come before looking further can be of use. */
  #needed = 0;
  /** How far the first reply has been looked at, and how many values it still lacks. */
  #scanned = 0;
  #missing = 1;

  constructor(onReply: (reply: Reply) => void) {
    this.#onReply = onReply;
  }

  /** Calls back for each reply that is whole now. False where the bytes are no RESP2; nothing more may be given then. */
  push(chunk: string): boolean {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return true;
    return this.#cut(this.#chunks.length === 1 ? chunk : this.#chunks.join(''));
  }

  #cut(text: string): boolean {
    let start = 0;
    let at = this.#scanned;
    let missing = this.#missing;
    let needed = 0;
    while (at < text.length && needed === 0) {
      const lineEnd = text.indexOf('\r\n', at);
      if (lineEnd < 0) {
        needed = text.length + 1;
        break;
      }
      const type = text.charCodeAt(at);
      let next = lineEnd + 2;
      if (type === bulkType) {
        const bytes = Number(text.slice(at + 1, lineEnd));
        if (bytes >= 0) next += bytes + 2;
        if (next > text.length) {
          needed = next;
          break;
        }
      } else if (type === arrayType) {
        missing += Math.max(0, Number(text.slice(at + 1, lineEnd)));
      } else if (type !== statusType && type !== errorType && type !== integerType) {
        return false;
      }
      at = next;
      missing -= 1;
      if (missing > 0) continue;
      this.#onReply(text.slice(start, at));
      start = at;
      missing = 1;
    }
    const rest = text.slice(start);
    this.#chunks = rest === '' ? [] : [rest];
    this.#length = rest.length;
    this.#scanned = at - start;
    this.#needed = Math.max(0, needed - start);
    this.#missing = missing;
    return true;
  }
}
