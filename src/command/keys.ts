/**
 * Where a command's keys stand among its arguments.
 *
 * Covers what rows say by position, which is every supported command. Commands that count their keys in an argument
 * (EVAL, ZUNION …) are refused ones; their rows have the flag `movablekeys` and `keyIndexes` finds none.
 */

import type { CommandSpec } from './table.ts';

const none: readonly number[] = [];
const first: readonly number[] = [1];

/**
 * Positions of the keys, ascending, the command's name being 0. The usual single key costs no allocation.
 *
 * @param argc - number of arguments, the name counted, fitting the row's arity
 */
export function keyIndexes(spec: CommandSpec, argc: number): readonly number[] {
  if (spec.firstKey === 1 && spec.lastKey === 1) return first;
  if (spec.firstKey === 0) return none;
  const last = spec.lastKey < 0 ? argc + spec.lastKey : spec.lastKey;
  const positions: number[] = [];
  for (let at = spec.firstKey; at <= last && at < argc; at += spec.keyStep) positions.push(at);
  return positions;
}
