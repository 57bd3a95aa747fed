/**
 * All tables of cases: a name, and the lines one after the other on an empty server.
 */

import { lookupCommand } from '../../src/command/table.ts';
import { words } from '../support/commands.ts';
import { bitCases } from './cases/bits.ts';
import { expiryCases } from './cases/expiry.ts';
import { geoCases } from './cases/geo.ts';
import { hashCases } from './cases/hashes.ts';
import { keyCases } from './cases/keys.ts';
import { listCases } from './cases/lists.ts';
import { numberCases } from './cases/numbers.ts';
import { objectCases } from './cases/objects.ts';
import { rangeCases } from './cases/ranges.ts';
import { setCases } from './cases/sets.ts';
import { sortCases } from './cases/sort.ts';
import { sortedSetRangeCases } from './cases/sorted-set-ranges.ts';
import { sortedSetCases } from './cases/sorted-sets.ts';
import { streamGroupCases } from './cases/stream-groups.ts';
import { streamCases } from './cases/streams.ts';
import { stringCases } from './cases/strings.ts';

export type Cases = Readonly<Record<string, readonly string[]>>;

/** Those of every engine, and those of the types that only the redis engine holds. */
export const allCases: Cases = {
  ...stringCases,
  ...numberCases,
  ...rangeCases,
  ...keyCases,
  ...expiryCases,
  ...objectCases,
  ...hashCases,
  ...listCases,
  ...setCases,
  ...sortedSetCases,
  ...sortedSetRangeCases,
  ...streamCases,
  ...streamGroupCases,
  ...bitCases,
  ...geoCases,
  ...sortCases,
};

/** Lines that set deadlines which a fronted Redis cannot store: they end 2^42 ms earlier than Redis's own (docs/decisions/0009). */
const tooLate: ReadonlySet<string> = new Set([
  'EXPIREAT a 9223372036854775',
  'PEXPIREAT a 9223372036854775807',
  'SET a 1 EXAT 9223372036854775',
  'SET a 1 PXAT 9223372036854775807',
]);

/** The tables whose commands this engine holds, all of them, as far as it holds them. */
export function casesOf(engine: 'memory' | 'redis'): Cases {
  if (engine === 'redis') {
    const tables = Object.entries(allCases);
    return Object.fromEntries(
      tables.map(([name, lines]) => [name, lines.filter((line) => !tooLate.has(line))]),
    );
  }
  const isHeld = (line: string): boolean =>
    lookupCommand(String(words(line)[0]))?.engines !== 'redis';
  return Object.fromEntries(Object.entries(allCases).filter(([, lines]) => lines.every(isHeld)));
}
