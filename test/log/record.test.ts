import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';

import { clusterId, groupId, index, memberId, nodeId, term } from '../../src/base/ids.ts';
import { baseKey, entryKey, formatKey, hardStateKey, identityKey } from '../../src/log/keys.ts';
import type { GroupBase, Identity } from '../../src/log/log.ts';
import {
  decodeBase,
  decodeEntry,
  decodeFormat,
  decodeHardState,
  decodeIdentity,
  encodeBase,
  encodeEntry,
  encodeFormat,
  encodeHardState,
  encodeIdentity,
  RecordError,
} from '../../src/log/record.ts';

const group = groupId(3);
const at = index(7);

const identity: Identity = {
  phase: 'agreed',
  nodeId: nodeId(258),
  memberId: memberId('00112233445566ff'),
  incarnation: 2 ** 32 + 1,
  clusterId: clusterId('0123456789abcdef0123456789abcdef'),
  members: [{ nodeId: nodeId(258), memberId: memberId('00112233445566ff') }],
  shards: 16,
};

const base: GroupBase = {
  index: index(5),
  term: term(4),
  confState: {
    voters: [nodeId(1), nodeId(2)],
    votersOutgoing: [nodeId(3)],
    learners: [],
    learnersNext: [nodeId(4)],
    autoLeave: true,
  },
};

const hardState = { term: term(6), vote: nodeId(2), commit: index(5) };
const entry = {
  term: term(6),
  index: at,
  type: 'conf-change-v2',
  data: Buffer.from('abc'),
} as const;

/** Payloads in hex, as `docs/storage-format.md` lays them out. */
const payloads: readonly [string, Buffer, Buffer, readonly string[]][] = [
  ['format', formatKey(), encodeFormat(formatKey(), 1), ['0001']],
  [
    'identity',
    identityKey(),
    encodeIdentity(identityKey(), identity),
    [
      '01',
      '00000102',
      '00112233445566ff',
      '0000000100000001',
      '0123456789abcdef0123456789abcdef',
      '0010',
      '0001',
      '00000102',
      '00112233445566ff',
    ],
  ],
  [
    'base',
    baseKey(group),
    encodeBase(baseKey(group), base),
    [
      '0000000000000005',
      '0000000000000004',
      '01',
      '0002',
      '00000001',
      '00000002',
      '0001',
      '00000003',
      '0000',
      '0001',
      '00000004',
    ],
  ],
  [
    'hard state',
    hardStateKey(group),
    encodeHardState(hardStateKey(group), hardState),
    ['0000000000000006', '00000002', '0000000000000005'],
  ],
  [
    'entry',
    entryKey(group, at),
    encodeEntry(entryKey(group, at), entry),
    ['0000000000000006', '02', '616263'],
  ],
];

for (const [name, key, value, payload] of payloads) {
  test(`the ${name} record has the bytes that docs/storage-format.md gives`, () => {
    const end = value.length - 4;
    const kind = key.subarray(0, 1).toString('hex');
    assert.equal(value.subarray(0, end).toString('hex'), ['01', kind, ...payload].join(''));
    assert.equal(value.readUInt32BE(end), crc32(Buffer.concat([key, value.subarray(0, end)])));
  });
}

test('records come back as they were written', () => {
  const found = payloads.map(([, key, value]) => [key, value] as const);
  const [format, own, groupBase, state, kept] = found;
  assert(format && own && groupBase && state && kept);
  assert.equal(decodeFormat(...format), 1);
  assert.deepEqual(decodeIdentity(...own), identity);
  assert.deepEqual(decodeBase(...groupBase), base);
  assert.deepEqual(decodeHardState(...state), hardState);
  assert.deepEqual(decodeEntry(...kept, at), { ...entry });
});

/** The record with another payload and a CRC that holds, as only a faulty program could write it. */
function resealed(key: Uint8Array, value: Uint8Array, change: (body: Buffer) => Buffer): Buffer {
  const body = change(Buffer.from(value.subarray(0, -4)));
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(body, crc32(key)));
  return Buffer.concat([body, crc]);
}

const setByte = (body: Buffer, place: number, to: number): Buffer => {
  body[place] = to;
  return body;
};

test('a record whose CRC holds but whose fields make no sense is refused', () => {
  const key = hardStateKey(group);
  const value = encodeHardState(key, hardState);
  const decode = (change: (body: Buffer) => Buffer): unknown =>
    decodeHardState(key, resealed(key, value, change));
  const refused = (message: string) => (error: unknown) =>
    error instanceof RecordError && !error.isNewer && error.message === message;
  assert.throws(
    () => decode((body) => body.subarray(0, -1)),
    refused('is shorter than its fields'),
  );
  assert.throws(
    () => decode((body) => Buffer.concat([body, Buffer.of(0)])),
    refused('is longer than its fields'),
  );
  assert.throws(
    () => decode((body) => setByte(body, 2, 0x7f)),
    refused('has a number beyond 2^53'),
  );
  assert.throws(
    () => decode((body) => setByte(body, 1, 5)),
    refused('is of another kind than its key'),
  );
  assert.throws(
    () => decode((body) => setByte(body, 0, 0)),
    refused('has no valid format version'),
  );
  assert.throws(() => decodeHardState(key, value.subarray(0, 5)), refused('is cut short'));
  const own = encodeEntry(entryKey(group, at), entry);
  const typeless = resealed(entryKey(group, at), own, (body) => setByte(body, 10, 3));
  assert.throws(
    () => decodeEntry(entryKey(group, at), typeless, at),
    refused('has an unknown entry type'),
  );
});

test('a newer version is told apart from damage by a CRC that holds', () => {
  const key = hardStateKey(group);
  const value = encodeHardState(key, hardState);
  const isNewer = (wanted: boolean) => (error: unknown) =>
    error instanceof RecordError && error.isNewer === wanted;
  const newer = resealed(key, value, (body) => setByte(body, 0, 2));
  assert.throws(() => decodeHardState(key, newer), isNewer(true));
  assert.throws(() => decodeHardState(key, setByte(Buffer.from(value), 0, 2)), isNewer(false));
});
