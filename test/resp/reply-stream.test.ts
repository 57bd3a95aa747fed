import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringBytesMax } from '../../src/resp/encoder.ts';
import { ReplyStream } from '../../src/resp/reply-stream.ts';

const replies = [
  '+OK\r\n',
  '-ERR what\r\n',
  ':-12\r\n',
  '$-1\r\n',
  '$0\r\n\r\n',
  '$7\r\na\r\n$b\r\n\r\n',
  '*-1\r\n',
  '*0\r\n',
  '*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n$-1\r\n',
  `$40\r\n${'x'.repeat(40)}\r\n`,
];

function cut(chunks: readonly string[]): { found: (string | undefined)[]; isSound: boolean } {
  const found: (string | undefined)[] = [];
  const stream = new ReplyStream((reply) => found.push(reply));
  return { isSound: chunks.every((chunk) => stream.push(chunk)), found };
}

test('replies come out whole wherever the bytes are cut', () => {
  const text = replies.join('');
  for (let first = 0; first <= text.length; first += 1) {
    for (const second of [first, first + 1, first + 7]) {
      const chunks = [text.slice(0, first), text.slice(first, second), text.slice(second)];
      assert.deepEqual(cut(chunks), { found: replies, isSound: true });
    }
  }
  assert.deepEqual(cut(text.split('')).found, replies);
});

test('a reply that is not whole is awaited', () => {
  for (const reply of replies) {
    assert.deepEqual(cut([reply.slice(0, -1)]).found, []);
    assert.deepEqual(cut([reply.slice(0, -1), reply.slice(-1)]).found, [reply]);
  }
});

test('in RESP3 its own types come out whole, too, with the attributes before them', () => {
  const more = [
    '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#t\r\n',
    '~2\r\n,1.5\r\n_\r\n',
    '>2\r\n+pubsub\r\n+x\r\n',
    '|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n',
    '!5\r\nERR x\r\n',
    '=7\r\ntxt:a\r\n\r\n',
    '(12345678901234567890\r\n',
  ];
  const found: (string | undefined)[] = [];
  const stream = new ReplyStream((reply) => found.push(reply), 3);
  for (const char of [...replies, ...more].join('')) assert.equal(stream.push(char), true);
  assert.deepEqual(found, [...replies, ...more]);
  assert.equal(stream.push('HTTP/1.1\r\n'), false);
});

test('a type that RESP2 does not have ends it', () => {
  for (const text of ['%1\r\n', 'HTTP/1.1 400 Bad Request\r\n', '*1\r\n_\r\n'])
    assert.equal(cut([text]).isSound, false, text);
});

test('a long value in many chunks costs no more than its length', () => {
  // Goal: nothing is joined or searched again at each chunk. Method: 64 MB in 16,384 chunks; doing it anew each time would take minutes.
  const chunk = 'x'.repeat(4096);
  const count = 16_384;
  const chunks = [`$${count * chunk.length}\r\n`, ...Array<string>(count).fill(chunk), '\r\n'];
  const { found } = cut(chunks);
  assert.equal(found[0]?.length, count * chunk.length + '$67108864\r\n\r\n'.length);
});

test('a long array in many chunks costs no more than its length', () => {
  // Goal: no chunk makes what came before be joined again. Method: 64 MB of small values; doing it anew each time would take minutes.
  const chunk = `$50\r\n${'x'.repeat(50)}\r\n`.repeat(70);
  const count = 16_384;
  const header = `*${count * 70}\r\n`;
  const { found } = cut([header, ...Array<string>(count).fill(chunk)]);
  assert.equal(found.length, 1);
  assert.equal(found[0]?.length, header.length + count * chunk.length);
});

test('a reply that no string can hold comes out as undefined, and those behind it whole', () => {
  const value = 'x'.repeat(1 << 20);
  const bulk = [`$${value.length * 512}\r\n`, ...Array<string>(512).fill(value), '\r\n'];
  const array = ['*600\r\n', ...Array<string>(600).fill(`$${value.length}\r\n${value}\r\n`)];
  assert.deepEqual(cut(['+a\r\n', ...bulk, ':1\r\n', ...array, '+b\r\n']), {
    found: ['+a\r\n', undefined, ':1\r\n', undefined, '+b\r\n'],
    isSound: true,
  });
});

test('a line that no string can hold ends it', () => {
  const value = 'x'.repeat(1 << 20);
  const chunks = Array<string>(Math.ceil(stringBytesMax / value.length) + 1).fill(value);
  assert.equal(cut(['-', ...chunks, '\r\n']).isSound, false);
});
