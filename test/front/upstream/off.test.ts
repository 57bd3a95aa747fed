/**
 * Goal: keys of level off are those of the upstream, to the byte, and all others those of the cluster; no command does something to keys that it
 * was not meant for.
 *
 * Method: a whole node with a real Redis as its upstream, beside a second Redis that is asked directly.
 */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { nodeDefaults, openNode, type OutriggerNode } from '../../../src/node.ts';
import { encode, words } from '../../support/commands.ts';
import { startRedis } from '../../support/redis-server.ts';
import { RawClient } from '../../support/test-front.ts';

interface Scene {
  readonly node: OutriggerNode;
  readonly upstreamPort: number;
  readonly client: RawClient;
  readonly direct: RawClient;
}

async function connect(t: TestContext, port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  t.after(() => client[Symbol.asyncDispose]());
  return client;
}

/** `direct` is a client of the upstream. */
async function scene(t: TestContext, shards = 1, commandTimeoutMs = 2_000): Promise<Scene> {
  const redis = await startRedis();
  t.after(() => redis.stop());
  const upstream = `redis://127.0.0.1:${redis.port}`;
  const node = await openNode({
    ...nodeDefaults,
    nodeId: 1,
    members: [{ id: 1, host: '127.0.0.1', port: 1 }],
    peerPort: 0,
    clientPort: 0,
    storage: 'memory',
    shards,
    commandTimeoutMs,
    namespaces: [
      { keys: 'off:in:*', level: 'strong' },
      { keys: 'off:*', level: 'off', upstream },
      { keys: '*', database: 7, level: 'off', upstream },
    ],
  });
  t.after(() => node.stop());
  const client = await connect(t, node.clientPort ?? 0);
  await client.ask('GET x');
  return { node, upstreamPort: redis.port, client, direct: await connect(t, redis.port) };
}

/** Of all types, some wrong; each key begins with `off:`. */
const lines: readonly string[] = [
  'SET off:a 1',
  'GET off:a',
  'get off:missing',
  'INCR off:a',
  'APPEND off:a "\\u0000\\u00ff\\r\\n"',
  'GET off:a',
  'INCR off:a',
  'SET off:t v PX 100000',
  'PERSIST off:t',
  'MSET off:m1 1 off:m2 2',
  'MGET off:m1 off:m2 off:m3',
  'HSET off:h f 1 g 2',
  'HGETALL off:h',
  'LPUSH off:l 1 2 3',
  'LRANGE off:l 0 -1',
  'LPUSH off:h 1',
  'SADD off:s a',
  'SMEMBERS off:s',
  'ZADD off:z 1.5 a 2 b',
  'ZRANGE off:z 0 -1 WITHSCORES',
  'ZSCORE off:z a',
  'XADD off:x 1-1 f v',
  'XRANGE off:x - +',
  'PFADD off:p a b c',
  'PFCOUNT off:p',
  'RENAME off:a off:b',
  'RENAME off:a off:b',
  'SORT off:l ALPHA STORE off:l2',
  'DUMP off:s',
  'OBJECT ENCODING off:l',
  'TYPE off:x',
  'EXISTS off:b off:b off:nothing',
  'DEL off:b off:nothing',
  'SETRANGE off:r 5 x',
  'LINDEX off:l notanumber',
  'SET off:a',
  'COPY off:m1 off:m4 DB 3',
  'MOVE off:m2 3',
];

test('every reply is the upstream’s own, byte for byte, in both protocols', async (t) => {
  const { client } = await scene(t);
  const other = await startRedis();
  t.after(() => other.stop());
  const reference = await connect(t, other.port);
  for (const protocol of [2, 3]) {
    for (const each of [client, reference]) {
      await each.ask(`HELLO ${protocol}`);
    }
    for (const line of lines) {
      // An arity error is found before it is known where keys are.
      const bytes = encode(words(line));
      assert.equal(await client.ask(bytes), await reference.ask(bytes), `${line} (${protocol})`);
    }
    for (const each of [client, reference]) {
      const all = lines.map((line) => encode(words(line)));
      each.send(Buffer.concat(all));
    }
    assert.equal(await client.replies(lines.length), await reference.replies(lines.length));
  }
});

test('a value of many MB passes both ways', async (t) => {
  const { client, direct } = await scene(t);
  const value = Buffer.alloc(3 << 20, 'abc\r\n$');
  assert.equal(await client.ask(encode([...words('SET off:big'), value])), '+OK\r\n');
  const reply = await client.ask('GET off:big');
  assert.ok(reply === (await direct.ask('GET off:big')));
  assert.equal(reply.length, value.length + '$3145728\r\n\r\n'.length);
});

test('a key is in the one place that its row says, whatever came before', async (t) => {
  const { client, direct } = await scene(t);
  for (const key of ['off:1', 'off:in:1', 'on:1']) await client.ask(`SET ${key} here`);
  assert.equal(await direct.ask('KEYS *'), '*1\r\n$5\r\noff:1\r\n');
  assert.equal(await client.ask('GET off:in:1'), '$4\r\nhere\r\n');
  await direct.ask('SET off:in:1 there');
  await direct.ask('SET on:1 there');
  assert.equal(await client.ask('GET off:in:1'), '$4\r\nhere\r\n');
  assert.equal(await client.ask('GET on:1'), '$4\r\nhere\r\n');
  await client.ask('READONLY');
  assert.equal(await client.ask('GET on:1'), '$4\r\nhere\r\n', 'no connection changes it');
  await client.ask('SELECT 7');
  await client.ask('SET on:1 7');
  await direct.ask('SELECT 7');
  assert.equal(await direct.ask('GET on:1'), '$1\r\n7\r\n');
  client.send('SET off:p 1\r\nSELECT 0\r\nSET off:p 2\r\nSELECT 7\r\nGET off:p\r\n');
  assert.equal(await client.replies(5), '+OK\r\n+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n');
});

test('a command on keys of both kinds is refused, and changes nothing', async (t) => {
  const { client, direct } = await scene(t);
  const mixed = [
    'MSET on:1 a off:1 a',
    'MSET off:1 a on:1 a',
    'MGET off:1 off:in:1',
    'RENAME off:1 on:1',
    'DEL on:1 off:1',
    'COPY off:1 on:2 DB 3',
    'COPY on:1 on:2 DB 7',
    'MOVE on:1 7',
  ];
  for (const line of mixed)
    assert.match(await client.ask(line), /^-CROSSSLOT Keys in request belong/, line);
  assert.equal(await direct.ask('DBSIZE'), ':0\r\n');
  await client.ask('SELECT 7');
  assert.match(await client.ask('MOVE on:1 0'), /^-CROSSSLOT/);
  assert.equal(await client.ask('MOVE off:1 0'), ':0\r\n', 'off in both');
});

test('what is shared is not flushed or swapped from here, and what waits or watches does not pass', async (t) => {
  const { client } = await scene(t);
  for (const line of ['FLUSHALL', 'FLUSHDB', 'SWAPDB 0 1'])
    assert.match(await client.ask(line), /^-ERR some namespaces are kept in an upstream/, line);
  for (const line of ['BLPOP off:l 0', 'WATCH off:a', 'MULTI'])
    assert.match(await client.ask(line), /^-ERR .* not supported/, line);
});

for (const shards of [1, 4])
  test(`walks cover both sides and nothing else, with ${shards} shards`, async (t) => {
    const { client, direct } = await scene(t, shards);
    const own: string[] = [];
    for (let at = 0; at < 300; at += 1) {
      for (const key of [`on:${at}`, `off:${at}`, `off:in:${at}`]) {
        await client.ask(`SET ${key} v`);
        own.push(key);
      }
      await direct.ask(`SET foreign:${at} v`);
      await direct.ask(`SET off:in:foreign${at} v`);
    }
    assert.equal(await client.ask('DBSIZE'), ':900\r\n');
    const keysOf = (reply: string): string[] =>
      [...reply.matchAll(/\$\d+\r\n([^\r]+)\r\n/g)].map(([, key = '']) => key);
    assert.deepEqual(keysOf(await client.ask('KEYS *')).toSorted(), own.toSorted());
    assert.equal(keysOf(await client.ask('KEYS off:*')).length, 600);
    const scanned = new Set<string>();
    let cursor = '0';
    do {
      const [next = '', ...keys] = keysOf(await client.ask(`SCAN ${cursor} COUNT 50`));
      for (const key of keys) scanned.add(key);
      cursor = next;
    } while (cursor !== '0');
    assert.deepEqual([...scanned].toSorted(), own.toSorted());
    assert.match(await client.ask('RANDOMKEY'), /^\$\d+\r\n(on|off):/);
    await client.ask('SELECT 7');
    assert.equal(await client.ask('RANDOMKEY'), '$-1\r\n');
    await client.ask('SET only v');
    assert.equal(await client.ask('RANDOMKEY'), '$4\r\nonly\r\n');
    assert.equal(await client.ask('DBSIZE'), ':1\r\n');
  });

test('where the upstream is gone its keys are, and no others', async (t) => {
  const { client, direct } = await scene(t);
  await client.ask('SET off:a 1');
  direct.send('SHUTDOWN NOSAVE\r\n');
  await direct.rest();
  assert.match(await client.ask('GET off:a'), /^-CLUSTERDOWN the upstream Redis of this namespace/);
  assert.match(
    await client.ask('SET off:a 2'),
    /^-CLUSTERDOWN the upstream Redis of this namespace/,
  );
  assert.match(await client.ask('DBSIZE'), /^-CLUSTERDOWN/);
  assert.equal(await client.ask('SET on:a 2'), '+OK\r\n');
});

test('a switch that would lose sight of keys is refused with the way to go, in either direction', async (t) => {
  const { node, client, direct, upstreamPort } = await scene(t, 4, 200);
  const upstream = `redis://127.0.0.1:${upstreamPort}`;
  await client.ask('SET off:1 v');
  await client.ask('SET on:1 v');
  const reasonOf = async (
    change: Parameters<OutriggerNode['changeNamespaces']>[0],
  ): Promise<string> => {
    const outcome = await node.changeNamespaces(change);
    return outcome.kind === 'refused' ? outcome.reason : outcome.kind;
  };
  const toOff = {
    kind: 'set',
    row: { keys: 'on:*', level: 'off', upstream },
    at: undefined,
  } as const;
  const toStrong = { kind: 'set', row: { keys: 'off:*', level: 'strong' }, at: undefined } as const;
  assert.match(
    await reasonOf(toOff),
    /^the cluster has keys of on:\*, such as "on:1" in database 0, .*; delete them there first/,
  );
  assert.match(
    await reasonOf(toStrong),
    /^the upstream redis:\/\/127\.0\.0\.1:\d+ has keys of off:\*, such as "off:1" in database 0/,
  );
  assert.match(
    await reasonOf({ kind: 'remove', name: { keys: 'off:*' } }),
    /^the upstream .* has keys/,
  );
  const first = { kind: 'set', row: { keys: '*', level: 'strong' }, at: 1 } as const;
  assert.match(
    await reasonOf(first),
    /^the upstream .* has keys/,
    'a row before others takes theirs',
  );
  assert.equal(await client.ask('GET off:1'), '$1\r\nv\r\n', 'nothing has changed');
  await client.ask('DEL off:1 ');
  await client.ask('DEL on:1');
  await direct.ask('SET other:1 v');
  await direct.ask('SET off:in:foreign v');
  assert.equal(await reasonOf(toStrong), 'changed');
  assert.equal(await reasonOf(toOff), 'changed');
  await client.ask('SET off:1 v');
  await client.ask('SET on:1 v');
  assert.equal(await direct.ask('EXISTS off:1 on:1'), ':1\r\n');
  direct.send('SHUTDOWN NOSAVE\r\n');
  await direct.rest();
  assert.match(
    await reasonOf({ kind: 'remove', name: { keys: 'on:*' } }),
    /does not say whether it has keys/,
  );
});

test('while keys change sides nobody uses them, and where they may not they are used as before', async (t) => {
  const { node, client } = await scene(t, 1, 400);
  await client.ask('SET off:1 v');
  const outcomes: string[] = [];
  const change = node
    .changeNamespaces({ kind: 'remove', name: { keys: 'off:*' } })
    .then(({ kind }) => outcomes.push(kind));
  const replies = new Set<string>();
  while (outcomes.length === 0) {
    replies.add(await client.ask('GET off:1'));
    assert.match(await client.ask('MGET on:1 off:1'), /^-(CROSSSLOT|TRYAGAIN)/);
    assert.equal(await client.ask('SET on:1 v'), '+OK\r\n');
  }
  await change;
  assert.deepEqual(outcomes, ['refused']);
  assert.deepEqual([...replies].toSorted(), [
    '$1\r\nv\r\n',
    '-TRYAGAIN keys of this namespace are changing their place; the command did not run, try again\r\n',
  ]);
  assert.equal(await client.ask('GET off:1'), '$1\r\nv\r\n', 'it is open again');
  assert.deepEqual(
    node.namespaces().map(({ isClosed }) => isClosed),
    [undefined, undefined, undefined],
  );
});
