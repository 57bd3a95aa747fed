/**
 * Where a command's keys stand among its arguments: by position, as its row says, or where other arguments say.
 */

import type { CommandArguments } from './arguments.ts';
import type { CommandSpec } from './table.ts';

const none: readonly number[] = [];
const first: readonly number[] = [1];

/**
 * Positions of the keys, the command's name being 0. The usual single key costs no allocation.
 *
 * @param command - its number of arguments fits the row's arity
 */
export function keyIndexes(spec: CommandSpec, command: CommandArguments): readonly number[] {
  if (spec.movableKeys !== undefined) return spec.movableKeys(command);
  if (spec.firstKey === 1 && spec.lastKey === 1) return first;
  if (spec.firstKey === 0) return none;
  const { argc } = command;
  const last = spec.lastKey < 0 ? argc + spec.lastKey : spec.lastKey;
  const positions: number[] = [];
  for (let at = spec.firstKey; at <= last && at < argc; at += spec.keyStep) positions.push(at);
  return positions;
}
