/**
 * The oracle of the request decoder: reads a whole stream at once, in the plainest way, with no care for speed.
 */

import { splitInline } from '../../src/resp/inline.ts';

export interface Decoded {
  /** Each command's arguments, latin1. */
  readonly commands: readonly (readonly string[])[];
  readonly error: string | undefined;
}

/** What a decoder with the default limits makes of a stream that ends here. */
export function decodeSlowly(stream: string): Decoded {
  const commands: string[][] = [];
  let rest = stream;
  const failed = (text: string): Decoded => ({ commands, error: `Protocol error: ${text}` });
  for (;;) {
    if (rest === '') return { commands, error: undefined };
    if (!rest.startsWith('*')) {
      const end = rest.indexOf('\n');
      if (end < 0) {
        if (rest.length > 65_536) return failed('too big inline request');
        return { commands, error: undefined };
      }
      const args = splitInline(rest.slice(0, end).replace(/\r$/u, ''));
      if (args === undefined) return failed('unbalanced quotes in request');
      if (args.length > 0) commands.push(args);
      rest = rest.slice(end + 1);
      continue;
    }
    const command = decodeArray(rest);
    if (command.error === 'incomplete') return { commands, error: undefined };
    if (command.error !== undefined) return failed(command.error);
    if (command.args.length > 0) commands.push(command.args);
    rest = rest.slice(command.bytes);
  }
}

interface ArrayDecoded {
  readonly args: string[];
  readonly bytes: number;
  readonly error: string | undefined;
}

function decodeArray(text: string): ArrayDecoded {
  const args: string[] = [];
  let at = 0;
  const line = (what: string): { readonly text: string } | { readonly error: string } => {
    const end = text.indexOf('\r', at);
    if (end < 0 && text.length - at > 65_536) return { error: `too big ${what} count string` };
    if (end < 0 || end + 2 > text.length) return { error: 'incomplete' };
    const found = text.slice(at, end);
    at = end + 2;
    return { text: found };
  };
  const stop = (error: string): ArrayDecoded => ({ args, bytes: 0, error });

  const header = line('mbulk');
  if ('error' in header) return stop(header.error);
  const count = wholeNumber(header.text.slice(1));
  if (count === undefined || count > 1_048_576n) return stop('invalid multibulk length');
  for (let left = count; left > 0n; left -= 1n) {
    const bulk = line('bulk');
    if ('error' in bulk) return stop(bulk.error);
    if (!bulk.text.startsWith('$')) {
      const got = (bulk.text[0] ?? ' ').replace('\n', ' ');
      return stop(`expected '$', got '${got}'`);
    }
    const bytes = wholeNumber(bulk.text.slice(1));
    if (bytes === undefined || bytes < 0n || bytes > 536_870_912n) {
      return stop('invalid bulk length');
    }
    if (text.length < at + Number(bytes) + 2) return stop('incomplete');
    args.push(text.slice(at, at + Number(bytes)));
    at += Number(bytes) + 2;
  }
  return { args, bytes: at, error: undefined };
}

/** A number as Redis's string2ll reads it: no sign but a minus, no leading zeros, 64 bits. */
function wholeNumber(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9][0-9]*)$/u.test(text)) return undefined;
  const value = BigInt(text);
  return value === BigInt.asIntN(64, value) ? value : undefined;
}
