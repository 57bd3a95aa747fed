import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  namespacesMax,
  parseNamespaces,
  parseUpstream,
  withoutSecrets,
} from '../../src/shard/namespace.ts';

const reasonOf = (json: unknown): string => {
  const parsed = parseNamespaces(json);
  return parsed.kind === 'invalid' ? parsed.reason : 'ok';
};

test('a table is taken in its order, and again from its own JSON', () => {
  const rows = [
    { keys: 'session:*', database: 3, level: 'strong' },
    { keys: 'sess?on:*', level: 'session' },
    { keys: 'page:*', level: 'bounded', boundMs: 250, defaultTtlMs: 60_000 },
    { keys: 'old:*', level: 'off', upstream: 'redis://u:p@cache:6380' },
    { keys: '*', level: 'eventual' },
  ];
  const parsed = parseNamespaces(rows);
  assert.deepEqual(parsed, { kind: 'ok', value: rows });
  assert.deepEqual(parseNamespaces(JSON.parse(JSON.stringify(rows))), parsed);
  assert.deepEqual(parseNamespaces([]), { kind: 'ok', value: [] });
});

test('what is not a table is refused, with the place and the reason', () => {
  assert.equal(reasonOf({}), 'namespaces must be a list');
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [null, /must be an object/],
    ['row', /must be an object/],
    [{ level: 'strong' }, /keys must be a pattern/],
    [{ keys: 1, level: 'strong' }, /keys must be a pattern/],
    [{ keys: '', level: 'strong' }, /keys must be a pattern/],
    [{ keys: '\ud800', level: 'strong' }, /keys must be a pattern/],
    [{ keys: 'a' }, /level must be one of/],
    [{ keys: 'a', level: 'stronger' }, /level must be one of/],
    [{ keys: 'a', level: 'strong', database: 16 }, /database must be 0 to 15/],
    [{ keys: 'a', level: 'strong', database: -1 }, /database must be 0 to 15/],
    [{ keys: 'a', level: 'strong', database: '1' }, /database must be 0 to 15/],
    [{ keys: 'a', level: 'strong', ttl: 1 }, /unknown key ttl/],
    [{ keys: 'a', level: 'strong', boundMs: 1 }, /boundMs belongs to level bounded/],
    [{ keys: 'a', level: 'bounded' }, /boundMs belongs to level bounded/],
    [{ keys: 'a', level: 'bounded', boundMs: 0 }, /boundMs must be a whole number from 1/],
    [{ keys: 'a', level: 'bounded', boundMs: 1.5 }, /boundMs must be a whole number from 1/],
    [{ keys: 'a', level: 'strong', upstream: 'redis://a' }, /upstream belongs to level off/],
    [{ keys: 'a', level: 'off' }, /upstream belongs to level off/],
    [{ keys: 'a', level: 'off', upstream: 'cache:6379' }, /of the form redis:/],
    [{ keys: 'a', level: 'strong', defaultTtlMs: 0 }, /defaultTtlMs must be a whole number/],
    [
      { keys: 'a', level: 'off', upstream: 'redis://a', defaultTtlMs: 1 },
      /does not go with level off/,
    ],
    [{ keys: 'b', level: 'strong' }, /b is there twice/],
  ];
  for (const [row, reason] of wrong) {
    const text = reasonOf([{ keys: 'b', level: 'strong' }, row]);
    assert.match(text, /^namespaces\[1\]: /, JSON.stringify(row));
    assert.match(text, reason);
  }
});

test('a table has a bound, in rows and in characters', () => {
  const table = (rows: number, chars: number): unknown =>
    Array.from({ length: rows }, (_, at) => ({
      keys: `${at}`.padEnd(chars, 'x'),
      level: 'strong',
    }));
  assert.equal(reasonOf(table(namespacesMax, 10)), 'ok');
  assert.match(reasonOf(table(namespacesMax + 1, 10)), /at most 256 rows/);
  assert.match(reasonOf(table(10, 5_000)), /32768 characters/);
});

test('an upstream has host, port, user and password', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['redis://cache', { host: 'cache', port: 6379, user: undefined, password: undefined }],
    ['redis://10.0.0.1:7/', { host: '10.0.0.1', port: 7, user: undefined, password: undefined }],
    ['redis://[::1]:7', { host: '::1', port: 7, user: undefined, password: undefined }],
    ['redis://u:p%40@h', { host: 'h', port: 6379, user: 'u', password: 'p@' }],
    ['redis://:p@h:1', { host: 'h', port: 1, user: '', password: 'p' }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseUpstream(text), expected, text);
  for (const text of [
    '',
    'h:1',
    'redis://',
    'redis://h:0',
    'redis://h:65536',
    'redis://h/3',
    'rediss://h',
    'redis://u:%@h',
    'redis://a b',
  ])
    assert.equal(parseUpstream(text), undefined, text);
});

test('a row that is shown has no password', () => {
  const shown = (upstream: string): string | undefined =>
    withoutSecrets({ keys: '*', level: 'off', upstream }).upstream;
  assert.equal(shown('redis://u:secret@h:1'), 'redis://u:…@h:1');
  assert.equal(shown('redis://:secret@h:1'), 'redis://:…@h:1');
  assert.equal(shown('redis://h:1'), 'redis://h:1');
});
