import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNamespaces } from '../../src/shard/namespace.ts';

test('a table of strong namespaces is taken in its order', () => {
  const rows = [
    { database: 3, prefix: 'session:', level: 'strong' },
    { prefix: '', level: 'strong' },
  ];
  assert.deepEqual(parseNamespaces(rows), {
    kind: 'ok',
    namespaces: [
      { database: 3, prefix: 'session:', level: 'strong' },
      { database: undefined, prefix: '', level: 'strong' },
    ],
  });
  assert.deepEqual(parseNamespaces([]), { kind: 'ok', namespaces: [] });
});

test('what is not a table of strong namespaces is refused, with the place', () => {
  assert.equal(parseNamespaces({}).kind, 'invalid');
  const wrong: unknown[] = [
    null,
    'row',
    { level: 'strong' },
    { prefix: 1, level: 'strong' },
    { prefix: 'a' },
    { prefix: 'a', level: 'eventual' },
    { prefix: 'a', level: 'strong', database: 16 },
    { prefix: 'a', level: 'strong', database: -1 },
    { prefix: 'a', level: 'strong', database: '1' },
  ];
  for (const row of wrong) {
    const parsed = parseNamespaces([{ prefix: '', level: 'strong' }, row]);
    assert.equal(parsed.kind, 'invalid', JSON.stringify(row));
    assert.match(parsed.kind === 'invalid' ? parsed.reason : '', /^namespaces\[1\]: /);
  }
});
