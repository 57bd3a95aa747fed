import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  arrayReply,
  bulkReply,
  errorReply,
  integerReply,
  nullArrayReply,
  nullReply,
  okReply,
  textReply,
} from '../../src/resp/encoder.ts';
import {
  bulkOf,
  elementsOf,
  endOfReply,
  integerOf,
  isErrorReply,
} from '../../src/resp/reply-framer.ts';

const leaf = fc.oneof(
  fc.constantFrom(
    okReply,
    nullReply,
    nullArrayReply,
    '*0\r\n',
    '_\r\n',
    '#t\r\n',
    ',1.5\r\n',
    '(12\r\n',
  ),
  fc.integer().map(integerReply),
  fc.string().map((text) => errorReply(`ERR ${text}`)),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => bulkReply(Buffer.from(bytes).toString('latin1'))),
  fc.constantFrom('=7\r\ntxt:abc\r\n', '!3\r\nERR\r\n'),
);
const { reply } = fc.letrec<{ reply: string }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('reply'), { maxLength: 4 }).map(arrayReply),
    fc
      .array(tie('reply'), { maxLength: 4 })
      .map((parts) => `~${parts.length}\r\n${parts.join('')}`),
    fc
      .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 })
      .map((pairs) => `%${pairs.length}\r\n${pairs.flat().join('')}`),
    fc.tuple(leaf, leaf, tie('reply')).map(([key, value, told]) => `|1\r\n${key}${value}${told}`),
  ),
}));

describe('the reply framer', () => {
  test('finds the end of each of several replies', () => {
    fc.assert(
      fc.property(fc.array(reply, { minLength: 1, maxLength: 6 }), (replies) => {
        const stream = replies.join('');
        let at = 0;
        for (const each of replies) {
          const end = endOfReply(stream, at);
          assert.equal(stream.slice(at, end), each);
          at = end;
        }
      }),
    );
  });

  test('finds no end in a reply that is not whole', () => {
    fc.assert(
      fc.property(reply, fc.nat(), (whole, place) => {
        assert.equal(endOfReply(whole.slice(0, place % whole.length), 0), -1);
      }),
    );
  });

  test('takes an array apart into whole replies', () => {
    fc.assert(
      fc.property(fc.array(reply), (replies) => {
        assert.deepEqual(elementsOf(arrayReply(replies)), replies);
      }),
    );
    assert.equal(elementsOf(nullArrayReply), undefined);
    assert.equal(elementsOf(okReply), undefined);
  });

  test('nested arrays cost no stack', () => {
    const nested = `${'*1\r\n'.repeat(200_000)}+OK\r\n`;
    assert.equal(endOfReply(nested, 0), nested.length);
  });

  test('reads integers, bulks and errors, and nothing else as such', () => {
    assert.equal(integerOf(integerReply(-12)), -12);
    assert.equal(integerOf(okReply), undefined);
    assert.equal(bulkOf(bulkReply('a\r\nb')), 'a\r\nb');
    assert.equal(bulkOf(nullReply), undefined);
    assert.equal(bulkOf(okReply), undefined);
    assert.equal(isErrorReply(errorReply('ERR a\r\nb')), true);
    assert.equal(errorReply('ERR a\r\nb'), '-ERR a  b\r\n');
    assert.equal(isErrorReply(nullReply), false);
    assert.equal(textReply('é'), '$2\r\n\xc3\xa9\r\n');
  });
});
