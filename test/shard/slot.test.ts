import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createSlotter, hashedPart, slotCount } from '../../src/shard/slot.ts';
import type { Slotter } from '../../src/shard/slot.ts';

let slotOf: Slotter;

before(async () => {
  slotOf = await createSlotter();
});

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test('a slot is xxhash64 of the key, seed 0, mod 1024', () => {
  // From the reference implementation: xxhash64('') = ef46db3751d8e999, ('a') = d24ec4f1a98c6e5b, ('abc') = 44bc2cf5ad770999.
  assert.equal(slotOf(bytes('')), Number(0xef46db3751d8e999n % 1024n));
  assert.equal(slotOf(bytes('a')), Number(0xd24ec4f1a98c6e5bn % 1024n));
  assert.equal(slotOf(bytes('abc')), Number(0x44bc2cf5ad770999n % 1024n));
});

test('a tag is what stands between the first { and the first } behind it, if anything does', () => {
  const parts: Readonly<Record<string, string>> = {
    'user:{42}:name': '42',
    '{a}{b}': 'a',
    'x{}y{b}': 'x{}y{b}',
    'x{{a}}y': '{a',
    'x}{a}': 'a',
    'x{a': 'x{a',
    'x}a': 'x}a',
    '{}': '{}',
    '': '',
  };
  for (const [key, part] of Object.entries(parts)) {
    assert.equal(Buffer.from(hashedPart(bytes(key))).toString(), part, key);
  }
});

test('keys with one tag share a slot', () => {
  assert.equal(slotOf(bytes('{42}:name')), slotOf(bytes('{42}:mail')));
  assert.equal(slotOf(bytes('{42}:name')), slotOf(bytes('42')));
});

test('a key in the middle of a larger buffer has the same slot', () => {
  assert.equal(slotOf(bytes('xxabcyy').subarray(2, 5)), slotOf(bytes('abc')));
});

test('keys spread over all slots', () => {
  const seen = new Set(Array.from({ length: 20_000 }, (_, key) => slotOf(bytes(`key:${key}`))));
  assert.equal(seen.size, slotCount);
});
