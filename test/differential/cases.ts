/**
 * All tables of cases: a name, and the lines one after the other on an empty server.
 */

import { expiryCases } from './cases/expiry.ts';
import { keyCases } from './cases/keys.ts';
import { numberCases } from './cases/numbers.ts';
import { objectCases } from './cases/objects.ts';
import { rangeCases } from './cases/ranges.ts';
import { stringCases } from './cases/strings.ts';

export const cases: Readonly<Record<string, readonly string[]>> = {
  ...stringCases,
  ...numberCases,
  ...rangeCases,
  ...keyCases,
  ...expiryCases,
  ...objectCases,
};
