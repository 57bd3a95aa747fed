/**
 * When two replies of RESP2 or RESP3 count as equal. Almost always that is byte for byte; the other rules are for what cannot be.
 */

import { elementsOf } from '../../src/resp/reply-framer.ts';

/**
 * - `exact`: the same bytes.
 * - `close`: integers that depend on when a command ran (TTLs, points in time): negative ones equal, others at most 10 s apart.
 * - `unordered`: an array, set or map in no set order (KEYS, SMEMBERS, HGETALL).
 * - `walk`: a cursor and an array (SCAN): both cursors 0 or both not, and the same elements in any order.
 * - `timed`: the same but for ages and moments of consumers and deliveries (XPENDING, XINFO).
 * - `made`: ids made from the time (XADD *).
 * - `kind`: the same type of reply, and as many elements (sizes in memory, what chance has chosen).
 */
export type Comparison = 'exact' | 'close' | 'unordered' | 'walk' | 'timed' | 'made' | 'kind';

const closeMs = 10_000;
const closeSeconds = 10;

const rules: Readonly<Record<string, Comparison>> = {
  ttl: 'close',
  pttl: 'close',
  expiretime: 'close',
  pexpiretime: 'close',
  keys: 'unordered',
  smembers: 'unordered',
  sinter: 'unordered',
  sunion: 'unordered',
  sdiff: 'unordered',
  hgetall: 'unordered',
  hkeys: 'unordered',
  hvals: 'unordered',
  scan: 'walk',
  hscan: 'walk',
  sscan: 'walk',
  zscan: 'walk',
  xpending: 'timed',
  xinfo: 'timed',
  memory: 'kind',
};

const ofChance = ['spop', 'srandmember', 'hrandfield', 'zrandmember'];

/** The rule for a command by its arguments. */
export function comparisonOf(args: readonly Buffer[]): Comparison {
  const [name = '', ...rest] = args.map((arg) => arg.toString('latin1').toLowerCase());
  if (name === 'object' && rest[0] === 'idletime') return 'close';
  if (name === 'xadd' && rest.includes('*')) return 'made';
  // A count that is at least the size gives all members, yet in no set order.
  if (ofChance.includes(name)) return 'kind';
  return rules[name] ?? 'exact';
}

/** Whether a command walks with a cursor, and which argument that is. */
export function cursorPlace(args: readonly Buffer[]): number {
  return String(args[0]).toLowerCase() === 'scan' ? 1 : 2;
}

export function isEqual(args: readonly Buffer[], ours: Buffer, theirs: Buffer): boolean {
  if (ours.equals(theirs)) return true;
  const a = ours.toString('latin1');
  const b = theirs.toString('latin1');
  if (a[0] !== b[0] || a[0] === '-') return false;
  switch (comparisonOf(args)) {
    case 'exact':
      return false;
    case 'close':
      return isClose(String(args[0]).toLowerCase().startsWith('p') ? closeMs : closeSeconds, a, b);
    case 'unordered': {
      const size = String(args[0]).toLowerCase() === 'hgetall' ? 2 : 1;
      return sorted(a, size) === sorted(b, size);
    }
    case 'walk':
      return a.startsWith('*2\r\n$1\r\n0\r\n') && sorted(a) === sorted(b);
    case 'timed':
      return withoutTimes(a) === withoutTimes(b);
    case 'made':
      return [a, b].every((id) => /^\$\d+\r\n\d{13}-\d+\r\n$/.test(id));
    case 'kind':
      return headerOf(a) === headerOf(b);
  }
}

function isClose(bound: number, a: string, b: string): boolean {
  const [first, second] = [Number(a.slice(1)), Number(b.slice(1))];
  return first >= 0 && second >= 0 && Math.abs(first - second) <= bound;
}

/** Elements in order, so that replies that differ in that only come out alike. With `size` 2 names and values stay together. */
function sorted(reply: string, size: 1 | 2 = 1): string {
  const elements = elementsOf(reply.replace(/^[~%]/, '*')) ?? [reply];
  const found: string[] = [];
  for (let at = 0; at < elements.length; at += size) {
    found.push(
      elements
        .slice(at, at + size)
        .map((element) => (element.startsWith('*') ? sorted(element) : element))
        .join(''),
    );
  }
  return found.sort().join('');
}

/** Moments in ms are numbers of 13 digits; an age has its name before it, or stands between a consumer and a count. */
function withoutTimes(reply: string): string {
  return reply
    .replaceAll(/(\$4\r\nidle\r\n):\d+/g, '$1:AGE')
    .replaceAll(/:\d{13}\r\n/g, ':TIME\r\n')
    .replaceAll(/:\d+\r\n(:\d+\r\n)/g, ':AGE\r\n$1');
}

function headerOf(reply: string): string {
  return /^[$:]\d/.test(reply) ? reply.charAt(0) : reply.slice(0, reply.indexOf('\r\n'));
}
