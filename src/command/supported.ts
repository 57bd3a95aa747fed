/**
 * Our overlay over Redis's command data: what Outrigger answers, where, and how it meets several shards.
 *
 * Owns the list of supported commands. Arity, flags and key positions are Redis's own and come from
 * `@ioredis/commands`; `redis7` mends the few rows in which that newer list differs from Redis 7.
 *
 * Checklist: a new `read` or `write` row needs its function in an engine and a case in `test/differential`.
 */

import type { CommandEffect, CommandKind, CommandSpread, Engines } from './table.ts';

/** Rows a container command answers by its first argument. */
export interface ContainerOverlay {
  readonly kind: CommandKind;
  readonly engines: Engines;
  /** Subcommands answered so; the others of the container are refused. */
  readonly subcommands: readonly string[];
}

/** Answered by the node the client is connected to. */
export const frontCommands: readonly string[] = [
  'auth',
  'debug',
  'echo',
  'hello',
  // Lines of HTTP.
  'host:',
  'info',
  'ping',
  'post',
  'quit',
  'readonly',
  'readwrite',
  'reset',
  'role',
  'select',
  'time',
  'wait',
];

export const containers: Readonly<Record<string, ContainerOverlay>> = {
  client: {
    kind: 'front',
    engines: 'all',
    subcommands: [
      'getname',
      'help',
      'id',
      'info',
      'kill',
      'list',
      'no-evict',
      'no-touch',
      'reply',
      'setinfo',
      'setname',
    ],
  },
  command: {
    kind: 'front',
    engines: 'all',
    subcommands: ['count', 'docs', 'getkeys', 'help', 'info', 'list'],
  },
  config: { kind: 'front', engines: 'all', subcommands: ['get', 'help', 'resetstat', 'set'] },
  function: { kind: 'front', engines: 'all', subcommands: ['flush'] },
  memory: { kind: 'read', engines: 'all', subcommands: ['usage'] },
  object: {
    kind: 'read',
    engines: 'all',
    subcommands: ['encoding', 'freq', 'help', 'idletime', 'refcount'],
  },
  xgroup: {
    kind: 'write',
    engines: 'redis',
    subcommands: ['create', 'createconsumer', 'delconsumer', 'destroy', 'help', 'setid'],
  },
  xinfo: {
    kind: 'read',
    engines: 'redis',
    subcommands: ['consumers', 'groups', 'help', 'stream'],
  },
};

/** On strings and on keys of any type: every engine has them. */
export const readCommands: Readonly<Record<string, CommandSpread>> = {
  dbsize: 'all-sum',
  exists: 'sum',
  expiretime: 'single',
  get: 'single',
  getrange: 'single',
  keys: 'all-concat',
  lcs: 'single',
  mget: 'gather',
  pexpiretime: 'single',
  pttl: 'single',
  randomkey: 'random',
  scan: 'scan',
  strlen: 'single',
  substr: 'single',
  touch: 'sum',
  ttl: 'single',
  type: 'single',
};

export const writeCommands: Readonly<Record<string, CommandSpread>> = {
  append: 'single',
  copy: 'single',
  decr: 'single',
  decrby: 'single',
  del: 'sum',
  expire: 'single',
  expireat: 'single',
  flushall: 'all-ok',
  flushdb: 'all-ok',
  getdel: 'single',
  getex: 'single',
  getset: 'single',
  incr: 'single',
  incrby: 'single',
  incrbyfloat: 'single',
  move: 'single',
  mset: 'ok',
  msetnx: 'single',
  persist: 'single',
  pexpire: 'single',
  pexpireat: 'single',
  psetex: 'single',
  rename: 'single',
  renamenx: 'single',
  set: 'single',
  setex: 'single',
  setnx: 'single',
  setrange: 'single',
  swapdb: 'lone',
  unlink: 'sum',
};

/** Reads of the types that only the redis engine holds; all of them `single`. */
export const redisReads: readonly string[] = (
  'bitcount bitfield_ro bitpos dump geodist geohash geopos georadius_ro georadiusbymember_ro geosearch getbit ' +
  'hexists hget hgetall hkeys hlen hmget hrandfield hscan hstrlen hvals lindex llen lpos lrange ' +
  'scard sdiff sinter sintercard sismember smembers smismember sort_ro srandmember sscan sunion ' +
  'xlen xpending xrange xread xrevrange ' +
  'zcard zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank ' +
  'zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion'
).split(' ');

/**
 * Writes of these types. PFCOUNT is one, since it may store what it counted; so are GEORADIUS, SORT and BITFIELD whatever their
 * options say, as each has a form that only reads for those who want that (`_RO`).
 */
export const redisWrites: readonly string[] = (
  'bitfield bitop geoadd georadius georadiusbymember geosearchstore hdel hincrby hincrbyfloat hmset hset hsetnx ' +
  'linsert lmove lmpop lpop lpush lpushx lrem lset ltrim pfadd pfcount pfmerge restore rpop rpoplpush rpush rpushx ' +
  'sadd sdiffstore setbit sinterstore smove sort spop srem sunionstore ' +
  'xack xadd xautoclaim xclaim xdel xreadgroup xsetid xtrim ' +
  'zadd zdiffstore zincrby zinterstore zmpop zpopmax zpopmin zrangestore zrem zremrangebylex zremrangebyrank ' +
  'zremrangebyscore zunionstore'
).split(' ');

/** Writes that are more than their own bytes; all others are `plain`. */
export const effects: Readonly<Record<string, CommandEffect>> = {
  expire: 'absolute',
  expireat: 'absolute',
  getex: 'absolute',
  pexpire: 'absolute',
  pexpireat: 'absolute',
  psetex: 'absolute',
  restore: 'absolute',
  set: 'absolute',
  setex: 'absolute',
  spop: 'resolved',
  xadd: 'timed',
  xautoclaim: 'resolved',
  xclaim: 'resolved',
  xreadgroup: 'timed',
};

/** Rows, subcommands by their full names, in which Redis 7.0 differs from the newer list the package carries. */
export const redis7: Readonly<Record<string, { arity?: number; flags?: readonly string[] }>> = {
  'command|getkeys': { arity: -4 },
  wait: { flags: ['noscript'] },
  zrank: { arity: 3 },
  zrevrank: { arity: 3 },
};
