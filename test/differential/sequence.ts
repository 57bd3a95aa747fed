/**
 * Random sequences of commands on two targets: the same replies, and the same data behind them.
 */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isEqual } from './compare.ts';
import { keyNames, type Words } from './generator.ts';
import type { Target } from './target.ts';

const commandsMax = 40;

export type Sequence = readonly (readonly string[])[];

/** What a sequence leaves behind of strings. */
const strings: Sequence = [
  ['KEYS', '*'],
  ['MGET', ...keyNames],
];

/** And of the other types: a key answers what is of its type, and an error for the others. */
const types: Sequence = keyNames.flatMap((key) => [
  ['TYPE', key],
  ['HGETALL', key],
  ['LRANGE', key, '0', '-1'],
  ['SMEMBERS', key],
  ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  ['XINFO', 'STREAM', key, 'FULL'],
  ['PEXPIRETIME', key],
]);

export const sequenceOf = (command: Words): fc.Arbitrary<Sequence> =>
  fc.array(command, { minLength: 1, maxLength: commandsMax, size: 'max' });

/** From an empty start. `engine` tells which types there may be at the end. */
export async function compareSequence(
  commands: Sequence,
  targets: { readonly ours: Target; readonly theirs: Target },
  engine: 'memory' | 'redis',
): Promise<void> {
  const { ours, theirs } = targets;
  const left = engine === 'redis' ? [...strings, ...types] : strings;
  const epilogue = ['0', '1', '2'].flatMap((number) => [['SELECT', number], ...left]);
  for (const words of [['FLUSHALL'], ['SELECT', '0'], ...commands, ...epilogue]) {
    const args = words.map((word) => Buffer.from(word, 'latin1'));
    const [our, their] = [await ours.execute(args), await theirs.execute(args)];
    if (!isEqual(args, our, their)) {
      assert.equal(our.toString('latin1'), their.toString('latin1'), words.join(' '));
    }
  }
}
