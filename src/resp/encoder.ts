/**
 * Makes RESP: replies as latin1 strings (one char a byte), commands as bytes.
 *
 * Strings of this kind are joined and written to a socket without being copied before. It knows no command.
 */

/**
 * The longest argument and the longest reply (chars, without its header). V8's strings end at 2^29 − 24, a little under Redis's
 * 512 MB; the rest is room for headers.
 */
export const stringBytesMax: number = 2 ** 29 - 1024;

export const okReply = '+OK\r\n';
export const pongReply = '+PONG\r\n';
export const nullReply = '$-1\r\n';
export const nullArrayReply = '*-1\r\n';
export const emptyArrayReply = '*0\r\n';

/** `text` has no line end. */
export const simpleReply = (text: string): string => `+${text}\r\n`;

/** `text` starts with its code and may hold a client's bytes: line ends in it become blanks, as in Redis. */
export const errorReply = (text: string): string => `-${text.replace(/[\r\n]/gu, ' ')}\r\n`;

export const integerReply = (value: number): string => `:${value}\r\n`;

/** `latin1` has one char a byte. */
export const bulkReply = (latin1: string): string => `$${latin1.length}\r\n${latin1}\r\n`;

/** `elements` are whole replies. */
export const arrayReply = (elements: readonly string[]): string =>
  `*${elements.length}\r\n${elements.join('')}`;

/** For text that is not known to be latin1. */
export const textReply = (text: string): string =>
  bulkReply(Buffer.from(text, 'utf8').toString('latin1'));

/** The command as an array of bulk strings, in a buffer of its own. */
export function encodeCommand(args: readonly Uint8Array[]): Buffer {
  let bytes = 3 + String(args.length).length;
  for (const argument of args) bytes += 5 + String(argument.length).length + argument.length;
  const encoded = Buffer.allocUnsafeSlow(bytes);
  let at = encoded.write(`*${args.length}\r\n`, 0, 'latin1');
  for (const argument of args) {
    at += encoded.write(`$${argument.length}\r\n`, at, 'latin1');
    encoded.set(argument, at);
    at += argument.length;
    at += encoded.write('\r\n', at, 'latin1');
  }
  return encoded;
}
