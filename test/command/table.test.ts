/**
 * The command table beside the COMMAND of a real redis-server, and its own rules.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { allCommands, fitsArity, lookupCommand } from '../../src/command/table.ts';
import type { CommandSpec } from '../../src/command/table.ts';
import { connectTarget } from '../differential/target.ts';
import type { Target } from '../differential/target.ts';
import { words } from '../support/commands.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';

/** What COMMAND says of a command, as far as rows have it. */
type RedisRow = Pick<CommandSpec, 'name' | 'arity' | 'flags' | 'firstKey' | 'lastKey' | 'keyStep'>;

const supported = (spec: CommandSpec): boolean => spec.kind !== 'refused';

describe('rows agree with the COMMAND of a redis-server', () => {
  let redis: RedisServer;
  let target: Target;
  let rows: ReadonlyMap<string, RedisRow>;

  before(async () => {
    redis = await startRedis();
    target = await connectTarget(redis.port);
    rows = rowsOf((await target.execute(words('COMMAND'))).toString());
  });

  after(async () => {
    await target.close();
    await redis.stop();
  });

  test('every command of the server has a row', () => {
    const missing = [...rows.keys()].filter(
      (name) => !name.includes('|') && lookupCommand(name) === undefined,
    );
    assert.deepEqual(missing, []);
  });

  test('arity, flags and key positions of supported commands and subcommands are equal', () => {
    const ours = allCommands()
      .flatMap((spec) => [spec, ...(spec.subcommands?.values() ?? [])])
      .filter(supported);
    assert.ok(ours.length > 80);
    // Subcommands that came with 7.2, which clients send when they connect; lines of HTTP, which have no row there.
    const others = ['client|no-touch', 'client|setinfo', 'host:', 'post'];
    for (const { name, arity, flags, firstKey, lastKey, keyStep } of ours) {
      if (others.includes(name)) continue;
      assert.deepEqual({ name, arity, flags, firstKey, lastKey, keyStep }, rows.get(name));
    }
  });

  test('no row is of a kind that its flags forbid', () => {
    for (const spec of allCommands().filter(supported)) {
      if (spec.flags.includes('write')) assert.equal(spec.kind, 'write', spec.name);
      // It stores what it counted, and replicates that.
      else if (spec.name === 'pfcount') assert.equal(spec.kind, 'write');
      else if (spec.flags.includes('readonly')) assert.equal(spec.kind, 'read', spec.name);
    }
  });

  test('a write that takes points in time, lifetimes or what chance gives is not plain', async () => {
    // Its approximation depends on the size of a stream's nodes, which is the same everywhere.
    const exempt = ['xtrim'];
    for (const { name, effect } of allCommands().filter((spec) => spec.kind === 'write')) {
      const docs = (await target.execute(words(`COMMAND DOCS ${name}`))).toString('latin1');
      const info = (await target.execute(words(`COMMAND INFO ${name}`))).toString('latin1');
      const takesTime = /\r\n(?:seconds|milliseconds|ttl|unix-time)\r\n/.test(docs);
      const isUncertain = info.includes('nondeterministic_output');
      const isPlain = !takesTime && (!isUncertain || exempt.includes(name));
      assert.equal(effect === 'plain', isPlain, name);
    }
  });
});

/** Reads COMMAND's reply, subcommands included. */
function rowsOf(reply: string): ReadonlyMap<string, RedisRow> {
  const lines = reply.split('\r\n');
  let at = 0;
  const value = (): unknown => {
    const line = lines[at++] ?? '';
    const rest = line.slice(1);
    if (line.startsWith('$')) return lines[at++];
    if (line.startsWith(':')) return Number(rest);
    return line.startsWith('*') ? Array.from({ length: Number(rest) }, value) : rest;
  };
  const rows = new Map<string, RedisRow>();
  const add = (row: readonly unknown[]): void => {
    const [name, arity, flags, firstKey, lastKey, keyStep, , , , subcommands] = row;
    const spec = { name, arity, flags, firstKey, lastKey, keyStep } as RedisRow;
    rows.set(spec.name, spec);
    for (const sub of subcommands as readonly unknown[][]) add(sub);
  };
  for (const row of value() as readonly unknown[][]) add(row);
  return rows;
}

test('a name is found in any spelling, and only whole', () => {
  assert.equal(lookupCommand('get')?.name, 'get');
  assert.equal(lookupCommand('GET'), lookupCommand('get'));
  assert.equal(lookupCommand('GeT'), lookupCommand('get'));
  for (const name of ['ge', 'gett', '', 'get ', 'foo', '__proto__', 'constructor', 'object|help']) {
    assert.equal(lookupCommand(name), undefined, name);
  }
});

test('a refused command says why, and others have no reason', () => {
  for (const spec of allCommands()) {
    if (supported(spec)) assert.equal(spec.reason, undefined);
    else assert.match(spec.reason ?? '', /^ERR /, spec.name);
  }
  assert.equal(lookupCommand('blpop')?.reason, "ERR 'blpop' is not supported yet by Outrigger");
});

test('a container knows its subcommands, refused ones included', () => {
  const memory = lookupCommand('memory')?.subcommands;
  assert.equal(memory?.get('usage')?.kind, 'read');
  assert.equal(memory?.get('usage')?.name, 'memory|usage');
  assert.equal(memory?.get('doctor')?.kind, 'refused');
  assert.equal(memory?.get('foo'), undefined);
  assert.equal(lookupCommand('get')?.subcommands, undefined);
});

test('a write has an effect, and nothing else has one', () => {
  const rows = allCommands().flatMap((spec) => [spec, ...(spec.subcommands?.values() ?? [])]);
  for (const { name, kind, effect } of rows) {
    assert.equal(effect === undefined, kind !== 'write', name);
  }
  const effectOf = (name: string): unknown => lookupCommand(name)?.effect;
  assert.deepEqual(['set', 'incr', 'xadd', 'spop', 'hset', 'get'].map(effectOf), [
    'absolute',
    'plain',
    'timed',
    'resolved',
    'plain',
    undefined,
  ]);
});

test('every row that Redis calls movable has a rule for its keys, unless it is refused', () => {
  for (const spec of allCommands().filter(supported)) {
    // Of its movable keys only those are left that patterns make up.
    const isMovable = spec.flags.includes('movablekeys') && spec.name !== 'sort_ro';
    assert.equal(spec.movableKeys !== undefined, isMovable, spec.name);
  }
});

describe('options that are refused', () => {
  const refusal = (line: string, shards: number): string | undefined => {
    const args = words(line).map(String);
    const spec = lookupCommand(args[0] ?? '');
    assert.ok(spec);
    const argLatin1 = (at: number): string => args[at] ?? '';
    return spec.optionsRefusal?.({ argc: args.length, argLatin1 }, shards);
  };

  test('BLOCK, wherever Redis reads it as the option', () => {
    const blocking = [
      'XREAD BLOCK 0 STREAMS a $',
      'XREAD COUNT 1 block 0 STREAMS a 0',
      'XREADGROUP GROUP g c BLOCK 1 STREAMS a >',
      'XREADGROUP NOACK COUNT 1 GROUP block block BLOCK 1 STREAMS a >',
      'XREAD BLOCK',
      'XREADGROUP GROUP g c MAXCOUNT 5 BLOCK 1 STREAMS a >',
    ];
    for (const line of blocking) assert.match(refusal(line, 1) ?? '', /^ERR 'xread(group)?' with/);
    const others = [
      'XREAD STREAMS block 0',
      'XREAD COUNT block STREAMS block 0',
      'XREADGROUP GROUP block block STREAMS a >',
      'XREADGROUP NOACK GROUP g c STREAMS block BLOCK 0 0',
      'GET block',
    ];
    for (const line of others) assert.equal(refusal(line, 1), undefined, line);
  });

  test('patterns of SORT where there are several shards', () => {
    const patterns = ['SORT a BY w_*', 'SORT a GET # get x*->f', 'SORT_RO a LIMIT 0 1 GET *'];
    for (const line of patterns) {
      assert.match(refusal(line, 2) ?? '', /^ERR BY and GET/, line);
      assert.equal(refusal(line, 1), undefined, line);
    }
    const others = ['SORT a BY nosort GET #', 'SORT by LIMIT by * DESC', 'SORT a STORE by ALPHA *'];
    for (const line of others) assert.equal(refusal(line, 2), undefined, line);
  });

  test('SORT that stores texts by weights, whose ties differ from Redis to Redis', () => {
    const uneven = ['SORT s BY w_* ALPHA STORE d', 'SORT s STORE d LIMIT 0 3 ALPHA BY w_*'];
    for (const line of uneven) assert.match(refusal(line, 1) ?? '', /^ERR SORT with BY, ALPHA/);
    const even = [
      'SORT s BY w_* STORE d',
      'SORT s ALPHA STORE d',
      'SORT s BY nosort ALPHA STORE d',
    ];
    for (const line of even) assert.equal(refusal(line, 1), undefined, line);
  });
});

test('arity counts the name, and a negative one is a least number', () => {
  const [get, mget] = [lookupCommand('get'), lookupCommand('mget')];
  assert.ok(get && mget);
  assert.deepEqual(
    [1, 2, 3].map((argc) => fitsArity(get, argc)),
    [false, true, false],
  );
  assert.deepEqual(
    [1, 2, 30].map((argc) => fitsArity(mget, argc)),
    [false, true, true],
  );
});
