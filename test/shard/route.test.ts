import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { keyIndexes } from '../../src/command/keys.ts';
import { lookupCommand } from '../../src/command/table.ts';
import { Router } from '../../src/shard/route.ts';
import type { Route } from '../../src/shard/route.ts';
import { initialShardMap } from '../../src/shard/shard-map.ts';
import { createSlotter } from '../../src/shard/slot.ts';
import type { Slotter } from '../../src/shard/slot.ts';
import { words } from '../support/commands.ts';

let slotOf: Slotter;

before(async () => {
  slotOf = await createSlotter();
});

function route(shards: number, line: string): Route {
  const args = words(line);
  const [name = '', sub = ''] = args.map((arg) => arg.toString().toLowerCase());
  const container = lookupCommand(name);
  const spec = container?.subcommands?.get(sub) ?? container;
  assert.ok(spec);
  const arg = (position: number): Buffer => args[position] ?? Buffer.alloc(0);
  const argLatin1 = (position: number): string => arg(position).toString('latin1');
  const keys = keyIndexes(spec, { argc: args.length, argLatin1 });
  const router = new Router({ map: initialShardMap(shards), slotOf });
  return router.route(spec, keys, { argc: args.length, arg });
}

/** Keys `0:`, `1:` … by the shard they belong to. */
function keyOf(shard: number, shards: number): string {
  for (let number = 0; ; number += 1) {
    if (slotOf(Buffer.from(`${number}:`)) % shards === shard) return `${number}:`;
  }
}

describe('with one shard', () => {
  test('everything goes to it', () => {
    const lines = ['GET a', 'MGET a b c', 'KEYS *', 'SCAN 0', 'SWAPDB 0 1', 'RENAME a b', 'DBSIZE'];
    for (const line of lines) assert.deepEqual(route(1, line), { kind: 'one', shard: 0 }, line);
  });
});

describe('with several shards', () => {
  test('a single key tells the shard', () => {
    for (const key of ['a', 'b', 'foo', '{42}x']) {
      const shard = slotOf(Buffer.from(key)) % 16;
      assert.deepEqual(route(16, `GET ${key}`), { kind: 'one', shard });
      assert.deepEqual(route(16, `OBJECT ENCODING ${key}`), { kind: 'one', shard });
    }
  });

  test('keys of one tag go together', () => {
    assert.equal(route(16, 'RENAME {t}a {t}b').kind, 'one');
    assert.equal(route(16, 'MGET {t}a {t}b').kind, 'one');
  });

  test('a command that cannot be split needs its keys in one shard', () => {
    const [a, b] = [keyOf(0, 4), keyOf(1, 4)];
    for (const line of [`RENAME ${a} ${b}`, `MSETNX ${a} 1 ${b} 2`, `LCS ${a} ${b}`]) {
      assert.deepEqual(route(4, line), {
        kind: 'error',
        text: "CROSSSLOT Keys in request don't hash to the same slot",
      });
    }
  });

  test('MSET is split with its values, in order', () => {
    const [a, b, c] = [keyOf(2, 4), keyOf(1, 4), `{${keyOf(2, 4)}}c`];
    const found = route(4, `MSET ${a} 1 ${b} 2 ${c} 3 ${a} 4`);
    assert.equal(found.kind, 'split');
    const parts = found.kind === 'split' ? found.parts : [];
    assert.deepEqual(
      parts.map((part) => ({ ...part, args: part.args.map(String) })),
      [
        { shard: 1, args: ['MSET', b, '2'], ordinals: [1] },
        { shard: 2, args: ['MSET', a, '1', c, '3', a, '4'], ordinals: [0, 2, 3] },
      ],
    );
  });

  test('MGET and DEL are split by key, and the arguments are not copied', () => {
    const [a, b] = [keyOf(0, 2), keyOf(1, 2)];
    for (const name of ['MGET', 'DEL', 'EXISTS', 'TOUCH', 'UNLINK']) {
      const found = route(2, `${name} ${b} ${a} ${b}`);
      const parts = found.kind === 'split' ? found.parts : [];
      assert.deepEqual(
        parts.map((part) => part.args.map(String).join(' ')),
        [`${name} ${a}`, `${name} ${b} ${b}`],
      );
      assert.deepEqual(
        parts.map((part) => part.ordinals),
        [[1], [0, 2]],
      );
    }
  });

  test('MSET without its last value goes whole to one shard, for the error', () => {
    assert.equal(route(16, 'MSET a 1 b 2 c').kind, 'one');
  });

  test('commands on all keys go everywhere', () => {
    for (const line of ['DBSIZE', 'KEYS *', 'FLUSHALL', 'FLUSHDB']) {
      assert.deepEqual(route(2, line), { kind: 'all' }, line);
    }
    assert.deepEqual(route(2, 'SCAN 0'), { kind: 'scan' });
    assert.deepEqual(route(2, 'RANDOMKEY'), { kind: 'random' });
  });

  test('SWAPDB is an error', () => {
    assert.equal(route(2, 'SWAPDB 0 1').kind, 'error');
  });

  test('a command without keys goes to the first shard', () => {
    assert.deepEqual(route(8, 'OBJECT HELP'), { kind: 'one', shard: 0 });
  });
});
