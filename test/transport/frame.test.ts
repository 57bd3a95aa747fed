import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { randomInteger, seededRandom } from '../../src/base/random.ts';
import { FrameDecoder, frameHeader, preamble, type FrameFault } from '../../src/transport/frame.ts';
import { frameBytes } from './raw-peer.ts';

interface Taken {
  readonly frames: { readonly kind: number; readonly payload: Uint8Array }[];
  readonly fault: FrameFault | undefined;
}

function take(chunks: readonly Buffer[], payloadBytesMax: number = 1024 ** 2): Taken {
  const frames: Taken['frames'] = [];
  const onFrame = (kind: number, payload: Uint8Array): void => void frames.push({ kind, payload });
  const decoder = new FrameDecoder({ payloadBytesMax, onFrame });
  for (const chunk of chunks) {
    const fault = decoder.push(chunk);
    if (fault !== undefined) return { frames, fault };
  }
  return { frames, fault: undefined };
}

test('the bytes of a frame are length, kind, checksum of both, payload', () => {
  const payload = Buffer.from('hello');
  const bytes = frameBytes(7, payload);
  assert.equal(bytes.readUInt32BE(0), 5);
  assert.equal(bytes[4], 7);
  assert.equal(bytes.readUInt32BE(5), crc32(Buffer.from('\x07hello')));
  assert(bytes.subarray(9).equals(payload));
  assert.equal(preamble().toString('latin1'), 'OUTRIG\x00\x02');
});

test('a stream cut anywhere gives the frames that were put in', () => {
  const seed = 77;
  const random = seededRandom(seed);
  for (let round = 0; round < 60; round += 1) {
    const sent: Buffer[] = [];
    for (let count = randomInteger(random, 1, 20); count > 0; count -= 1) {
      const large = randomInteger(random, 0, 8) === 0;
      const size = randomInteger(random, 0, large ? 400_000 : 40);
      sent.push(Buffer.alloc(size, randomInteger(random, 0, 255)));
    }
    const stream = Buffer.concat([
      preamble(),
      ...sent.map((payload, at) => frameBytes(at, payload)),
    ]);
    const chunks: Buffer[] = [];
    const chunkBytesMax = [3, 20, 1000, 65_536][round % 4]!;
    for (let at = 0; at < stream.length;) {
      const end = at + randomInteger(random, 1, chunkBytesMax);
      chunks.push(Buffer.from(stream.subarray(at, end)));
      at = end;
    }
    const { frames, fault } = take(chunks);
    assert.equal(fault, undefined, `seed ${seed} round ${round}`);
    assert.deepEqual(
      frames.map(({ kind }) => kind),
      sent.map((_, at) => at),
    );
    assert(frames.every(({ payload }, at) => sent[at]!.equals(payload)));
  }
});

test('frames that lie whole in a chunk are views into it', () => {
  const chunk = Buffer.concat([
    preamble(),
    frameBytes(1, Buffer.from('a')),
    frameBytes(2, Buffer.from('b')),
  ]);
  const { frames } = take([chunk]);
  assert(frames.every(({ payload }) => payload.buffer === chunk.buffer));
});

test('an announced length costs no memory before its bytes arrive', () => {
  const before = process.memoryUsage().arrayBuffers;
  const header = frameHeader(1, [], 1024 ** 3);
  const decoders: FrameDecoder[] = [];
  for (let count = 0; count < 20; count += 1) {
    const decoder = new FrameDecoder({ payloadBytesMax: 1024 ** 3, onFrame: () => undefined });
    assert.equal(decoder.push(Buffer.concat([preamble(), header, Buffer.alloc(100)])), undefined);
    decoders.push(decoder);
  }
  assert(process.memoryUsage().arrayBuffers - before < 20 * 1024 ** 2);
});

test('bytes that come one by one cost no more than what they hold', () => {
  const decoder = new FrameDecoder({ payloadBytesMax: 1024 ** 3, onFrame: () => undefined });
  decoder.push(Buffer.concat([preamble(), frameHeader(1, [], 1024 ** 3)]));
  const before = process.memoryUsage().arrayBuffers;
  const byte = Buffer.alloc(1);
  for (let count = 0; count < 300_000; count += 1) decoder.push(byte);
  assert(process.memoryUsage().arrayBuffers - before < 4 * 1024 ** 2);
});

test('a length above the bound is a fault, and says the numbers', () => {
  const header = Buffer.from('ffffffff0100000000', 'hex');
  assert.deepEqual(take([preamble(), header], 65_536).fault, {
    kind: 'frame',
    reason: 'a frame of 4294967295 bytes, more than 65536',
  });
  const { frames, fault } = take([preamble(), frameBytes(1, Buffer.alloc(65_536))], 65_536);
  assert.equal(fault, undefined);
  assert.equal(frames.length, 1);
});

test('a flipped bit in kind, checksum or payload is a fault, and the frames before it count', () => {
  const good = frameBytes(1, Buffer.from('good'));
  const whole = frameBytes(2, Buffer.from('bad'));
  for (let at = 4; at < whole.length; at += 1) {
    const damaged = Buffer.from(whole);
    damaged[at] = whole[at]! ^ 4;
    const { frames, fault } = take([preamble(), good, damaged]);
    assert.equal(fault?.kind, 'frame', `byte ${at}`);
    assert.equal(frames.length, 1);
  }
});

test('what does not start like a node is a stranger as soon as that shows', () => {
  assert.deepEqual(take([Buffer.from('G')]).fault, { kind: 'stranger' });
  assert.deepEqual(take([Buffer.from('OUT'), Buffer.from('LOOK')]).fault, { kind: 'stranger' });
  assert.equal(take([Buffer.from('OUTR')]).fault, undefined);
});

test('another version is named', () => {
  const other = preamble();
  other.writeUInt16BE(258, 6);
  assert.deepEqual(take([other]).fault, { kind: 'version', version: 258 });
});

test('random bytes never throw and never give a frame', () => {
  const seed = 4242;
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round += 1) {
    const noise = Buffer.from(
      Array.from({ length: randomInteger(random, 1, 400) }, () => randomInteger(random, 0, 255)),
    );
    const { frames } = take(round % 2 === 0 ? [noise] : [preamble(), noise]);
    assert.equal(frames.length, 0, `seed ${seed} round ${round}`);
  }
});

test('a stopped decoder delivers nothing more of the chunk in hand', () => {
  let delivered = 0;
  const decoder: FrameDecoder = new FrameDecoder({
    payloadBytesMax: 100,
    onFrame: () => {
      delivered += 1;
      decoder.stop();
    },
  });
  const frame = frameBytes(1, Buffer.from('a'));
  decoder.push(Buffer.concat([preamble(), frame, frame, frame]));
  assert.equal(delivered, 1);
});
