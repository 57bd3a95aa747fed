import assert from 'node:assert/strict';
import { test } from 'node:test';

import { groupId, index } from '../../src/base/ids.ts';
import { randomInteger, seededRandom } from '../../src/base/random.ts';
import {
  baseKey,
  decodeKey,
  describeKey,
  entryKey,
  formatKey,
  hardStateKey,
  identityKey,
} from '../../src/log/keys.ts';

const three = groupId(3);

test('keys have the bytes that docs/storage-format.md gives', () => {
  const written = [
    formatKey(),
    identityKey(),
    baseKey(three),
    hardStateKey(groupId(2 ** 32 - 1)),
    entryKey(three, index(2 ** 32 + 7)),
  ].map((key) => key.toString('hex'));
  assert.deepEqual(written, ['01', '02', '0300000003', '04ffffffff', '05000000030000000100000007']);
});

test('a key says what it names, and bytes that are no key are none', () => {
  assert.deepEqual(decodeKey(formatKey()), { kind: 'format' });
  assert.deepEqual(decodeKey(identityKey()), { kind: 'identity' });
  assert.deepEqual(decodeKey(baseKey(three)), { kind: 'base', group: three });
  assert.deepEqual(decodeKey(hardStateKey(three)), { kind: 'hard-state', group: three });
  const last = index(Number.MAX_SAFE_INTEGER);
  assert.deepEqual(decodeKey(entryKey(three, last)), { kind: 'entry', group: three, index: last });
  for (const digits of [
    '',
    '00',
    '03',
    '0100000003',
    '0500000003',
    '04000000030000000000000007',
    '05000000030000000000000000',
    '0500000003ffffffffffffffff',
    '0500000003000000000000000700',
  ]) {
    assert.equal(decodeKey(Buffer.from(digits, 'hex')), undefined, digits);
  }
});

test('messages name records in words', () => {
  assert.equal(describeKey(entryKey(three, index(7))), 'entry 7 of group 3');
  assert.equal(describeKey(hardStateKey(three)), 'the hard state record of group 3');
  assert.equal(describeKey(Uint8Array.of(0xab)), 'the record under key 0xab');
});

test('keys sort as bytes like their groups and indexes', () => {
  const seed = 20_250_711;
  const random = seededRandom(seed);
  const drawn = Array.from({ length: 500 }, () => ({
    group: groupId(randomInteger(random, 0, 1) === 0 ? 3 : randomInteger(random, 0, 2 ** 32 - 1)),
    at: index(randomInteger(random, 1, 2 ** randomInteger(random, 1, 53) - 1)),
  }));
  const byNumbers = drawn.toSorted((a, b) => a.group - b.group || a.at - b.at);
  const byBytes = drawn.toSorted((a, b) =>
    Buffer.compare(entryKey(a.group, a.at), entryKey(b.group, b.at)),
  );
  assert.deepEqual(byBytes, byNumbers, `seed ${String(seed)}`);
});
