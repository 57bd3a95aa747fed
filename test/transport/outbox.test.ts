import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../src/transport/outbox.ts';
import { frameBytes } from './raw-peer.ts';

const small = Buffer.from('small');
const large = Buffer.alloc(2048, 'l');

test('small parts are joined into one buffer', () => {
  const outbox = new Outbox();
  for (let kind = 0; kind < 100; kind += 1) outbox.add(kind, [small, small], 10);
  assert.equal(outbox.bytes, 1900);
  const buffers = outbox.take();
  assert.equal(buffers.length, 1);
  const expected = Array.from({ length: 100 }, (_, kind) =>
    frameBytes(kind, Buffer.concat([small, small])),
  );
  assert(Buffer.concat(expected).equals(buffers[0]!));
  assert.equal(outbox.bytes, 0);
  assert.deepEqual(outbox.take(), []);
});

test('large parts are passed as they are, in their place', () => {
  const outbox = new Outbox();
  outbox.add(1, [small, large, small], small.length * 2 + large.length);
  outbox.add(2, [large, large], large.length * 2);
  outbox.add(3, [small], small.length);
  const buffers = outbox.take();
  assert.equal(buffers.filter((buffer) => buffer === large).length, 3);
  const expected = Buffer.concat([
    frameBytes(1, Buffer.concat([small, large, small])),
    frameBytes(2, Buffer.concat([large, large])),
    frameBytes(3, small),
  ]);
  assert(expected.equals(Buffer.concat(buffers)));
});
