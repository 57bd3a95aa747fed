import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileGlob } from '../../src/base/glob.ts';
import { NamespaceTable, noNamespaces } from '../../src/shard/namespace-table.ts';

const keyOf = (text: string): Uint8Array => Buffer.from(text);

test('the first row that fits counts, and a key without one is strong', () => {
  const table = new NamespaceTable([
    { keys: 'cart:vip:*', level: 'strong' },
    { keys: 'cart:*', database: 2, level: 'eventual' },
    { keys: 'c[ax]rt:?', level: 'session' },
  ]);
  const levelOf = (database: number, key: string): string => table.find(database, keyOf(key)).level;
  assert.equal(levelOf(2, 'cart:vip:1'), 'strong');
  assert.equal(levelOf(2, 'cart:1'), 'eventual');
  assert.equal(levelOf(0, 'cart:1'), 'session');
  assert.equal(levelOf(0, 'cxrt:1'), 'session');
  assert.equal(levelOf(0, 'cart:12'), 'strong');
  assert.equal(levelOf(0, 'art:1'), 'strong');
  assert.equal(noNamespaces.find(0, keyOf('cart:1')).level, 'strong');
});

test('the pattern of a star fits every key, the empty one too', () => {
  const table = new NamespaceTable([{ keys: '*', level: 'eventual' }]);
  for (const key of ['', 'a', '\0', '*']) assert.equal(table.find(0, keyOf(key)).level, 'eventual');
});

test('a pattern that is not ASCII is compared in UTF-8', () => {
  const table = new NamespaceTable([
    { keys: 'naïve:€:𝄞:*', level: 'eventual' },
    { keys: '?ä€𝄞', level: 'session' },
  ]);
  assert.equal(table.find(0, keyOf('naïve:€:𝄞:1')).level, 'eventual');
  assert.equal(table.find(0, keyOf('xä€𝄞')).level, 'session');
  assert.equal(table.find(0, Buffer.from('naïve:', 'latin1')).level, 'strong');
});

test('prefixes are compared as the glob that they are', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary-ascii' }),
      fc.uint8Array(),
      fc.nat(8),
      (text, rest, cut) => {
        const prefix = text.replaceAll(/[*?[\\]/g, '');
        const table = new NamespaceTable([{ keys: `${prefix}*`, level: 'eventual' }]);
        const key = Buffer.concat([keyOf(prefix).subarray(0, cut), rest]);
        fc.pre(key.length > 0);
        const isMatch = compileGlob(`${prefix}*`)(key.toString('latin1'));
        assert.equal(table.find(0, key).level === 'eventual', isMatch);
      },
    ),
  );
});
