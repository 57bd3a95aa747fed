/**
 * Puts replies into RESP3 for clients that asked for it with `HELLO 3`.
 *
 * Everything behind the front answers in RESP2, which says the same with fewer types; what a client of RESP3 sees in addition
 * follows from the command: nulls have one form, some arrays are maps or sets, some texts are verbatim strings. Replies that have neither
 * nulls nor arrays leave as they are. Compared with a real Redis byte by byte (`test/front/resp3.test.ts`).
 *
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */

import { bulkOf, elementsOf } from '../resp/reply-framer.ts';

/** What becomes of a reply; an element's shape where it is not `plain` itself. */
type Shape =
  | { readonly kind: 'plain' }
  | { readonly kind: 'verbatim' }
  | { readonly kind: 'array' | 'set'; readonly of: Shape }
  /** Values by the text of their keys; `of` for all others. */
  | { readonly kind: 'map'; readonly of: Shape; readonly named?: ReadonlyMap<string, Shape> }
  /** Elements by their place; the others are plain. */
  | { readonly kind: 'tuple'; readonly places: ReadonlyMap<number, Shape> };

const plain: Shape = { kind: 'plain' };
const map: Shape = { kind: 'map', of: plain };
const set: Shape = { kind: 'set', of: plain };
const verbatim: Shape = { kind: 'verbatim' };

const keySpecification: Shape = {
  kind: 'map',
  of: { kind: 'map', of: plain, named: new Map([['spec', map]]) },
  named: new Map([['flags', set]]),
};

const commandPlaces = new Map<number, Shape>([
  [2, set],
  [6, set],
  [7, set],
  [8, { kind: 'set', of: keySpecification }],
]);
const command: Shape = { kind: 'tuple', places: commandPlaces };
commandPlaces.set(9, { kind: 'set', of: command });

const commands: Shape = { kind: 'array', of: command };

/** By the row's name. */
const shapes: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['hello', map],
  ['config|get', map],
  ['command', commands],
  ['command|info', commands],
  ['command|docs', { kind: 'map', of: map }],
  ['info', verbatim],
  ['client|info', verbatim],
  ['client|list', verbatim],
]);

const nullResp3 = '_\r\n';

/** The reply of RESP2 that a command's row gives, in RESP3. */
export function toResp3(name: string, reply: string): string {
  // An array only with IDX, and then one of names and values.
  if (name === 'lcs' && reply.startsWith('*')) return shaped(reply, map);
  return shaped(reply, shapes.get(name) ?? plain);
}

function shaped(reply: string, shape: Shape): string {
  if (reply === '$-1\r\n' || reply === '*-1\r\n') return nullResp3;
  if (shape.kind === 'verbatim') return verbatimOf(reply);
  const elements = elementsOf(reply);
  if (elements === undefined) return reply;
  switch (shape.kind) {
    case 'plain':
      return reply.includes('-1\r\n') ? join('*', elements, () => plain) : reply;
    case 'array':
      return join('*', elements, () => shape.of);
    case 'set':
      return join('~', elements, () => shape.of);
    case 'tuple':
      return join('*', elements, (place) => shape.places.get(place) ?? plain);
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
  shapeOf: (place: number) => Shape,
): string {
  const count = type === '%' ? elements.length / 2 : elements.length;
  const parts = elements.map((element, place) => shaped(element, shapeOf(place)));
  return `${type}${count}\r\n${parts.join('')}`;
}

function verbatimOf(reply: string): string {
  const text = bulkOf(reply);
  return text === undefined ? reply : `=${text.length + 4}\r\ntxt:${text}\r\n`;
}
