/**
 * Random commands on strings and on keys of any type.
 *
 * Few keys, few databases and values that are numbers as often as not, so that commands meet each other's results. Deadlines lie
 * far away or in the past: when a key goes is tested elsewhere, with times of our own. GT and LT go with points in time only, since two
 * servers never run a relative TTL in the same millisecond.
 */

import fc from 'fast-check';

/** The keys that generated commands name. */
export const keyNames: readonly string[] = ['a', 'b', 'c', '', '\0\xff\r\n', 'h[llo'];

export const key: fc.Arbitrary<string> = fc.constantFrom(...keyNames);
const database = fc.constantFrom('0', '1', '2', '2', '16', '-1', 'x');
export const integer: fc.Arbitrary<string> = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map(String),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }).map(String),
  fc.constantFrom('9223372036854775807', '-9223372036854775808', '9007199254740992'),
);
export const float: fc.Arbitrary<string> = fc.oneof(
  fc.double({ noNaN: true }).map(String),
  fc
    .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat({ max: 25 }))
    .map(([digits, power]) => `${digits}e-${power}`),
  fc.constantFrom('0.1', '-0.1', '1e400', '3.0', 'inf'),
);
const binary = fc
  .uint8Array({ maxLength: 60 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'));
export const value: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: integer },
  { weight: 2, arbitrary: float },
  { weight: 2, arbitrary: binary },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'hello', 'x'.repeat(44), 'x'.repeat(45), '007', '-0'),
  },
);
export const offset: fc.Arbitrary<string> = fc.oneof(
  fc.integer({ min: -10, max: 80 }).map(String),
  integer,
);
const relativeSeconds = fc.constantFrom('1000', '100000', '0', '-5', 'x', '9223372036854775807');
const relativeMs = fc.constantFrom('1000000', '99999999', '0', '-5000', '1.5');
const absoluteSeconds = fc.constantFrom('33177117420', '33177117421', '1', '-1', 'x');
const absoluteMs = fc.constantFrom('33177117420000', '33177117420999', '1', '0', '');
const pattern = fc
  .array(fc.constantFrom('*', '?', 'a', 'b', 'h', 'l', '[', ']', '^', '-', '\\', '\xff', '\0'), {
    maxLength: 8,
  })
  .map((parts) => parts.join(''));

/** Arguments of a command, or some of them. */
export type Words = fc.Arbitrary<readonly string[]>;

const lifetime: Words = fc.oneof(
  fc.tuple(fc.constantFrom('EX', 'ex'), relativeSeconds),
  fc.tuple(fc.constant('PX'), relativeMs),
  fc.tuple(fc.constant('EXAT'), fc.constantFrom('33177117420', '0', 'x')),
  fc.tuple(fc.constant('PXAT'), fc.constantFrom('33177117420000', '-1', '')),
);
/** Not for SET: Redis keeps a key that is stored past its deadline, and counts it in DBSIZE, until it meets it again. */
const pastLifetime: Words = fc.constantFrom(['EXAT', '1'], ['PXAT', '1']);
export const flag = (...names: string[]): Words => fc.constantFrom(...names).map((name) => [name]);
export const some = (words: Words): Words =>
  fc.array(words, { maxLength: 3 }).map((parts) => parts.flat());
export const command = (name: string, ...args: (Words | fc.Arbitrary<string>)[]): Words =>
  fc.tuple(...args).map((parts) => [name, ...parts.flat()]);
export const keys: Words = fc.array(key, { minLength: 1, maxLength: 4 });
const pairs = fc
  .array(fc.tuple(key, value), { minLength: 1, maxLength: 3 })
  .map((found) => found.flat());

/** Held by every engine. */
export const plainCommand: Words = fc.oneof(
  command('SELECT', fc.constantFrom('0', '1', '2')),
  command('SET', key, value),
  command('SET', key, value, some(fc.oneof(lifetime, flag('NX', 'XX', 'GET', 'KEEPTTL', 'get')))),
  command('GET', key),
  command('MGET', keys),
  command('MSET', pairs),
  command('MSETNX', pairs),
  command('SETNX', key, value),
  command('SETEX', key, relativeSeconds, value),
  command('PSETEX', key, relativeMs, value),
  command('GETSET', key, value),
  command('GETDEL', key),
  command('GETEX', key, some(fc.oneof(lifetime, pastLifetime, flag('PERSIST')))),
  command('APPEND', key, value),
  command('STRLEN', key),
  command('GETRANGE', key, offset, offset),
  command('SETRANGE', key, fc.integer({ min: -3, max: 80 }).map(String), value),
  command('INCR', key),
  command('DECR', key),
  command('INCRBY', key, value),
  command('DECRBY', key, value),
  command('INCRBYFLOAT', key, fc.oneof(float, value)),
  command('LCS', key, key, some(flag('IDX', 'LEN', 'WITHMATCHLEN'))),
  command('LCS', key, key, fc.constant('IDX'), fc.constant('MINMATCHLEN'), offset),
  command('DEL', keys),
  command('UNLINK', keys),
  command('EXISTS', keys),
  command('TOUCH', keys),
  command('TYPE', key),
  command('RENAME', key, key),
  command('RENAMENX', key, key),
  command('COPY', key, key, some(fc.oneof(flag('REPLACE'), command('DB', database)))),
  command('MOVE', key, database),
  command('SWAPDB', database, database),
  command('EXPIRE', key, relativeSeconds, some(flag('NX', 'XX'))),
  command('PEXPIRE', key, relativeMs, some(flag('NX', 'XX', 'FOO'))),
  command('EXPIREAT', key, absoluteSeconds, some(flag('NX', 'XX', 'GT', 'LT'))),
  command('PEXPIREAT', key, absoluteMs, some(flag('NX', 'XX', 'GT', 'LT'))),
  command('TTL', key),
  command('PTTL', key),
  command('EXPIRETIME', key),
  command('PEXPIRETIME', key),
  command('PERSIST', key),
  command('KEYS', pattern),
  command(
    'SCAN',
    fc.constant('0'),
    fc.constant('COUNT'),
    fc.constant('1000'),
    fc.constant('MATCH'),
    pattern,
  ),
  command('DBSIZE'),
  command('OBJECT', fc.constantFrom('ENCODING', 'REFCOUNT'), key),
  command('FLUSHDB'),
);
