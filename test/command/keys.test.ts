import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyIndexes } from '../../src/command/keys.ts';
import { lookupCommand } from '../../src/command/table.ts';

function keysOf(name: string, argc: number, sub?: string): readonly number[] {
  const spec = lookupCommand(name);
  const row = sub === undefined ? spec : spec?.subcommands?.get(sub);
  assert.ok(row);
  return keyIndexes(row, argc);
}

test('keys stand where the row says', () => {
  assert.deepEqual(keysOf('get', 2), [1]);
  assert.deepEqual(keysOf('set', 6), [1]);
  assert.deepEqual(keysOf('mget', 4), [1, 2, 3]);
  assert.deepEqual(keysOf('mset', 5), [1, 3]);
  assert.deepEqual(keysOf('rename', 3), [1, 2]);
  assert.deepEqual(keysOf('copy', 6), [1, 2]);
  assert.deepEqual(keysOf('lcs', 4), [1, 2]);
  assert.deepEqual(keysOf('object', 3, 'encoding'), [2]);
  assert.deepEqual(keysOf('memory', 3, 'usage'), [2]);
});

test('commands without keys have none', () => {
  for (const name of ['ping', 'dbsize', 'keys', 'scan', 'flushall', 'swapdb']) {
    assert.deepEqual(keysOf(name, 2), [], name);
  }
  assert.deepEqual(keysOf('object', 2, 'help'), []);
});

test('a single key costs no allocation', () => {
  assert.equal(keysOf('get', 2), keysOf('set', 3));
});

test('MSET without its last value still shows all its keys', () => {
  assert.deepEqual(keysOf('mset', 4), [1, 3]);
});
