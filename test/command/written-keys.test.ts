import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyIndexes } from '../../src/command/keys.ts';
import { lookupCommand } from '../../src/command/table.ts';
import { destinationDatabase, writtenKeys } from '../../src/command/written-keys.ts';

const argumentsOf = (line: string): { argc: number; argLatin1(position: number): string } => {
  const words = line.split(' ');
  return { argc: words.length, argLatin1: (position) => words[position] ?? '' };
};

/** The keys that a line may leave behind. */
function written(line: string): string {
  const command = argumentsOf(line);
  const spec = lookupCommand(command.argLatin1(0));
  assert.ok(spec);
  const keys = writtenKeys(spec, keyIndexes(spec, command));
  return keys.map((at) => command.argLatin1(at)).join(' ');
}

test('a command may leave behind the keys that it writes, not those that it reads or takes from', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['set a 1', 'a'],
    ['incr a', 'a'],
    ['mset a 1 b 2', 'a b'],
    ['msetnx a 1 b 2', 'a b'],
    ['rename a b', 'b'],
    ['copy a b', 'b'],
    ['move a 3', 'a'],
    ['lmove a b left left', 'a b'],
    ['rpoplpush a b', 'a b'],
    ['smove a b m', 'a b'],
    ['bitop or d a b', 'd'],
    ['zunionstore d 2 a b', 'd'],
    ['sinterstore d a b', 'd'],
    ['pfmerge d a b', 'd'],
    ['sort a', ''],
    ['sort a store d', 'd'],
    ['georadius a 1 1 1 m', ''],
    ['georadius a 1 1 1 m store d', 'd'],
    ['restore a 0 x', 'a'],
    ['xadd a * f v', 'a'],
    ['del a b', ''],
    ['persist a', ''],
    ['expire a 10', ''],
    ['getex a persist', ''],
    ['flushall', ''],
    ['hdel a f', ''],
    ['lpop a', ''],
  ];
  for (const [line, keys] of cases) assert.equal(written(line), keys, line);
});

test('MOVE and COPY … DB write in another database, where that exists', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['move a 3', 3],
    ['move a 15', 15],
    ['move a 16', undefined],
    ['move a x', undefined],
    ['copy a b', undefined],
    ['copy a b DB 2 replace', 2],
    ['copy a b replace db 2', 2],
    ['copy db db', undefined],
    ['set a 3', undefined],
  ];
  for (const [line, database] of cases) {
    const command = argumentsOf(line);
    const spec = lookupCommand(command.argLatin1(0));
    assert.ok(spec);
    assert.equal(destinationDatabase(spec, command), database, line);
  }
});
