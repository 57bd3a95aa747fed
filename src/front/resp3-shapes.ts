/**
 * Which types the replies of each command have in RESP3, as far as its options tell and RESP2 does not.
 *
 * These are the types of Redis 7.0. Chosen when a command is taken, as its arguments may be gone when the reply comes. Commands that are
 * not named here have replies in which nothing but nulls differs. `test/front/resp3.test.ts` compares every table of cases with a real Redis.
 */

import type { CommandArguments } from '../command/arguments.ts';
import { plain, type Shape } from './resp3.ts';

const map: Shape = { kind: 'map', of: plain };
const maps: Shape = { kind: 'array', of: map };
const set: Shape = { kind: 'set', of: plain };
const verbatim: Shape = { kind: 'verbatim' };
const double: Shape = { kind: 'double' };
const doubles: Shape = { kind: 'array', of: double };
/** Of all that may be told of a place only its coordinates are an array. */
const places: Shape = { kind: 'array', of: { kind: 'array', of: doubles } };
const entries: Shape = { kind: 'entries' };
const valuePairs: Shape = { kind: 'pairs', of: plain };
const scorePairs: Shape = { kind: 'pairs', of: double };
const scored: Shape = { kind: 'tuple', places: new Map([[1, double]]) };
const poppedFrom: Shape = {
  kind: 'tuple',
  places: new Map([[1, { kind: 'array', of: scored }]]),
};

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

const streamGroup: Shape = { kind: 'map', of: plain, named: new Map([['consumers', maps]]) };
const stream: Shape = {
  kind: 'map',
  of: plain,
  named: new Map([['groups', { kind: 'array', of: streamGroup }]]),
};

type Chooser = (command: CommandArguments) => Shape;

/** Whether one of the arguments from `start` on is the option. */
function has(option: string, asked: CommandArguments, start: number): boolean {
  for (let at = start; at < asked.argc; at += 1) {
    if (asked.argLatin1(at).toLowerCase() === option) return true;
  }
  return false;
}

/** With WITHSCORES at `start` or behind it, where no key or member stands. */
const scoresFrom =
  (start: number): Chooser =>
  (asked) =>
    has('withscores', asked, start) ? scorePairs : plain;

/** ZUNION, ZINTER, ZDIFF: behind the keys that a count tells. */
const scoresBehindKeys: Chooser = (asked) => {
  const keys = Number(asked.argLatin1(1));
  return keys > 0 && has('withscores', asked, keys + 2) ? scorePairs : plain;
};

/** Without a count one member and its score, and then the array is flat. */
const popped: Chooser = (asked) => (asked.argc > 2 ? scorePairs : scored);

const randomFields: Chooser = (asked) => (has('withvalues', asked, 3) ? valuePairs : plain);

/** By the row's name. */
const shapes: ReadonlyMap<string, Shape | Chooser> = new Map<string, Shape | Chooser>([
  ['client|info', verbatim],
  ['client|list', verbatim],
  ['command', commands],
  ['command|docs', { kind: 'map', of: map }],
  ['command|info', commands],
  ['config|get', map],
  ['geopos', { kind: 'array', of: doubles }],
  ['georadius', places],
  ['georadius_ro', places],
  ['georadiusbymember', places],
  ['georadiusbymember_ro', places],
  ['geosearch', places],
  ['hello', map],
  ['hgetall', map],
  ['hrandfield', randomFields],
  ['info', verbatim],
  // An array only with IDX.
  ['lcs', map],
  ['sdiff', set],
  ['sinter', set],
  ['smembers', set],
  // An array only with a count.
  ['spop', set],
  ['sunion', set],
  ['xinfo|consumers', maps],
  ['xinfo|groups', maps],
  ['xinfo|stream', stream],
  ['xread', entries],
  ['xreadgroup', entries],
  // A score only with INCR.
  ['zadd', double],
  ['zdiff', scoresBehindKeys],
  ['zincrby', double],
  ['zinter', scoresBehindKeys],
  ['zmpop', poppedFrom],
  ['zmscore', doubles],
  ['zpopmax', popped],
  ['zpopmin', popped],
  ['zrandmember', scoresFrom(3)],
  ['zrange', scoresFrom(4)],
  ['zrangebyscore', scoresFrom(4)],
  ['zrevrange', scoresFrom(4)],
  ['zrevrangebyscore', scoresFrom(4)],
  ['zscore', double],
  ['zunion', scoresBehindKeys],
]);

/** @param name - of the command's row */
export function shapeOf(name: string, asked: CommandArguments): Shape {
  const shape = shapes.get(name) ?? plain;
  return typeof shape === 'function' ? shape(asked) : shape;
}
