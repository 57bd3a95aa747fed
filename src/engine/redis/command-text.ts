/**
 * Commands as latin1 text: read from the log's, and made for the fronted Redis.
 *
 * The log's were checked by the node that took them from a client; anything that is not well formed is damage, and an assertion.
 */

import { assert } from '../../base/assert.ts';
import type { CommandArguments } from '../../command/arguments.ts';

const asterisk = 0x2a;
const dollar = 0x24;
const digit0 = 0x30;
const carriageReturn = 0x0d;
const lineEndChars = 2;

/** A whole request. */
export function commandText(args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const argument of args) text += `$${argument.length}\r\n${argument}\r\n`;
  return text;
}

/** Looks at one command after the other; arguments are cut out only when asked for. */
export class CommandText implements CommandArguments {
  text = '';
  argc = 0;
  /** Beginning and end of each argument in the text. */
  readonly #bounds: number[] = [];
  #at = 0;

  /** @param text - `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, nothing behind it */
  parse(text: string): void {
    this.text = text;
    this.#at = 0;
    this.#bounds.length = 0;
    this.argc = this.#header(asterisk);
    assert(this.argc > 0, 'a command has a name');
    for (let place = 0; place < this.argc; place += 1) {
      const length = this.#header(dollar);
      this.#bounds.push(this.#at, this.#at + length);
      this.#at += length + lineEndChars;
    }
    assert(this.#at === text.length, 'a command ends where its text ends');
  }

  argLatin1(position: number): string {
    const start = this.#bounds[2 * position];
    const end = this.#bounds[2 * position + 1];
    assert(start !== undefined && end !== undefined, 'an argument is there');
    return this.text.slice(start, end);
  }

  args(): string[] {
    const args: string[] = [];
    for (let position = 0; position < this.argc; position += 1) args.push(this.argLatin1(position));
    return args;
  }

  /** A type byte, digits and a line end. */
  #header(type: number): number {
    const { text } = this;
    assert(text.charCodeAt(this.#at) === type, 'a command is an array of bulk strings');
    let at = this.#at + 1;
    let value = 0;
    for (let char = text.charCodeAt(at); char !== carriageReturn; char = text.charCodeAt(at)) {
      assert(char >= digit0 && char <= digit0 + 9, 'a length is digits');
      value = value * 10 + char - digit0;
      at += 1;
    }
    this.#at = at + lineEndChars;
    return value;
  }
}
