import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memberId, nodeId, sessionId } from '../../src/base/ids.ts';
import {
  decodeBatch,
  decodeCommands,
  decodeGroup,
  encodeBatch,
  encodeCommands,
  encodeGroup,
  type Group,
} from '../../src/replica/batch.ts';

const commandArbitrary = fc.record({
  database: fc.integer({ min: 0, max: 15 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
});

const groupArbitrary: fc.Arbitrary<Group> = fc.oneof(
  fc
    .tuple(fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat(), fc.array(commandArbitrary))
    .map(([session, sequence, acknowledged, commands]): Group => {
      const body = encodeCommands(commands);
      return {
        kind: 'commands',
        session: sessionId(session % 2 ** 48),
        sequence: sequence % 2 ** 48,
        acknowledged: acknowledged % 2 ** 48,
        isAlone: false,
        count: commands.length,
        body,
      };
    }),
  fc
    .tuple(fc.nat(), fc.nat(), fc.nat(), fc.uint8Array({ minLength: 8, maxLength: 8 }))
    .map(([node, incarnation, nonce, member]): Group => {
      const hex = Buffer.from(member).toString('hex');
      return { kind: 'open', node: nodeId(node), member: memberId(hex), incarnation, nonce };
    }),
);

const plain = (group: Group): unknown =>
  group.kind === 'open' ? group : { ...group, body: Buffer.from(group.body).toString('hex') };

test('a batch comes back as it was encoded', () => {
  const property = fc.property(fc.nat(), fc.array(groupArbitrary), (timeMs, groups) => {
    const decoded = decodeBatch(encodeBatch({ timeMs, groups }));
    assert.equal(decoded?.timeMs, timeMs);
    assert.deepEqual(decoded.groups.map(plain), groups.map(plain));
  });
  fc.assert(property);
});

test('a group alone comes back, and its commands with it', () => {
  const commands = [
    { database: 0, bytes: Buffer.from('*1\r\n$4\r\nPING\r\n') },
    { database: 15, bytes: Buffer.alloc(0) },
  ];
  const group: Group = {
    kind: 'commands',
    session: sessionId(2 ** 48 - 1),
    sequence: 2 ** 48 - 1,
    acknowledged: 0,
    isAlone: false,
    count: 2,
    body: encodeCommands(commands),
  };
  const decoded = decodeGroup(encodeGroup(group));
  assert.ok(decoded?.kind === 'commands');
  assert.deepEqual(decodeCommands(decoded.body, decoded.count), commands);
});

test('a group that has to be resolved says so on its way, and no entry takes or holds it', () => {
  const body = encodeCommands([{ database: 0, bytes: Buffer.from('x') }]);
  const group: Group = {
    kind: 'commands',
    session: sessionId(1),
    sequence: 1,
    acknowledged: 0,
    isAlone: true,
    count: 1,
    body,
  };
  const encoded = Buffer.from(encodeGroup(group));
  assert.deepEqual(plain(decodeGroup(encoded) ?? group), plain(group));
  assert.throws(() => encodeBatch({ timeMs: 1, groups: [group] }), /is resolved/);
  const entry = Buffer.from(encodeBatch({ timeMs: 1, groups: [{ ...group, isAlone: false }] }));
  const start = entry.length - encoded.length;
  assert.equal(entry[start], 1);
  entry[start] = encoded[0] ?? 0;
  assert.equal(decodeBatch(entry), undefined);
});

test('bytes that are cut, lengthened or changed decode to nothing or to a batch, and never throw', () => {
  const property = fc.property(
    fc.array(groupArbitrary, { maxLength: 4 }),
    fc.nat(),
    fc.nat(),
    fc.nat(255),
    (groups, cut, place, value) => {
      const bytes = Buffer.from(encodeBatch({ timeMs: 7, groups }));
      if (bytes.length > 1) {
        assert.equal(decodeBatch(bytes.subarray(0, cut % bytes.length)), undefined);
      }
      assert.equal(decodeBatch(Buffer.concat([bytes, Buffer.from([1])])), undefined);
      bytes[place % bytes.length] = value;
      decodeBatch(bytes);
    },
  );
  fc.assert(property);
});

test('a body that holds another number of commands, or a database beyond 15, is refused', () => {
  const body = Buffer.from(encodeCommands([{ database: 3, bytes: Buffer.from('x') }]));
  assert.equal(decodeCommands(body, 2), undefined);
  body[0] = 16;
  assert.equal(decodeCommands(body, 1), undefined);
});

test('a batch of another version is refused', () => {
  const bytes = Buffer.from(encodeBatch({ timeMs: 1, groups: [] }));
  bytes[0] = 2;
  assert.equal(decodeBatch(bytes), undefined);
});
