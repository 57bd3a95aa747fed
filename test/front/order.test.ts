/**
 * Goal: the replies of a connection keep the order of its requests, and its commands take effect in order on
 * every shard, though reads do not go through the log.
 * Method: a cluster that answers when the test says so, in any order.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SubmitFailure } from '../../src/cluster/cluster.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { RawClient, startFront } from '../support/test-front.ts';

/** Waits until the cluster has got so many submissions. */
async function submissions(cluster: FakeCluster, count: number): Promise<void> {
  while (cluster.submitted.length < count) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets everything that is under way on sockets of this process arrive. */
async function settleDown(client: RawClient): Promise<void> {
  await client.ask('PING');
}

const paths = (cluster: FakeCluster): string[] =>
  cluster.submitted.map(({ submission, args }) => `${submission.path} ${args.join(' ')}`);

describe('one connection', () => {
  test('gets replies in the order of its requests, whatever is answered first', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    client.send('SET a 1\r\nPING\r\nSET b 2\r\nECHO x\r\nnonsense\r\nSET c 3\r\n');
    await submissions(cluster, 3);
    const [first, second, third] = cluster.submitted;
    cluster.answer(third!);
    cluster.answer(second!);
    assert.equal(client.received, '');
    cluster.answer(first!);
    assert.equal(
      await client.replies(6),
      "+OK\r\n+PONG\r\n+OK\r\n$1\r\nx\r\n-ERR unknown command 'nonsense', with args beginning with: \r\n+OK\r\n",
    );
  });

  test('reads off the log while it has nothing in the log, and behind its own writes else', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    client.send('GET a\r\nGET b\r\n');
    await submissions(cluster, 2);
    assert.deepEqual(paths(cluster), ['read GET a', 'read GET b']);
    cluster.answerAll();
    await client.replies(2);
    client.send('SET a 1\r\nGET a\r\nGET b\r\n');
    await submissions(cluster, 3);
    assert.deepEqual(paths(cluster), ['log SET a 1', 'log GET a', 'log GET b']);
    cluster.answerAll();
    assert.equal(await client.replies(3), '+OK\r\n$1\r\n1\r\n$-1\r\n');
    client.send('GET a\r\n');
    await submissions(cluster, 1);
    assert.deepEqual(paths(cluster), ['read GET a']);
  });

  test('a write waits for the reads before it, and holds back what is behind it', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    await using other = await RawClient.connect(server.port);
    client.send('GET a\r\nGET b\r\nSET a 1\r\nGET a\r\n');
    await submissions(cluster, 2);
    await settleDown(other);
    assert.deepEqual(paths(cluster), ['read GET a', 'read GET b']);
    cluster.answer(cluster.submitted.shift()!);
    assert.equal(await client.replies(1), '$-1\r\n');
    await settleDown(other);
    assert.deepEqual(paths(cluster), ['read GET b']);
    cluster.answerAll();
    await submissions(cluster, 2);
    assert.deepEqual(paths(cluster), ['log SET a 1', 'log GET a']);
    cluster.answerAll();
    assert.equal(await client.replies(3), '$-1\r\n+OK\r\n$1\r\n1\r\n');
  });

  test('another connection does not wait for it', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using reader = await RawClient.connect(server.port);
    await using writer = await RawClient.connect(server.port);
    reader.send('GET a\r\n');
    await submissions(cluster, 1);
    writer.send('SET a 1\r\n');
    await submissions(cluster, 2);
    assert.deepEqual(paths(cluster), ['read GET a', 'log SET a 1']);
  });

  test('carries the database chosen at the time into each command', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    client.send('SET a 1\r\nSELECT 3\r\nSET a 1\r\nRESET\r\nSET a 1\r\n');
    await submissions(cluster, 3);
    const databases = cluster.submitted.map(({ submission }) => submission.database);
    assert.deepEqual(databases, [0, 3, 0]);
  });

  test('commands of a client that is gone run on, and their replies are dropped', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    const client = await RawClient.connect(server.port);
    client.send('SET a 1\r\n');
    await submissions(cluster, 1);
    await client[Symbol.asyncDispose]();
    cluster.answerAll();
    while (server.front.statistics().connections > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(cluster.toy(0).run(0, ['get', 'a']), '$1\r\n1\r\n');
  });

  test('a client that ends its side still gets all its replies, then the end', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    client.socket.end('GET a\r\nSET a 1\r\nGET a\r\n');
    await submissions(cluster, 1);
    cluster.answerAll();
    await submissions(cluster, 2);
    cluster.answerAll();
    assert.equal(await client.rest(), '$-1\r\n+OK\r\n$1\r\n1\r\n');
  });
});

const failures: readonly (readonly [SubmitFailure, string])[] = [
  ['cluster-down', '-CLUSTERDOWN '],
  ['in-doubt', '-INDOUBT '],
  ['busy', '-TRYAGAIN '],
  ['closing', '-CLUSTERDOWN '],
];

describe('a command that its shard does not answer', () => {
  for (const [failure, start] of failures) {
    test(`gets ${start}when it is ${failure}, in its place`, async () => {
      const cluster = new FakeCluster({ mode: 'manual' });
      await using server = await startFront(cluster);
      await using client = await RawClient.connect(server.port);
      client.send('SET a 1\r\nSET b 2\r\n');
      await submissions(cluster, 2);
      const [first, second] = cluster.submitted;
      second!.submission.fail(failure);
      cluster.answer(first!);
      const replies = await client.replies(2);
      assert.ok(replies.startsWith(`+OK\r\n${start}`), replies);
    });
  }
});

describe('a random walk', () => {
  test('of pipelined reads and writes never sees other values than in order', async (t) => {
    const seed = (Date.now() & 0xffff) + 1;
    t.diagnostic(`seed ${seed}`);
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    const cluster = new FakeCluster({ mode: 'manual', shards: 3 });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    const model = new Map<string, string>();
    const expected: string[] = [];
    const lines: string[] = [];
    for (let step = 0; step < 300; step += 1) {
      const keys = Array.from({ length: 4 }, () => `k${random(6)}`);
      const [key = ''] = keys;
      switch (random(4)) {
        case 0:
          lines.push(`SET ${key} v${step}`);
          model.set(key, `v${step}`);
          expected.push('+OK\r\n');
          break;
        case 1:
          lines.push(`DEL ${[...new Set(keys)].join(' ')}`);
          expected.push(`:${[...new Set(keys)].filter((each) => model.delete(each)).length}\r\n`);
          break;
        case 2:
          lines.push(`MGET ${keys.join(' ')}`);
          expected.push(`*4\r\n${keys.map((each) => bulk(model.get(each))).join('')}`);
          break;
        default:
          lines.push(`GET ${key}`);
          expected.push(bulk(model.get(key)));
      }
    }
    client.send(`${lines.join('\r\n')}\r\n`);
    const answering = setInterval(() => answerSome(cluster, random), 0);
    const replies = await client.replies(lines.length);
    clearInterval(answering);
    assert.equal(replies, expected.join(''));
  });
});

/** Answers some submissions as a cluster may: logged ones of a shard in order, reads whenever. */
function answerSome(cluster: FakeCluster, random: (below: number) => number): void {
  const seenShards = new Set<number>();
  for (const each of cluster.submitted.slice()) {
    const isLogged = each.submission.path === 'log';
    const mayAnswer = !isLogged || !seenShards.has(each.shard);
    if (mayAnswer && random(3) > 0) {
      cluster.submitted.splice(cluster.submitted.indexOf(each), 1);
      cluster.answer(each);
    } else if (isLogged) {
      seenShards.add(each.shard);
    }
  }
}

const bulk = (value: string | undefined): string =>
  value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`;
