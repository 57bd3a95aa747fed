/**
 * Cuts what a Redis sends into whole replies, in RESP2 or RESP3.
 *
 * Every byte is looked at once, however the replies are cut into chunks: a long bulk string is awaited without being joined or searched
 * again. Lengths are believed, as the sender is a Redis that we were told to trust; a type byte that the protocol does not have ends the
 * connection.
 */

/** Type bytes: `$ * + - :`, and `! =` of RESP3. */
const bulkType = 0x24;
const arrayType = 0x2a;
const statusType = 0x2b;
const errorType = 0x2d;
const integerType = 0x3a;
const blobErrorType = 0x21;
const verbatimType = 0x3d;

export class ReplyStream {
  readonly #onReply: (reply: string) => void;
  readonly #isResp3: boolean;
  /** What has come and is not cut yet, from the beginning of a reply. */
  #chunks: string[] = [];
  #length = 0;
  /** Chars that must have come before looking further can be of use. */
  #needed = 0;
  /** How far the first reply has been looked at, and how many values it still lacks. */
  #scanned = 0;
  #missing = 1;

  /** @param onReply - gets whole replies in latin1 */
  constructor(onReply: (reply: string) => void, protocol: 2 | 3 = 2) {
    this.#onReply = onReply;
    this.#isResp3 = protocol === 3;
  }

  /** Calls back for each reply that is whole now. False where the bytes are no RESP; nothing more may be given then. */
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
      if (
        type === bulkType ||
        (this.#isResp3 && (type === blobErrorType || type === verbatimType))
      ) {
        const bytes = Number(text.slice(at + 1, lineEnd));
        if (bytes >= 0) next += bytes + 2;
        if (next > text.length) {
          needed = next;
          break;
        }
      } else if (type === arrayType) {
        missing += Math.max(0, Number(text.slice(at + 1, lineEnd)));
      } else if (type !== statusType && type !== errorType && type !== integerType) {
        if (!this.#isResp3 || !resp3Types.includes(text.charAt(at))) return false;
        missing += valuesBehind(text.charAt(at), Number(text.slice(at + 1, lineEnd)));
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
