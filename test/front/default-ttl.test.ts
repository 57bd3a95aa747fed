/**
 * Goal: a key of a namespace with a default TTL never stays without one, and a write that says how long keeps its word.
 * Method: a whole node in this process, and the entries of a cluster that shows what it was given.
 */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { nodeDefaults, openNode } from '../../src/node.ts';
import type { Namespace } from '../../src/shard/namespace.ts';
import { NamespaceTable } from '../../src/shard/namespace-table.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { RawClient, startFront } from '../support/test-front.ts';

const ttlMs = 1_000_000;
const rows: readonly Namespace[] = [
  { keys: 'none:*', level: 'strong' },
  { keys: 'two:*', database: 2, level: 'strong', defaultTtlMs: 2 * ttlMs },
  { keys: '*', database: 0, level: 'strong', defaultTtlMs: ttlMs },
];

async function connect(t: TestContext, shards: number): Promise<RawClient> {
  const node = await openNode({
    ...nodeDefaults,
    nodeId: 1,
    members: [{ id: 1, host: '127.0.0.1', port: 1 }],
    peerPort: 0,
    clientPort: 0,
    storage: 'memory',
    shards,
    namespaces: rows,
  });
  t.after(() => node.stop());
  const client = await RawClient.connect(node.clientPort ?? 0);
  t.after(() => client[Symbol.asyncDispose]());
  return client;
}

for (const shards of [1, 4])
  test(`keys get the default TTL unless they have one, with ${shards} shards`, async (t) => {
    const client = await connect(t, shards);
    const ttlOf = async (key: string): Promise<number> =>
      Number((await client.ask(`PTTL ${key}`)).slice(1));
    const isNear = (actual: number, expected: number): boolean =>
      actual > expected - 60_000 && actual <= expected;
    for (const line of ['SET {a} 1', 'INCR {a}n', 'APPEND {a}x y', 'MSET m1 1 m2 2 m3 3 m4 4'])
      assert.match(await client.ask(line), /^[+:]/, line);
    await client.ask('RENAME {a}x {a}y');
    await client.ask('COPY {a} {a}copy');
    for (const key of ['{a}', '{a}n', '{a}y', '{a}copy', 'm1', 'm2', 'm3', 'm4'])
      assert.ok(isNear(await ttlOf(key), ttlMs), key);
    assert.equal(await client.ask('SET b 1 PX 5000000'), '+OK\r\n');
    assert.equal(await client.ask('INCR b'), ':2\r\n');
    assert.ok(isNear(await ttlOf('b'), 5_000_000), 'what it was given stays');
    await client.ask('SET b 1 KEEPTTL');
    assert.ok(isNear(await ttlOf('b'), 5_000_000));
    await client.ask('SET b 1');
    assert.ok(isNear(await ttlOf('b'), ttlMs), 'SET without a TTL takes the old one away');
    await client.ask('PERSIST b');
    assert.equal(await ttlOf('b'), -1, 'who says PERSIST means it');
    await client.ask('INCR b');
    assert.ok(isNear(await ttlOf('b'), ttlMs), 'until the next write');
    await client.ask('SET none:1 1');
    assert.equal(await ttlOf('none:1'), -1);
    await client.ask('SET two:1 1');
    await client.ask('MOVE two:1 2');
    await client.ask('SELECT 2');
    await client.ask('SET one:1 1');
    await client.ask('SET two:2 1');
    assert.ok(isNear(await ttlOf('two:2'), 2 * ttlMs));
    assert.equal(await ttlOf('one:1'), -1, 'the row is of another database');
    assert.ok(isNear(await ttlOf('two:1'), ttlMs), 'it brought its own along');
  });

test('the deadline is in one entry with the write, however large that is', async () => {
  const cluster = new FakeCluster({ mode: 'manual' });
  cluster.namespaces = new NamespaceTable(rows);
  await using server = await startFront(cluster);
  await using client = await RawClient.connect(server.port);
  client.send('SET a 1\r\nGET a\r\nDEL a\r\n');
  while (cluster.submitted.length < 4) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    cluster.submitted.map(({ submission, args }) => [args.join(' '), submission.isBehind === true]),
    [
      ['SET a 1', false],
      [`PEXPIRE a ${ttlMs} NX`, true],
      ['GET a', false],
      ['DEL a', false],
    ],
  );
  for (const each of cluster.submitted.splice(0)) each.submission.settle(`+${each.args[0]}\r\n`, 1);
  assert.equal(await client.replies(3), '+SET\r\n+GET\r\n+DEL\r\n');
});
