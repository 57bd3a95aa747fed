/**
 * Goal: commands over several shards answer as one Redis would, and say so where only part of one may have run.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stringBytesMax } from '../../src/resp/encoder.ts';
import { elementsOf, bulkOf } from '../../src/resp/reply-framer.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { RawClient, startFront } from '../support/test-front.ts';

const shards = 5;
const keys = Array.from({ length: 23 }, (_, i) => `key-${i}`);

async function filled(cluster: FakeCluster, client: RawClient): Promise<void> {
  assert.equal(
    await client.ask(`MSET ${keys.map((key) => `${key} v-${key}`).join(' ')}`),
    '+OK\r\n',
  );
  const sizes = Array.from({ length: shards }, (_, shard) => cluster.toy(shard).run(0, ['dbsize']));
  assert.ok(!sizes.includes(':0\r\n'), 'the keys reach every shard');
}

describe('over several shards', () => {
  test('MSET, MGET, EXISTS, DEL, DBSIZE, KEYS and FLUSHALL answer as over one', async () => {
    const cluster = new FakeCluster({ shards });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    await filled(cluster, client);
    const all = keys.join(' ');
    const values = keys.map((key) => `$${key.length + 2}\r\nv-${key}\r\n`);
    assert.equal(await client.ask(`MGET ${all}`), `*${keys.length}\r\n${values.join('')}`);
    assert.equal(
      await client.ask('MGET key-3 none key-3'),
      '*3\r\n$7\r\nv-key-3\r\n$-1\r\n$7\r\nv-key-3\r\n',
    );
    assert.equal(await client.ask(`EXISTS ${all} none key-1`), ':24\r\n');
    assert.equal(await client.ask('DBSIZE'), ':23\r\n');
    assert.equal(await client.ask('DEL key-0 key-1 key-2 key-2 none'), ':3\r\n');
    const found = elementsOf(await client.ask('KEYS *')) ?? [];
    assert.equal(found.length, 20);
    assert.deepEqual(new Set(found.map(bulkOf)), new Set(keys.slice(3)));
    assert.equal(await client.ask('FLUSHALL'), '+OK\r\n');
    assert.equal(await client.ask('DBSIZE'), ':0\r\n');
    assert.equal(await client.ask('RANDOMKEY'), '$-1\r\n');
  });

  test('a reply that no string holds is an error, as it is from one shard', async () => {
    const cluster = new FakeCluster({ shards, mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    const value = 'x'.repeat(Math.ceil(stringBytesMax / shards));
    for (const command of [`MGET ${keys.join(' ')}`, 'KEYS *']) {
      client.send(`${command}\r\n`);
      while (cluster.submitted.length < shards)
        await new Promise((resolve) => setImmediate(resolve));
      for (const { submission, args } of cluster.submitted.splice(0)) {
        const rest = args.slice(2).map(() => '$-1\r\n');
        submission.settle(
          `*${rest.length + 1}\r\n$${value.length}\r\n${value}\r\n${rest.join('')}`,
          0,
        );
      }
      assert.equal(await client.replies(1), '-ERR reply exceeds 512 MB\r\n');
    }
  });

  test('RANDOMKEY finds the only key, whichever shard has it', async () => {
    for (const key of keys) {
      await using server = await startFront(new FakeCluster({ shards }));
      await using client = await RawClient.connect(server.port);
      client.send(`SET ${key} 1\r\nRANDOMKEY\r\nDEL ${key}\r\nRANDOMKEY\r\n`);
      assert.equal(await client.replies(4), `+OK\r\n$${key.length}\r\n${key}\r\n:1\r\n$-1\r\n`);
    }
  });

  test('SCAN visits every key once, with cursors that fit a double, and ends at 0', async () => {
    const cluster = new FakeCluster({ shards });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    await filled(cluster, client);
    const found: (string | undefined)[] = [];
    let cursor = '0';
    do {
      const [next, page] = elementsOf(await client.ask(`SCAN ${cursor}`)) ?? [];
      cursor = bulkOf(next ?? '') ?? '';
      assert.ok(Number.isSafeInteger(Number(cursor)), `cursor ${cursor}`);
      found.push(...(elementsOf(page ?? '') ?? []).map(bulkOf));
    } while (cursor !== '0');
    assert.equal(found.length, keys.length);
    assert.deepEqual(new Set(found), new Set(keys));
    for (const invalid of ['x', '-1', '1.5', String(shards * 2 ** 47), '99999999999999999999']) {
      assert.equal(await client.ask(`SCAN ${invalid}`), '-ERR invalid cursor\r\n');
    }
  });

  test('a command whose keys lie apart is refused, with one tag it runs, SWAPDB needs one shard', async () => {
    await using server = await startFront(new FakeCluster({ shards }));
    await using client = await RawClient.connect(server.port);
    const refused = await client.ask(`MSETNX ${keys.map((key) => `${key} 1`).join(' ')}`);
    assert.equal(refused, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    assert.equal(
      await client.ask('MSETNX {t}a 1 {t}b 2'),
      "-ERR the toy shard has no 'MSETNX'\r\n",
    );
    assert.match(await client.ask('SWAPDB 0 1'), /^-ERR .*one shard/u);
  });
});

async function apart(): Promise<{
  readonly cluster: FakeCluster;
  readonly client: RawClient;
  readonly close: () => Promise<void>;
}> {
  const cluster = new FakeCluster({ shards, mode: 'manual' });
  const server = await startFront(cluster);
  const client = await RawClient.connect(server.port);
  const close = async (): Promise<void> => {
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { cluster, client, close };
}

async function parts(cluster: FakeCluster): Promise<void> {
  while (cluster.submitted.length < shards) await new Promise((resolve) => setImmediate(resolve));
}

describe('a write over several shards', () => {
  test('is in doubt where one part may have run and another did not', async () => {
    const { cluster, client, close } = await apart();
    client.send(`DEL ${keys.join(' ')}\r\n`);
    await parts(cluster);
    const [failed, ...others] = cluster.submitted.splice(0);
    failed!.submission.fail('cluster-down');
    for (const each of others) cluster.answer(each);
    assert.match(await client.replies(1), /^-INDOUBT /u);
    await close();
  });

  test('is in doubt where one part is', async () => {
    const { cluster, client, close } = await apart();
    client.send(`DEL ${keys.join(' ')}\r\n`);
    await parts(cluster);
    for (const [place, { submission }] of cluster.submitted.entries()) {
      submission.fail(place === 3 ? 'in-doubt' : 'cluster-down');
    }
    assert.match(await client.replies(1), /^-INDOUBT /u);
    await close();
  });

  test('is in doubt where one shard answers with an error and another has done its part', async () => {
    const { cluster, client, close } = await apart();
    client.send(`DEL ${keys.join(' ')}\r\n`);
    await parts(cluster);
    const [refused, ...others] = cluster.submitted.splice(0);
    refused!.submission.settle('-OOM no room\r\n', 0);
    for (const each of others) cluster.answer(each);
    assert.match(await client.replies(1), /^-INDOUBT /u);
    await close();
  });

  test('did not happen where no part did', async () => {
    const { cluster, client, close } = await apart();
    client.send(`DEL ${keys.join(' ')}\r\n`);
    await parts(cluster);
    for (const { submission } of cluster.submitted) submission.fail('cluster-down');
    assert.match(await client.replies(1), /^-CLUSTERDOWN /u);
    await close();
  });
});

test('a read over several shards fails without doubt, once, when all parts have come', async () => {
  const { cluster, client, close } = await apart();
  client.send(`MGET ${keys.join(' ')}\r\nPING\r\n`);
  await parts(cluster);
  const [failed, ...others] = cluster.submitted.splice(0);
  failed!.submission.fail('cluster-down');
  assert.equal(client.received, '');
  for (const each of others) cluster.answer(each);
  assert.match(await client.replies(2), /^-CLUSTERDOWN .*\r\n\+PONG\r\n$/u);
  await close();
});

test('a fan-out waits for the reads before it on any shard it touches', async () => {
  const { cluster, client, close } = await apart();
  client.send(`GET key-3\r\nDEL ${keys.join(' ')}\r\n`);
  while (cluster.submitted.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(cluster.submitted.length, 1);
  cluster.answerAll();
  await parts(cluster);
  assert.ok(cluster.submitted.every(({ submission }) => submission.path === 'log'));
  cluster.answerAll();
  assert.equal(await client.replies(2), '$-1\r\n:0\r\n');
  await close();
});
