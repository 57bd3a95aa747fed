/**
 * Goal: whatever the bytes and however they are cut up, the decoder yields what a slow and plain one yields.
 */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { defaultRequestLimits, RequestDecoder } from '../../src/resp/decoder.ts';
import { encodeCommand } from '../../src/resp/encoder.ts';
import { decodeSlowly, type Decoded } from '../support/slow-decoder.ts';

interface Parser {
  execute(bytes: Buffer): void;
}

/** The package has no types. */
const RedisParser = createRequire(import.meta.url)('redis-parser') as new (options: {
  readonly returnReply: (args: Buffer[]) => void;
  readonly returnError: (error: Error) => void;
  readonly returnBuffers: boolean;
}) => Parser;

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Pushes the chunks one by one and takes what each makes whole. */
function decode(chunks: readonly Buffer[]): Decoded & { readonly whole: readonly string[] } {
  const decoder = new RequestDecoder();
  const commands: string[][] = [];
  const kept: Buffer[][] = [];
  const whole: Buffer[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    while (decoder.next()) {
      const args = decoder.args();
      kept.push(args);
      commands.push(args.map((argument) => argument.toString('latin1')));
      whole.push(decoder.commandBytes());
      assert.equal(decoder.argLatin1(0), commands.at(-1)?.[0]);
    }
  }
  // Views must still hold what they held when they were yielded.
  const now = kept.map((args) => args.map((argument) => argument.toString('latin1')));
  assert.deepEqual(now, commands);
  return {
    commands,
    error: decoder.error,
    whole: whole.map((bytes) => bytes.toString('latin1')),
  };
}

/** Cuts a stream at the given places (taken modulo its length). */
function cut(stream: Buffer, places: readonly number[]): Buffer[] {
  const at = places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b);
  const bounds = [0, ...at, stream.length];
  return bounds.slice(1).map((end, i) => Buffer.from(stream.subarray(bounds[i], end)));
}

const argument = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.constantFrom('', '\r\n', '$1\r\n', '*2\r\n', 'x'.repeat(300)).map(bytesOf),
);
const arrayCommand = fc
  .array(argument, { minLength: 1, maxLength: 20 })
  .map((args) => encodeCommand(args).toString('latin1'));
const oddities = fc.constantFrom(
  '*0\r\n',
  '*-1\r\n',
  '*-12\r\n',
  '\r\n',
  '\n',
  '  \r\n',
  'PING\r\n',
  'set "a b" \'c\\\'d\' "\\x41\\n"\r\n',
  'echo  foo\n',
  '*1\r\n$4\r\nPINGxx',
  '*1\rx$4\rxPING\r\n',
  '*1\r\n$004\r\nPING\r\n',
  '*1\r\n:4\r\n',
  '*1\r\n\r\n',
  '*a\r\n',
  '*1\r\n$-1\r\n',
  '"open\r\n',
  '*99999999999999999999\r\n',
);
const cuts = fc.array(fc.nat({ max: 100_000 }), { maxLength: 12 });

describe('the request decoder', () => {
  test('yields the same commands however a stream is cut up', () => {
    const stream = fc.array(fc.oneof({ weight: 4, arbitrary: arrayCommand }, oddities), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(stream, cuts, (parts, places) => {
        const text = parts.join('');
        const { commands, error } = decode(cut(bytesOf(text), places));
        assert.deepEqual({ commands, error }, decodeSlowly(text));
      }),
      { numRuns: 500 },
    );
  });

  test('yields the same commands when every byte comes alone', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(arrayCommand, oddities), { maxLength: 5 }), (parts) => {
        const text = parts.join('');
        const { commands, error } = decode([...bytesOf(text)].map((byte) => Buffer.of(byte)));
        assert.deepEqual({ commands, error }, decodeSlowly(text));
      }),
    );
  });

  test('does not throw on random bytes, nor does it depend on their cuts', () => {
    const almost = fc
      .array(fc.constantFrom('*', '$', '\r\n', '1', '3', '-', 'a', '\0', '"', "'", ' ', '\xff'))
      .map((parts) => parts.join(''));
    const random = fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b).toString('latin1'));
    fc.assert(
      fc.property(fc.oneof(almost, random), cuts, (text, places) => {
        const { commands, error } = decode(cut(bytesOf(text), places));
        assert.deepEqual({ commands, error }, decodeSlowly(text));
      }),
      { numRuns: 1000 },
    );
  });

  test('agrees with redis-parser on arrays of bulk strings', () => {
    fc.assert(
      fc.property(fc.array(arrayCommand, { maxLength: 20 }), cuts, (parts, places) => {
        const expected: string[][] = [];
        const parser = new RedisParser({
          returnReply: (args: Buffer[]) =>
            expected.push(args.map((bytes) => bytes.toString('latin1'))),
          returnError: (error: Error) => assert.fail(error),
          returnBuffers: true,
        });
        const stream = bytesOf(parts.join(''));
        parser.execute(Buffer.from(stream));
        const { commands, error, whole } = decode(cut(stream, places));
        assert.equal(error, undefined);
        assert.deepEqual(commands, expected);
        assert.deepEqual(whole, parts);
      }),
    );
  });

  test('gives inline and sloppy commands as well-formed arrays', () => {
    const { whole } = decode([
      bytesOf('set "a b" c\r\n*1\r\n$4\r\nPING--*2\rx$1\rxa\r\n$0\r\n\r\n'),
    ]);
    assert.deepEqual(whole, [
      '*3\r\n$3\r\nset\r\n$3\r\na b\r\n$1\r\nc\r\n',
      '*1\r\n$4\r\nPING\r\n',
      '*2\r\n$1\r\na\r\n$0\r\n\r\n',
    ]);
  });

  test('goes on with a large argument that arrives in pieces, at linear cost', () => {
    const value = Buffer.alloc(8 * 1024 * 1024, 'v');
    const stream = Buffer.concat([
      encodeCommand([bytesOf('SET'), bytesOf('k'), value]),
      bytesOf('PING\r\n'),
    ]);
    const decoder = new RequestDecoder();
    let commands = 0;
    for (let at = 0; at < stream.length; at += 1000) {
      decoder.push(Buffer.from(stream.subarray(at, at + 1000)));
      while (decoder.next()) {
        commands += 1;
        if (commands === 1) assert.ok(decoder.arg(2).equals(value));
      }
    }
    assert.equal(commands, 2);
    assert.equal(decoder.bufferedBytes, 0);
  });
});

const refusals: readonly (readonly [string, string, string])[] = [
  ['more elements than allowed', '*1048577\r\n', 'invalid multibulk length'],
  ['a count that redis-parser would allocate for', '*33554432\r\n', 'invalid multibulk length'],
  ['a count beyond 32 bits', '*4294967296\r\n', 'invalid multibulk length'],
  ['a count beyond 64 bits', '*99999999999999999999\r\n', 'invalid multibulk length'],
  ['an empty count', '*\r\n', 'invalid multibulk length'],
  ['a count with a leading zero', '*01\r\n', 'invalid multibulk length'],
  ['a terabyte bulk', '*1\r\n$1099511627776\r\n', 'invalid bulk length'],
  ['a negative bulk', '*1\r\n$-5\r\n', 'invalid bulk length'],
  ['nested arrays', '*1\r\n'.repeat(20_000), "expected '$', got '*'"],
  ['a count line without end', `*${'1'.repeat(70_000)}`, 'too big mbulk count string'],
  ['a bulk line without end', `*1\r\n$${'1'.repeat(70_000)}`, 'too big bulk count string'],
  ['an inline command without end', 'x'.repeat(65_537), 'too big inline request'],
  ['quotes that do not close', 'get "a\r\n', 'unbalanced quotes in request'],
  ['a quote followed by a letter', 'get "a"b\r\n', 'unbalanced quotes in request'],
];

describe('the request decoder refuses', () => {
  for (const [what, stream, error] of refusals) {
    test(what, () => {
      const before = process.memoryUsage();
      assert.equal(decode([bytesOf(stream)]).error, `Protocol error: ${error}`);
      const after = process.memoryUsage();
      const grown = after.arrayBuffers + after.external - before.arrayBuffers - before.external;
      assert.ok(grown < 16 * 1024 * 1024, `grew by ${grown} bytes`);
    });
  }

  test('a command larger than the query buffer, before and while it arrives', () => {
    const limits = { ...defaultRequestLimits, queryBytesMax: 1000 };
    const announced = new RequestDecoder(limits);
    announced.push(bytesOf('*2\r\n$4\r\nECHO\r\n$1000\r\n'));
    assert.equal(announced.next(), false);
    assert.equal(announced.error, 'Protocol error: too big query');

    const dribbled = new RequestDecoder(limits);
    for (let sent = 0; sent < 200 && dribbled.error === undefined; sent += 1) {
      dribbled.push(bytesOf(sent === 0 ? '*1000\r\n' : '$4\r\nabcd\r\n'));
      assert.equal(dribbled.next(), false);
    }
    assert.equal(dribbled.error, 'Protocol error: too big query');
  });

  test('everything behind an error', () => {
    const decoder = new RequestDecoder();
    decoder.push(bytesOf('*a\r\n'));
    assert.equal(decoder.next(), false);
    decoder.push(bytesOf('PING\r\n'));
    assert.equal(decoder.next(), false);
    assert.equal(decoder.bufferedBytes, 0);
  });
});
