/**
 * Goal: what a node tells of itself is true and has the shape that clients and monitors know from Redis 7.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { allCommands } from '../../../src/command/table.ts';
import { servedNames } from '../../../src/front/server/commands.ts';
import { matchesGlob } from '../../../src/front/server/values.ts';
import { bulkOf, elementsOf, integerOf } from '../../../src/resp/reply-framer.ts';
import { FakeCluster } from '../../support/fake-cluster.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';
import { RawClient, startFront, type TestFront } from '../../support/test-front.ts';

test('every front row of the command table has its function, and every function its row', () => {
  const rows = allCommands().flatMap((spec) => [spec, ...(spec.subcommands?.values() ?? [])]);
  const front = rows.filter((spec) => spec.kind === 'front').map((spec) => spec.name);
  // Without an argument a container is answered with its arity error, except COMMAND.
  const containers = new Set(['client', 'config', 'function']);
  const expected = front.filter((name) => !containers.has(name));
  assert.deepEqual(new Set(servedNames), new Set(expected));
});

describe('glob patterns', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['*', '', true],
    ['*', 'save', true],
    ['SAVE', 'save', true],
    ['s?ve', 'save', true],
    ['s*e', 'save', true],
    ['s*x', 'save', false],
    ['max*-p*y', 'maxmemory-policy', true],
    ['[r-t]ave', 'save', true],
    ['[t-r]ave', 'save', true],
    ['[^s]ave', 'save', false],
    ['[^a]ave', 'save', true],
    ['\\s\\a*', 'save', true],
    ['', 'save', false],
    ['save*', 'save', true],
    ['?', '', false],
    ['[', 'a', false],
  ];
  for (const [pattern, text, expected] of cases) {
    test(`${pattern} ${expected ? 'matches' : 'does not match'} ${text}`, () => {
      assert.equal(matchesGlob(pattern, text), expected);
    });
  }

  test('many stars cost no exponential time', () => {
    assert.equal(matchesGlob(`${'a*'.repeat(100)}b`, 'a'.repeat(5000)), false);
  });
});

describe('beside a real Redis 7', () => {
  let redis: RedisServer;
  let front: TestFront;
  let ours: RawClient;
  let theirs: RawClient;
  before(async () => {
    redis = await startRedis();
    front = await startFront(new FakeCluster({ shards: 2 }));
    ours = await RawClient.connect(front.port);
    theirs = await RawClient.connect(redis.port);
  });
  after(async () => {
    await ours[Symbol.asyncDispose]();
    await theirs[Symbol.asyncDispose]();
    await front[Symbol.asyncDispose]();
    await redis.stop();
  });

  test('COMMAND INFO has the shape and, of what clients read, the values of Redis', async () => {
    for (const name of ['get', 'mset', 'del', 'copy', 'ping', 'keys', 'incr']) {
      const [mine = ''] = elementsOf(await ours.ask(`COMMAND INFO ${name}`)) ?? [];
      const [real = ''] = elementsOf(await theirs.ask(`COMMAND INFO ${name}`)) ?? [];
      const [myFields = [], realFields = []] = [elementsOf(mine), elementsOf(real)];
      assert.equal(myFields.length, realFields.length);
      assert.deepEqual(myFields.slice(0, 2), realFields.slice(0, 2));
      assert.deepEqual(
        new Set(elementsOf(myFields[2] ?? '')),
        new Set(elementsOf(realFields[2] ?? '')),
      );
      assert.deepEqual(myFields.slice(3, 6), realFields.slice(3, 6));
    }
    const count = integerOf(await ours.ask('COMMAND COUNT'));
    assert.equal(elementsOf(await ours.ask('COMMAND'))?.length, count);
    assert.equal(elementsOf(await ours.ask('COMMAND DOCS'))?.length, (count ?? 0) * 2);
    assert.equal(elementsOf(await ours.ask('COMMAND LIST'))?.length, count);
  });

  test('CLIENT INFO has the fields of Redis, in its order, and those of the client library', async () => {
    const fieldsOf = (reply: string): string[] =>
      (bulkOf(reply) ?? '')
        .trim()
        .split(' ')
        .map((field) => field.split('=')[0] ?? '');
    const mine = fieldsOf(await ours.ask('CLIENT INFO'));
    const real = fieldsOf(await theirs.ask('CLIENT INFO'));
    assert.deepEqual(mine, [...real, 'lib-name', 'lib-ver']);
  });

  test('HELLO answers as Redis but for id and version, and refuses what is neither RESP2 nor RESP3', async () => {
    const pairs = async (client: RawClient): Promise<string[]> =>
      elementsOf(await client.ask('HELLO 2 AUTH default x SETNAME me')) ?? [];
    const [mine, real] = [await pairs(ours), await pairs(theirs)];
    assert.deepEqual(mine.toSpliced(7, 1), real.toSpliced(7, 1));
    assert.equal(await ours.ask('HELLO 4'), '-NOPROTO unsupported protocol version\r\n');
    assert.equal(await ours.ask('CLIENT GETNAME'), '$2\r\nme\r\n');
  });

  test('INFO fields that both have look alike', async () => {
    const fields = async (client: RawClient): Promise<Map<string, string>> => {
      const text = bulkOf(await client.ask('INFO')) ?? '';
      const rows = text.split('\r\n').filter((line) => line.includes(':'));
      return new Map(
        rows.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1)]),
      );
    };
    const [mine, real] = [await fields(ours), await fields(theirs)];
    for (const name of ['redis_mode', 'role', 'loading', 'cluster_enabled', 'arch_bits', 'os']) {
      assert.equal(mine.get(name), real.get(name), name);
    }
    assert.equal(mine.get('redis_version')?.split('.')[0], '7');
    const unknown = [...mine.keys()].filter((name) => !real.has(name));
    assert.deepEqual(unknown, [
      'outrigger_version',
      'outrigger_node_id',
      'outrigger_role',
      'outrigger_engine',
      'shard0',
      'shard1',
    ]);
  });
});

describe('a node tells', () => {
  test('in INFO outrigger its id, its engine and a line for each shard', async () => {
    await using server = await startFront(new FakeCluster({ shards: 2 }));
    await using client = await RawClient.connect(server.port);
    assert.equal(
      bulkOf(await client.ask('INFO outrigger')),
      '# Outrigger\r\noutrigger_node_id:1\r\noutrigger_role:member\r\noutrigger_engine:memory\r\n' +
        'shard0:role=leader,leader=1,term=2,commit=10,applied=10,voters=1+2+3\r\n' +
        'shard1:role=leader,leader=1,term=2,commit=10,applied=10,voters=1+2+3\r\n',
    );
  });

  test('in INFO its process, port, clients, and keys summed over the shards', async () => {
    await using server = await startFront(new FakeCluster({ shards: 3 }));
    await using client = await RawClient.connect(server.port);
    await client.ask(`MSET ${Array.from({ length: 10 }, (_, i) => `k${i} v`).join(' ')}`);
    const info = bulkOf(await client.ask('INFO')) ?? '';
    for (const line of [
      `process_id:${process.pid}`,
      `tcp_port:${server.port}`,
      'connected_clients:1',
      'db0:keys=10,expires=0,avg_ttl=0',
      'keyspace_hits:9',
    ]) {
      assert.ok(info.includes(`\r\n${line}\r\n`), line);
    }
    assert.equal(
      bulkOf(await client.ask('INFO keyspace')),
      '# Keyspace\r\ndb0:keys=10,expires=0,avg_ttl=0\r\n',
    );
    assert.match(
      bulkOf(await client.ask('INFO server keyspace')) ?? '',
      /^# Server\r\n[^]*\r\n\r\n# Keyspace\r\n/u,
    );
  });

  test('by WAIT how many other nodes are sure to hold an acknowledged write', async () => {
    await using server = await startFront(new FakeCluster());
    await using client = await RawClient.connect(server.port);
    assert.equal(await client.ask('WAIT 2 1000'), ':1\r\n');
  });

  test('the time by its clock', async () => {
    const clock = { monotonicMs: () => 0, wallMs: () => 1_700_000_000_123.456 };
    await using server = await startFront(new FakeCluster(), { clock });
    await using client = await RawClient.connect(server.port);
    assert.equal(await client.ask('TIME'), '*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n');
  });
});

describe('connections', () => {
  test('are listed with names and libraries, and killed by id, address or all but oneself', async () => {
    await using server = await startFront(new FakeCluster());
    await using first = await RawClient.connect(server.port);
    await using second = await RawClient.connect(server.port);
    await using third = await RawClient.connect(server.port);
    first.send(
      'CLIENT SETNAME one\r\nCLIENT SETINFO LIB-NAME lib\r\nclient setinfo lib-ver 1.2\r\nSELECT 4\r\n',
    );
    assert.equal(await first.replies(4), '+OK\r\n'.repeat(4));
    const secondId = integerOf(await second.ask('CLIENT ID')) ?? 0;
    await third.ask('PING');
    const list = bulkOf(await second.ask('CLIENT LIST')) ?? '';
    assert.equal(list.split('\n').length, 4);
    assert.match(list, /^id=1 .*name=one .*db=4 .*cmd=select .*lib-name=lib lib-ver=1\.2\n/u);
    assert.match(bulkOf(await first.ask(`CLIENT LIST ID ${secondId}`)) ?? '', /^id=2 [^\n]*\n$/u);

    assert.equal(await first.ask(`CLIENT KILL ID ${secondId}`), ':1\r\n');
    assert.equal(await second.rest(), '');
    const address = `127.0.0.1:${(third.socket.address() as { port: number }).port}`;
    assert.equal(await first.ask(`CLIENT KILL ${address}`), '+OK\r\n');
    assert.equal(await third.rest(), '');
    assert.equal(await first.ask('CLIENT KILL TYPE normal'), ':0\r\n');
    assert.equal(await first.ask('CLIENT KILL TYPE normal SKIPME no'), ':1\r\n');
    assert.equal(await first.rest(), '');
  });

  test('are bound by CONFIG SET maxclients at once', async () => {
    await using server = await startFront(new FakeCluster());
    await using client = await RawClient.connect(server.port);
    assert.equal(await client.ask('CONFIG SET maxclients 1'), '+OK\r\n');
    assert.equal(
      await client.ask('CONFIG GET maxclients'),
      '*2\r\n$10\r\nmaxclients\r\n$1\r\n1\r\n',
    );
    await using other = await RawClient.connect(server.port);
    assert.equal(await other.rest(), '-ERR max number of clients reached\r\n');
    assert.match(await client.ask('CONFIG SET maxclients 0'), /^-ERR CONFIG SET failed /u);
    assert.match(
      await client.ask('CONFIG SET notify-keyspace-events Ex'),
      /^-ERR CONFIG SET failed .* immutable/u,
    );
  });

  test('sleep alone by DEBUG SLEEP, and what is behind waits', async () => {
    const sleeps: (() => void)[] = [];
    const timers = {
      soon: (call: () => void) => void setImmediate(call),
      endOfTurn: (call: () => void) => void setImmediate(call),
      after: (delayMs: number, call: () => void) => {
        if (delayMs === 3_600_000) sleeps.push(call);
        return { cancel: () => undefined };
      },
    };
    await using server = await startFront(new FakeCluster(), { timers });
    await using sleeper = await RawClient.connect(server.port);
    await using other = await RawClient.connect(server.port);
    sleeper.send('PING\r\nDEBUG SLEEP 3600\r\nSET a 1\r\n');
    assert.equal(await sleeper.replies(1), '+PONG\r\n');
    assert.equal(await other.ask('GET a'), '$-1\r\n');
    assert.equal(sleeps.length, 1);
    sleeps[0]!();
    assert.equal(await sleeper.replies(2), '+OK\r\n+OK\r\n');
    assert.match(await other.ask('DEBUG SEGFAULT'), /^-ERR DEBUG SEGFAULT is not supported/u);
    assert.equal(await other.ask('DEBUG LOG hello'), '+OK\r\n');
  });

  test('get a clear error for what is not built', async () => {
    await using server = await startFront(new FakeCluster());
    await using client = await RawClient.connect(server.port);
    for (const line of [
      'MULTI',
      'SUBSCRIBE a',
      'HSET a b c',
      'CLIENT TRACKING ON',
      'MEMORY DOCTOR',
      'SAVE',
    ]) {
      assert.match(await client.ask(line), /^-ERR .*(?:not supported|refused)/u);
    }
    assert.equal(server.front.statistics().commandsRejected, 6);
  });
});
