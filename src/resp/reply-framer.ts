/**
 * Finds where replies end in a latin1 string of RESP, and takes whole replies apart.
 *
 * For replies of servers we trust: our own engines, and a Redis of ours. It relies on their being well-formed and puts no
 * bound on lengths. It knows the types of RESP2 and RESP3, by how their bytes are counted and not by what they mean.
 */

import { assert } from '../base/assert.ts';

/** The position behind the reply that starts at `at`, or -1 where it is not whole. Nesting costs no stack. */
export function endOfReply(text: string, at: number): number {
  let position = at;
  let pending = 1;
  while (pending > 0) {
    const lineEnd = text.indexOf('\r\n', position);
    if (lineEnd < 0) return -1;
    pending -= 1;
    switch (text.charAt(position)) {
      case '$':
      case '!':
      case '=': {
        const bytes = Number(text.slice(position + 1, lineEnd));
        position = bytes < 0 ? lineEnd + 2 : lineEnd + 2 + bytes + 2;
        if (position > text.length) return -1;
        break;
      }
      case '*':
      case '~':
      case '>':
        pending += Math.max(0, Number(text.slice(position + 1, lineEnd)));
        position = lineEnd + 2;
        break;
      case '%':
        pending += 2 * Math.max(0, Number(text.slice(position + 1, lineEnd)));
        position = lineEnd + 2;
        break;
      case '|':
        // An attribute comes before the value it describes and is not one itself.
        pending += 1 + 2 * Math.max(0, Number(text.slice(position + 1, lineEnd)));
        position = lineEnd + 2;
        break;
      default:
        position = lineEnd + 2;
    }
  }
  return position;
}

export const isErrorReply = (reply: string): boolean => reply.startsWith('-');

/** The number of an integer reply; undefined for any other reply. */
export function integerOf(reply: string): number | undefined {
  return reply.startsWith(':') ? Number(reply.slice(1, -2)) : undefined;
}

/** The elements of an array reply, each a whole reply; undefined for any other reply and for the null array. */
export function elementsOf(reply: string): string[] | undefined {
  if (!reply.startsWith('*') || reply.startsWith('*-')) return undefined;
  const elements: string[] = [];
  let at = reply.indexOf('\r\n') + 2;
  while (at < reply.length) {
    const end = endOfReply(reply, at);
    assert(end > at, 'an array reply is whole');
    elements.push(reply.slice(at, end));
    at = end;
  }
  return elements;
}

/** The content of a bulk reply as latin1; undefined for any other reply and for the null bulk. */
export function bulkOf(reply: string): string | undefined {
  if (!reply.startsWith('$') || reply.startsWith('$-')) return undefined;
  return reply.slice(reply.indexOf('\r\n') + 2, -2);
}
