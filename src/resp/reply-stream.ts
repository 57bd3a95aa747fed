/**
 * Cuts what a Redis sends into whole replies, in RESP2 or RESP3.
 *
 * Every byte is looked at once, however the replies are cut into chunks: what has come of a reply is kept as it came, and joined once, when
 * the reply is whole. A reply over `stringBytesMax` is not kept, only counted to its end. Lengths are believed, as the sender is a Redis that
 * we were told to trust; a type byte that the protocol does not have, or a line over the bound, ends the connection.
 */

import { stringBytesMax } from './encoder.ts';

/** Type bytes: `$ * + - :`, and `! =` of RESP3. */
const bulkType = 0x24;
const arrayType = 0x2a;
const statusType = 0x2b;
const errorType = 0x2d;
const integerType = 0x3a;
const blobErrorType = 0x21;
const verbatimType = 0x3d;

const returnChar = 0x0d;

export class ReplyStream {
  readonly #onReply: (reply: string | undefined) => void;
  readonly #isResp3: boolean;
  /** What has come of the first reply in earlier chunks; nothing where that is over the bound. */
  #chunks: string[] = [];
  #length = 0;
  /** The part that has come of a line. */
  #line = '';
  /** Chars of a bulk that are still to come, with its end. */
  #bulkLeft = 0;
  /** How many values the first reply still lacks. */
  #missing = 1;

  /** @param onReply - gets whole replies in latin1, in order; undefined for one over `stringBytesMax` */
  constructor(onReply: (reply: string | undefined) => void, protocol: 2 | 3 = 2) {
    this.#onReply = onReply;
    this.#isResp3 = protocol === 3;
  }

  /** Calls back for each reply that is whole now. False where the bytes are no RESP; nothing more may be given then. */
  push(chunk: string): boolean {
    let start = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#bulkLeft > 0) {
        const taken = Math.min(this.#bulkLeft, chunk.length - at);
        at += taken;
        this.#bulkLeft -= taken;
      } else {
        const newline = chunk.indexOf('\n', at);
        const next = newline < 0 ? chunk.length : newline + 1;
        if (this.#line.length + next - at > stringBytesMax) return false;
        const isSplit = this.#line !== '';
        const text = isSplit ? this.#line + chunk.slice(at, next) : chunk;
        const from = isSplit ? 0 : at;
        const lineEnd = (isSplit ? text.length : next) - 2;
        at = next;
        if (newline < 0 || lineEnd < from || text.charCodeAt(lineEnd) !== returnChar) {
          this.#line = isSplit ? text : chunk.slice(from, next);
          continue;
        }
        this.#line = '';
        if (!this.#begin(text, from, lineEnd)) return false;
      }
      if (this.#bulkLeft > 0) continue;
      this.#missing -= 1;
      if (this.#missing > 0) continue;
      this.#keep(chunk.slice(start, at));
      start = at;
      this.#finish();
    }
    if (start < chunk.length) this.#keep(chunk.slice(start));
    return true;
  }

  /** Takes in the first line of a value, and what has to follow it. */
  #begin(text: string, from: number, lineEnd: number): boolean {
    const type = text.charCodeAt(from);
    if (type === statusType || type === errorType || type === integerType) return true;
    const count = Number(text.slice(from + 1, lineEnd));
    if (type === bulkType || (this.#isResp3 && (type === blobErrorType || type === verbatimType))) {
      if (count >= 0) this.#bulkLeft = count + 2;
      return true;
    }
    if (type === arrayType) {
      this.#missing += Math.max(0, count);
      return true;
    }
    if (!this.#isResp3 || !resp3Types.includes(text.charAt(from))) return false;
    this.#missing += valuesBehind(text.charAt(from), count);
    return true;
  }

  #keep(part: string): void {
    this.#length += part.length;
    if (this.#length > stringBytesMax) this.#chunks = [];
    else this.#chunks.push(part);
  }

  #finish(): void {
    const [first = ''] = this.#chunks;
    const isTooLong = this.#length > stringBytesMax;
    const whole = this.#chunks.length === 1 ? first : this.#chunks.join('');
    this.#chunks = [];
    this.#length = 0;
    this.#missing = 1;
    this.#onReply(isTooLong ? undefined : whole);
  }
}

/** Besides bulks: aggregates, then single lines. */
const resp3Types = '~>%|_#,(';

/** How many values follow; an attribute comes before the value that it describes, and is not one itself. */
function valuesBehind(type: string, count: number): number {
  switch (type) {
    case '~':
    case '>':
      return count;
    case '%':
      return 2 * count;
    case '|':
      return 2 * count + 1;
    default:
      return 0;
  }
}
