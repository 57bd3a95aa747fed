/**
 * Our overlay over Redis's command data: what Outrigger answers, where, and how it meets several shards.
 *
 * Owns the list of supported commands. Arity, flags and key positions are Redis's own and come from
 * `@ioredis/commands`; `redis7` mends the few rows in which that newer list differs from Redis 7.
 *
 * Checklist: a new `read` or `write` row needs its function in an engine and a case in `test/differential`.
 */

import type { CommandKind, CommandSpread } from './table.ts';

/** Rows a container command answers by its first argument. */
export interface ContainerOverlay {
  readonly kind: CommandKind;
  /** Subcommands answered so; the others of the container are refused. */
  readonly subcommands: readonly string[];
}

/** Answered by the node the client is connected to. */
export const frontCommands: readonly string[] = [
  'auth',
  'debug',
  'echo',
  'hello',
  'info',
  'ping',
  'quit',
  'reset',
  'role',
  'select',
  'time',
  'wait',
];

export const containers: Readonly<Record<string, ContainerOverlay>> = {
  client: {
    kind: 'front',
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
  command: { kind: 'front', subcommands: ['count', 'docs', 'getkeys', 'help', 'info', 'list'] },
  config: { kind: 'front', subcommands: ['get', 'help', 'resetstat', 'set'] },
  function: { kind: 'front', subcommands: ['flush'] },
  memory: { kind: 'read', subcommands: ['usage'] },
  object: { kind: 'read', subcommands: ['encoding', 'freq', 'help', 'idletime', 'refcount'] },
};

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

/** Rows, subcommands by their full names, in which Redis 7.0 differs from the newer list the package carries. */
export const redis7: Readonly<Record<string, { arity?: number; flags?: readonly string[] }>> = {
  'command|getkeys': { arity: -4 },
  wait: { flags: ['noscript'] },
  zrank: { arity: 3 },
  zrevrank: { arity: 3 },
};
