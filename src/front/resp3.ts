/**
 * Puts replies into RESP3 for clients that asked for it with `HELLO 3`.
 *
 * Everything behind the front answers in RESP2, which says the same with fewer types; what a client of RESP3 sees in addition
 * follows from the command and its options (`resp3-shapes.ts`): nulls have one form, some arrays are maps or sets, some texts are numbers
 * or verbatim strings. Replies that have neither nulls nor a shape leave as they are.
 *
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */

import { bulkOf, elementsOf } from '../resp/reply-framer.ts';

/** What becomes of a reply that has the form the shape speaks of; others stay as they are, but for nulls. */
export type Shape =
  | { readonly kind: 'plain' }
  | { readonly kind: 'verbatim' }
  /** A bulk string that is a number with a fraction. */
  | { readonly kind: 'double' }
  | { readonly kind: 'array' | 'set'; readonly of: Shape }
  /** Values by the text of their keys; `of` for all others. */
  | { readonly kind: 'map'; readonly of: Shape; readonly named?: ReadonlyMap<string, Shape> }
  /** An array of pairs, which becomes a map. */
  | { readonly kind: 'entries' }
  /** An array whose elements alternate becomes one of pairs, the second of each being `of`. */
  | { readonly kind: 'pairs'; readonly of: Shape }
  /** Elements by their place; the others are plain. */
  | { readonly kind: 'tuple'; readonly places: ReadonlyMap<number, Shape> };

export const plain: Shape = { kind: 'plain' };

const nullResp3 = '_\r\n';

/** The reply of RESP2 in RESP3. */
export function toResp3(shape: Shape, reply: string): string {
  if (reply === '$-1\r\n' || reply === '*-1\r\n') return nullResp3;
  if (shape.kind === 'verbatim') return verbatimOf(reply);
  if (shape.kind === 'double') return doubleOf(reply);
  if (!reply.startsWith('*')) return reply;
  if (shape.kind === 'plain' && !reply.includes('-1\r\n')) return reply;
  return shaped(shape, elementsOf(reply) ?? []);
}

function shaped(
  shape: Exclude<Shape, { readonly kind: 'verbatim' | 'double' }>,
  elements: readonly string[],
): string {
  switch (shape.kind) {
    case 'plain':
      return join('*', elements, () => plain);
    case 'array':
      return join('*', elements, () => shape.of);
    case 'set':
      return join('~', elements, () => shape.of);
    case 'tuple':
      return join('*', elements, (place) => shape.places.get(place) ?? plain);
    case 'entries':
      return join(
        '%',
        elements.flatMap((pair) => elementsOf(pair) ?? []),
        () => plain,
      );
    case 'pairs':
      return pairsOf(elements, shape.of);
    case 'map':
      return join('%', elements, (place) =>
        place % 2 === 0 ? plain : shapeOfValue(shape, elements[place - 1] ?? ''),
      );
  }
}

function shapeOfValue(shape: Shape & { readonly kind: 'map' }, key: string): Shape {
  return shape.named?.get(bulkOf(key) ?? '') ?? shape.of;
}

/** Maps count pairs. */
function join(
  type: '*' | '~' | '%',
  elements: readonly string[],
  shapeAt: (place: number) => Shape,
): string {
  const count = type === '%' ? elements.length / 2 : elements.length;
  const parts = elements.map((element, place) => toResp3(shapeAt(place), element));
  return `${type}${count}\r\n${parts.join('')}`;
}

function pairsOf(elements: readonly string[], second: Shape): string {
  const parts = elements.map((element, place) =>
    place % 2 === 0 ? `*2\r\n${toResp3(plain, element)}` : toResp3(second, element),
  );
  return `*${elements.length / 2}\r\n${parts.join('')}`;
}

function doubleOf(reply: string): string {
  const text = bulkOf(reply);
  return text === undefined ? reply : `,${text}\r\n`;
}

function verbatimOf(reply: string): string {
  const text = bulkOf(reply);
  return text === undefined ? reply : `=${text.length + 4}\r\ntxt:${text}\r\n`;
}
