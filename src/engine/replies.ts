/**
 * Replies of the memory engine: RESP2 in latin1, and Redis's error texts word for word.
 */

import type { Reply } from './engine.ts';
import type { Int64 } from './int64.ts';

export const ok: Reply = '+OK\r\n';
export const nullBulk: Reply = '$-1\r\n';
export const emptyBulk: Reply = '$0\r\n\r\n';
export const zero: Reply = ':0\r\n';
export const one: Reply = ':1\r\n';

/**
 * The longest string the engine makes. V8 ends at 2^29 − 24 chars, a little under Redis's 512 MB
 * (`proto-max-bulk-len`); the difference leaves room for a reply's header.
 */
export const stringBytesMax: number = 2 ** 29 - 1024;

export const wrongType: Reply = error(
  'WRONGTYPE Operation against a key holding the wrong kind of value',
);
export const syntaxError: Reply = error('ERR syntax error');
export const notAnInteger: Reply = error('ERR value is not an integer or out of range');
export const notAFloat: Reply = error('ERR value is not a valid float');
export const noSuchKey: Reply = error('ERR no such key');
export const sameObject: Reply = error('ERR source and destination objects are the same');
export const noSuchDatabase: Reply = error('ERR DB index is out of range');
export const stringTooLong: Reply = error(
  'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
);
/** Redis has no such limit; V8's longest string is ours. */
export const replyTooLong: Reply = error('ERR reply exceeds 512 MB');

/** @param text - code and message, without the leading `-` */
export function error(text: string): Reply {
  return `-${text}\r\n`;
}

export function integer(value: Int64): Reply {
  return `:${value}\r\n`;
}

export function bulk(text: string): Reply {
  return `$${text.length}\r\n${text}\r\n`;
}

/** @param elements - whole replies */
export function array(elements: readonly Reply[]): Reply {
  let length = 0;
  for (const element of elements) length += element.length;
  if (length > stringBytesMax) return replyTooLong;
  return `*${elements.length}\r\n${elements.join('')}`;
}

export function wrongArity(command: string): Reply {
  return error(`ERR wrong number of arguments for '${command}' command`);
}

export function invalidExpireTime(command: string): Reply {
  return error(`ERR invalid expire time in '${command}' command`);
}
