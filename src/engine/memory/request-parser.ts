/**
 * From a logged command's bytes to its arguments, on the hot path of apply.
 *
 * The bytes were checked by the decoder of the node that took them from a client, so this reads only what is well formed, and
 * throws on anything else: such an entry is damaged, and the replica must stop. The name is not made a string; `CommandIndex`
 * finds the row from its bytes.
 */

import { assert } from '../../base/assert.ts';

const asterisk = 0x2a;
const dollar = 0x24;
const digit0 = 0x30;
const carriageReturn = 0x0d;
const lineEndBytes = 2;

export type Latin1Slice = (bytes: Uint8Array, start: number, end: number) => string;

export class RequestParser {
  /** Arguments of the command parsed last; element 0 is empty. One array for all: copy what must last. */
  readonly args: string[] = [];
  /** Where the command's name stands in its bytes. */
  nameStart = 0;
  nameEnd = 0;

  readonly #latin1Slice: Latin1Slice;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(latin1Slice: Latin1Slice) {
    this.#latin1Slice = latin1Slice;
  }

  /** @param bytes - `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, nothing behind it */
  parse(bytes: Uint8Array): void {
    const { args } = this;
    this.#bytes = bytes;
    this.#at = 0;
    const count = this.#header(asterisk);
    assert(count > 0, 'a logged command has a name');
    args.length = 0;
    for (let place = 0; place < count; place += 1) {
      const length = this.#header(dollar);
      const start = this.#at;
      const end = start + length;
      this.#at = end + lineEndBytes;
      if (place === 0) {
        this.nameStart = start;
        this.nameEnd = end;
        args.push('');
      } else {
        args.push(this.#latin1Slice(bytes, start, end));
      }
    }
    assert(this.#at === bytes.length, 'a logged command ends where its bytes end');
  }

  /** A type byte, digits and a line end. */
  #header(type: number): number {
    const bytes = this.#bytes;
    assert(bytes[this.#at] === type, 'a logged command is an array of bulk strings');
    let at = this.#at + 1;
    let value = 0;
    for (let byte = bytes[at]; byte !== carriageReturn; byte = bytes[at]) {
      assert(byte !== undefined && byte >= digit0 && byte <= 0x39, 'a length is digits');
      value = value * 10 + byte - digit0;
      at += 1;
    }
    this.#at = at + lineEndBytes;
    return value;
  }
}
