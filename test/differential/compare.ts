/**
 * When two replies count as equal. Almost always that is byte for byte; the other rules are for what cannot be.
 */

/**
 * - `exact`: the same bytes.
 * - `close`: integers that depend on when a command ran (TTLs, points in time): negative ones equal, others at most 10 s apart.
 * - `sorted`: an array in no set order (KEYS).
 * - `walk`: a cursor and an array (SCAN): both cursors 0 or both not, and the same elements in any order.
 * - `kind`: the same type of reply (sizes in memory).
 */
export type Comparison = 'exact' | 'close' | 'sorted' | 'walk' | 'kind';

const closeMs = 10_000;
const closeSeconds = 10;

/** The rule for a command by its name and first argument. */
export function comparisonOf(args: readonly Buffer[]): Comparison {
  const name = String(args[0]).toLowerCase();
  if (['ttl', 'pttl', 'expiretime', 'pexpiretime'].includes(name)) return 'close';
  if (name === 'object' && String(args[1]).toLowerCase() === 'idletime') return 'close';
  if (name === 'keys') return 'sorted';
  if (name === 'scan') return 'walk';
  if (name === 'memory') return 'kind';
  return 'exact';
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
    case 'sorted':
      return sorted(a) === sorted(b);
    case 'walk':
      return a.startsWith('*2\r\n$1\r\n0\r\n') && sorted(a) === sorted(b);
    case 'kind':
      return a !== '$-1\r\n' && b !== '$-1\r\n';
  }
}

function isClose(bound: number, a: string, b: string): boolean {
  const [first, second] = [Number(a.slice(1)), Number(b.slice(1))];
  return first >= 0 && second >= 0 && Math.abs(first - second) <= bound;
}

/** Lines in order: elements of arrays that differ in order only come out alike. */
function sorted(reply: string): string {
  return reply.split('\r\n').sort().join('\r\n');
}
