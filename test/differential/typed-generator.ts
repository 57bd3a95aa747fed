/**
 * Random commands on hashes, lists, sets, sorted sets, streams, bitmaps, HyperLogLogs and places, and on what they are stored in.
 *
 * Members, fields and ids are few, and keys are those of the other commands, so that types meet. What chance chooses is asked for, but
 * taken away only as a whole, as two servers would not choose the same.
 */

import fc from 'fast-check';
import {
  command,
  flag,
  float,
  integer,
  key,
  keys,
  offset,
  plainCommand,
  some,
  value,
  type Words,
} from './generator.ts';

const member = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('m', 'n', '1', '2', '3', '10') },
  { weight: 1, arbitrary: value },
);
const members: Words = fc.array(member, { minLength: 1, maxLength: 5 });
const score = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('0', '1', '2', '2.5', '-1', 'inf', '-inf') },
  { weight: 1, arbitrary: float },
  { weight: 1, arbitrary: integer },
);
const index = fc.integer({ min: -6, max: 6 }).map(String);
const count = fc.constantFrom('0', '1', '2', '3', '100', '-1', 'x');
const side = fc.constantFrom('LEFT', 'RIGHT', 'left', 'x');
const withScores = fc.constantFrom<readonly string[]>([], ['WITHSCORES']);
const scoreRange: Words = fc
  .tuple(fc.constantFrom('', '('), score, fc.constantFrom('', '('), score)
  .map(([open, from, close, to]) => [open + from, close + to]);
const nameBound = fc.constantFrom('-', '+', '[m', '(m', '[1', '(2', 'm');
const limit: Words = fc.oneof(
  fc.constant([]),
  fc.tuple(fc.constant('LIMIT'), fc.constantFrom('0', '1', '-1'), fc.constantFrom('0', '1', '-1')),
);
/** A count and its keys; seldom a wrong count. */
const counted: Words = fc
  .tuple(fc.array(key, { minLength: 1, maxLength: 3 }), fc.nat({ max: 20 }))
  .map(([found, chance]) => [chance === 0 ? '9' : String(found.length), ...found]);
const pairsOf = (first: fc.Arbitrary<string>, second: fc.Arbitrary<string>): Words =>
  fc.array(fc.tuple(first, second), { minLength: 1, maxLength: 4 }).map((found) => found.flat());
const optional = (words: Words): Words => fc.oneof(fc.constant([]), words);

const hashCommand: Words = fc.oneof(
  command('HSET', key, pairsOf(member, value)),
  command('HMSET', key, pairsOf(member, value)),
  command('HSETNX', key, member, value),
  command('HGET', key, member),
  command('HMGET', key, members),
  command('HGETALL', key),
  command('HDEL', key, members),
  command('HEXISTS', key, member),
  command('HLEN', key),
  command('HSTRLEN', key, member),
  command('HKEYS', key),
  command('HVALS', key),
  command('HINCRBY', key, member, integer),
  command('HINCRBYFLOAT', key, member, float),
  command('HRANDFIELD', key, count, optional(flag('WITHVALUES'))),
  command('HSCAN', key, fc.constant('0'), fc.constant('COUNT'), fc.constant('1000')),
);

const listCommand: Words = fc.oneof(
  command('LPUSH', key, members),
  command('RPUSH', key, members),
  command('LPUSHX', key, members),
  command('RPUSHX', key, members),
  command('LPOP', key, optional(count.map((number) => [number]))),
  command('RPOP', key, optional(count.map((number) => [number]))),
  command('LLEN', key),
  command('LRANGE', key, offset, offset),
  command('LINDEX', key, index),
  command('LSET', key, index, member),
  command('LINSERT', key, fc.constantFrom('BEFORE', 'AFTER'), member, member),
  command('LREM', key, index, member),
  command('LTRIM', key, index, index),
  command('LPOS', key, member, some(command('RANK', index)), some(command('COUNT', count))),
  command('LMOVE', key, key, side, side),
  command('RPOPLPUSH', key, key),
  command('LMPOP', counted, side, optional(command('COUNT', count))),
);

const setCommand: Words = fc.oneof(
  command('SADD', key, members),
  command('SREM', key, members),
  command('SCARD', key),
  command('SISMEMBER', key, member),
  command('SMISMEMBER', key, members),
  command('SMEMBERS', key),
  command('SMOVE', key, key, member),
  command('SPOP', key, fc.constantFrom('100', '0', '-1')),
  command('SRANDMEMBER', key, count),
  command('SSCAN', key, fc.constant('0'), fc.constant('COUNT'), fc.constant('1000')),
  command('SINTER', keys),
  command('SUNION', keys),
  command('SDIFF', keys),
  command('SINTERSTORE', key, keys),
  command('SUNIONSTORE', key, keys),
  command('SDIFFSTORE', key, keys),
  command('SINTERCARD', counted, optional(command('LIMIT', count))),
);

const aggregated: Words = fc.oneof(
  fc.constant([]),
  command('AGGREGATE', fc.constantFrom('SUM', 'MIN', 'MAX', 'x')),
);

const sortedSetCommand: Words = fc.oneof(
  command('ZADD', key, some(flag('NX', 'XX', 'GT', 'LT', 'CH', 'INCR')), pairsOf(score, member)),
  command('ZADD', key, pairsOf(score, member)),
  command('ZINCRBY', key, score, member),
  command('ZREM', key, members),
  command('ZSCORE', key, member),
  command('ZMSCORE', key, members),
  command('ZCARD', key),
  command('ZCOUNT', key, scoreRange),
  command('ZLEXCOUNT', key, nameBound, nameBound),
  command('ZRANK', key, member),
  command('ZREVRANK', key, member),
  command('ZRANGE', key, index, index, some(flag('REV', 'WITHSCORES'))),
  command('ZRANGE', key, scoreRange, flag('BYSCORE'), some(flag('REV', 'WITHSCORES')), limit),
  command('ZRANGE', key, nameBound, nameBound, flag('BYLEX'), some(flag('REV')), limit),
  command('ZREVRANGE', key, index, index, withScores),
  command('ZRANGEBYSCORE', key, scoreRange, withScores, limit),
  command('ZREVRANGEBYSCORE', key, scoreRange, withScores, limit),
  command('ZRANGEBYLEX', key, nameBound, nameBound, limit),
  command('ZREVRANGEBYLEX', key, nameBound, nameBound, limit),
  command('ZRANGESTORE', key, key, index, index, some(flag('REV'))),
  command('ZREMRANGEBYRANK', key, index, index),
  command('ZREMRANGEBYSCORE', key, scoreRange),
  command('ZREMRANGEBYLEX', key, nameBound, nameBound),
  command('ZPOPMIN', key, optional(count.map((number) => [number]))),
  command('ZPOPMAX', key, optional(count.map((number) => [number]))),
  command('ZMPOP', counted, fc.constantFrom('MIN', 'MAX'), optional(command('COUNT', count))),
  command('ZRANDMEMBER', key, count, withScores),
  command('ZSCAN', key, fc.constant('0'), fc.constant('COUNT'), fc.constant('1000')),
  command('ZUNION', counted, aggregated, withScores),
  command('ZINTER', counted, aggregated, withScores),
  command('ZDIFF', counted, withScores),
  command('ZINTERCARD', counted, optional(command('LIMIT', count))),
  command('ZUNIONSTORE', key, counted, aggregated),
  command('ZINTERSTORE', key, counted, aggregated),
  command('ZDIFFSTORE', key, counted),
);

const moment = fc.integer({ min: 0, max: 6 });
const id = fc.oneof(
  fc.tuple(moment, moment).map(([ms, sequence]) => `${ms}-${sequence}`),
  moment.map(String),
);
const newId = fc.oneof(
  id,
  moment.map((ms) => `${ms}-*`),
);
const trim: Words = fc.oneof(
  fc.constant([]),
  fc.tuple(fc.constant('MAXLEN'), fc.constantFrom('=', '~'), count),
  fc.tuple(fc.constant('MINID'), id),
);
const groupName = fc.constantFrom('g', 'h');
const consumer = fc.constantFrom('c', 'd');

const streamCommand: Words = fc.oneof(
  command('XADD', key, optional(flag('NOMKSTREAM')), trim, newId, pairsOf(member, value)),
  command('XLEN', key),
  command('XRANGE', key, id, id),
  command('XRANGE', key, fc.constant('-'), fc.constant('+'), optional(command('COUNT', count))),
  command('XREVRANGE', key, fc.constant('+'), fc.constant('-')),
  command('XDEL', key, fc.array(id, { minLength: 1, maxLength: 3 })),
  command('XTRIM', key, trim),
  command('XSETID', key, id),
  command('XREAD', fc.constant('STREAMS'), key, id),
  command('XREAD', command('COUNT', count), fc.constant('STREAMS'), key, key, id, id),
  command('XGROUP', flag('CREATE'), key, groupName, id, optional(flag('MKSTREAM'))),
  command('XGROUP', flag('SETID'), key, groupName, id),
  command('XGROUP', flag('DESTROY'), key, groupName),
  command('XGROUP', flag('CREATECONSUMER', 'DELCONSUMER'), key, groupName, consumer),
  command(
    'XREADGROUP',
    fc.constant('GROUP'),
    groupName,
    consumer,
    optional(command('COUNT', count)),
    optional(flag('NOACK')),
    fc.constant('STREAMS'),
    key,
    fc.oneof(fc.constant('>'), id),
  ),
  command('XACK', key, groupName, fc.array(id, { minLength: 1, maxLength: 3 })),
  command('XPENDING', key, groupName),
  command('XPENDING', key, groupName, fc.constant('-'), fc.constant('+'), count),
  command('XCLAIM', key, groupName, consumer, fc.constant('0'), id, some(flag('FORCE', 'JUSTID'))),
  command('XAUTOCLAIM', key, groupName, consumer, fc.constant('0'), id, some(flag('JUSTID'))),
  command('XINFO', flag('STREAM', 'GROUPS'), key),
  command('XINFO', flag('CONSUMERS'), key, groupName),
);

const bit = fc.nat({ max: 70 }).map(String);
const bitCommand: Words = fc.oneof(
  command('SETBIT', key, bit, fc.constantFrom('0', '1', '2')),
  command('GETBIT', key, bit),
  command('BITCOUNT', key, optional(fc.tuple(index, index, fc.constantFrom('BYTE', 'BIT')))),
  command('BITPOS', key, fc.constantFrom('0', '1'), optional(fc.tuple(index, index))),
  command('BITOP', flag('AND', 'OR', 'XOR', 'NOT'), key, keys),
  command('BITFIELD', key, flag('GET'), flag('u4', 'i7', 'u63'), bit),
  command(
    'BITFIELD',
    key,
    flag('OVERFLOW'),
    flag('SAT', 'FAIL', 'WRAP'),
    flag('INCRBY'),
    flag('u4', 'i7'),
    bit,
    index,
  ),
  command('BITFIELD_RO', key, flag('GET'), flag('u4'), bit),
  command('PFADD', key, members),
  command('PFCOUNT', keys),
  command('PFMERGE', key, keys),
);

const degree = fc.constantFrom('0', '1', '1.001', '-80', '200');
const radius: Words = fc.constantFrom(['500', 'm'], ['200', 'km'], ['1', 'x']);
const withPlaces = some(flag('WITHDIST', 'WITHCOORD', 'WITHHASH', 'ASC'));
const placeCommand: Words = fc.oneof(
  command('GEOADD', key, degree, degree, member),
  command('GEOPOS', key, members),
  command('GEODIST', key, member, member),
  command('GEOHASH', key, members),
  command(
    'GEOSEARCH',
    key,
    flag('FROMLONLAT'),
    degree,
    degree,
    flag('BYRADIUS'),
    radius,
    withPlaces,
  ),
  command('GEOSEARCH', key, flag('FROMMEMBER'), member, flag('BYRADIUS'), radius, withPlaces),
  command('GEOSEARCHSTORE', key, key, flag('FROMMEMBER'), member, flag('BYRADIUS'), radius),
  command('GEORADIUSBYMEMBER', key, member, radius, optional(command('STORE', key))),
  command('GEORADIUS_RO', key, degree, degree, radius, withPlaces),
);

const anyTypeCommand: Words = fc.oneof(
  command('SORT', key, some(flag('ALPHA', 'DESC')), limit, optional(command('STORE', key))),
  command('SORT_RO', key, some(flag('ALPHA', 'DESC')), limit),
  command('OBJECT', fc.constant('ENCODING'), key),
);

/** Of all types; held by the redis engine. */
export const anyCommand: Words = fc.oneof(
  { weight: 5, arbitrary: plainCommand },
  { weight: 3, arbitrary: hashCommand },
  { weight: 3, arbitrary: listCommand },
  { weight: 3, arbitrary: setCommand },
  { weight: 4, arbitrary: sortedSetCommand },
  { weight: 4, arbitrary: streamCommand },
  { weight: 2, arbitrary: bitCommand },
  { weight: 1, arbitrary: placeCommand },
  { weight: 1, arbitrary: anyTypeCommand },
);
