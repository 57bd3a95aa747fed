/**
 * Goal: a client that is slow, hostile or many is bounded, told why, and harms nobody else.
 */

import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { NodeError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/random.ts';
import { defaultRequestLimits } from '../../src/resp/decoder.ts';
import { exchange } from '../support/exchange.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { RawClient, startFront } from '../support/test-front.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the listener', () => {
  test('turns clients away at maxClients and takes new ones once others have left', async () => {
    await using server = await startFront(new FakeCluster(), { maxClients: 2 });
    const first = await RawClient.connect(server.port);
    await using second = await RawClient.connect(server.port);
    assert.equal(await first.ask('PING'), '+PONG\r\n');
    assert.equal(await second.ask('PING'), '+PONG\r\n');
    assert.equal(await exchange(server.port, ''), '-ERR max number of clients reached\r\n');
    assert.equal(server.front.statistics().connectionsRefused, 1);
    await first[Symbol.asyncDispose]();
    while (server.front.statistics().connections > 1) await turn();
    await using third = await RawClient.connect(server.port);
    assert.equal(await third.ask('PING'), '+PONG\r\n');
  });

  test('says which port is in use and what to do', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await assert.rejects(startFront(new FakeCluster(), { port }), (error: unknown) => {
      assert.ok(error instanceof NodeError);
      assert.equal(error.code, 'config-invalid');
      assert.match(
        error.message,
        new RegExp(`port ${port} on 127.0.0.1 is in use .*--client-port`, 'u'),
      );
      return true;
    });
    taken.close();
  });

  test('keeps a thousand idle clients', async () => {
    await using server = await startFront(new FakeCluster());
    const clients = await Promise.all(
      Array.from({ length: 1000 }, () => RawClient.connect(server.port)),
    );
    const answers = await Promise.all(clients.map((client) => client.ask('PING')));
    assert.deepEqual(new Set(answers), new Set(['+PONG\r\n']));
    assert.equal(server.front.statistics().connections, 1000);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  });

  test('that stops taking answers what it has read, and closes each connection behind its last reply', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using idle = await RawClient.connect(server.port);
    assert.equal(await idle.ask('PING'), '+PONG\r\n');
    await using busy = await RawClient.connect(server.port);
    const count = 100;
    busy.send('INCR n\r\n'.repeat(count));
    while (cluster.submitted.length === 0) await turn();
    assert.ok(cluster.submitted.length < count, 'some are read and not taken');
    server.front.stopTaking();
    assert.equal(await idle.rest(), '');
    busy.send('INCR n\r\n');
    await assert.rejects(RawClient.connect(server.port));
    while (server.front.statistics().connections > 0) {
      cluster.answerAll();
      await turn();
    }
    const replies = Array.from({ length: count }, (_, at) => `:${at + 1}\r\n`);
    assert.equal(await busy.rest(), replies.join(''));
    assert.equal(cluster.toy(0).run(0, ['get', 'n']), '$3\r\n100\r\n');
  });

  test('closes all connections when it closes', async () => {
    const server = await startFront(new FakeCluster());
    await using client = await RawClient.connect(server.port);
    await client.ask('PING');
    await server.front.close();
    assert.equal(await client.rest(), '');
  });
});

const random = seededRandom(7);
const hostile: readonly (readonly [string, string])[] = [
  ['a huge count', '*33554432\r\n'],
  ['a count beyond 32 bits', '*4294967296\r\n'],
  ['a negative bulk length', '*1\r\n$-7\r\n'],
  ['a terabyte bulk', '*2\r\n$3\r\nGET\r\n$1099511627776\r\n'],
  ['20,000 nested arrays', '*1\r\n'.repeat(20_000)],
  ['an endless line', 'x'.repeat(1024 * 1024)],
  ['an unbalanced quote', 'GET "a\r\n'],
];

describe('hostile bytes', () => {
  for (const [what, bytes] of hostile) {
    test(`${what}: an error, the end, and no harm to others`, async () => {
      await using server = await startFront(new FakeCluster());
      await using other = await RawClient.connect(server.port);
      await other.ask('SET a 1');
      const before = process.memoryUsage.rss();
      assert.match(await exchange(server.port, bytes), /^-ERR Protocol error: .*\r\n$/u);
      assert.ok(process.memoryUsage.rss() - before < 100 * 1024 * 1024);
      assert.equal(await other.ask('GET a'), '$1\r\n1\r\n');
      assert.equal(server.front.statistics().protocolErrors, 1);
    });
  }

  test('replies to commands before the error come first, commands behind it do not run', async () => {
    const cluster = new FakeCluster();
    await using server = await startFront(cluster);
    const said = await exchange(server.port, 'SET a 1\r\nGET a\r\n*1\r\n:1\r\nSET a 2\r\n');
    assert.equal(said, "+OK\r\n$1\r\n1\r\n-ERR Protocol error: expected '$', got ':'\r\n");
    assert.equal(cluster.toy(0).run(0, ['get', 'a']), '$1\r\n1\r\n');
  });

  test('random bytes from many clients leave the server well', async () => {
    await using server = await startFront(new FakeCluster());
    const noise = Array.from({ length: 50 }, () =>
      Buffer.from(Array.from({ length: 2000 }, () => Math.floor(random.next() * 256))),
    );
    const clients = await Promise.all(noise.map(() => RawClient.connect(server.port)));
    for (const [i, client] of clients.entries()) client.socket.end(noise[i]!);
    await Promise.all(clients.map((client) => client.rest()));
    await using other = await RawClient.connect(server.port);
    assert.equal(await other.ask('PING'), '+PONG\r\n');
  });

  test('half a command left open, then gone, leaves nothing behind', async () => {
    await using server = await startFront(new FakeCluster());
    const client = await RawClient.connect(server.port);
    client.send('*2\r\n$3\r\nGET\r\n$100\r\nabc');
    await turn();
    client.socket.end();
    assert.equal(await client.rest(), '');
    while (server.front.statistics().connections > 0) await turn();
  });
});

describe('a client that is faster than the cluster', () => {
  test('is not read while the cluster is full, and goes on once it is not', async () => {
    const cluster = new FakeCluster();
    cluster.isFull = true;
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    client.send('PING\r\nSET a 1\r\nPING\r\n');
    assert.equal(await client.replies(1), '+PONG\r\n');
    const read = server.front.statistics().bytesIn;
    client.send(Buffer.alloc(16 * 1024 * 1024, 'PING\r\n'));
    await using other = await RawClient.connect(server.port);
    for (let i = 0; i < 20; i += 1) await other.ask('PING');
    assert.ok(server.front.statistics().bytesIn - read < 1024 * 1024, 'TCP holds back the rest');
    cluster.drain();
    assert.equal(await client.replies(2), '+OK\r\n+PONG\r\n');
  });

  test('has a bounded number of commands without a reply', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    const count = 20_000;
    client.send('SET a 1\r\n'.repeat(count));
    let most = 0;
    for (let answered = 0; answered < count;) {
      await turn();
      most = Math.max(most, cluster.submitted.length);
      answered += cluster.submitted.length;
      cluster.answerAll();
    }
    assert.ok(most > 256 && most <= 4096, `${most} at once`);
    assert.equal((await client.replies(count)).length, count * 5);
  });

  test('gets CLUSTERDOWN where the cluster does not form in time, and is served where it does', async () => {
    const cluster = new FakeCluster({ shards: 0 });
    await using server = await startFront(cluster, { commandTimeoutMs: 20 });
    await using client = await RawClient.connect(server.port);
    client.send('PING\r\nGET a\r\nGET b\r\n');
    assert.match(await client.replies(3), /^\+PONG\r\n-CLUSTERDOWN .*\r\n-CLUSTERDOWN .*\r\n$/u);

    await using patient = await startFront(cluster, { commandTimeoutMs: 60_000 });
    await using other = await RawClient.connect(patient.port);
    other.send('PING\r\nSET a 1\r\nGET a\r\n');
    assert.equal(await other.replies(1), '+PONG\r\n');
    cluster.become(3);
    assert.equal(await other.replies(2), '+OK\r\n$1\r\n1\r\n');
  });
});

describe('a client that does not read its replies', () => {
  test('is not read either', async () => {
    await using server = await startFront(new FakeCluster());
    await using client = await RawClient.connect(server.port);
    await client.ask(`SET a ${'x'.repeat(50_000)}`);
    const count = 4000;
    const expected = count * 50_010;
    client.socket.removeAllListeners('data').pause();
    client.send('GET a\r\n'.repeat(count));
    await using other = await RawClient.connect(server.port);
    const statistics = server.front.statistics();
    let taken = -1;
    while (taken !== statistics.commandsRead) {
      taken = statistics.commandsRead;
      for (let i = 0; i < 50; i += 1) await other.ask('PING');
    }
    assert.ok(taken < 1000, `${taken} commands were taken`);
    let received = 0;
    for await (const text of client.socket) {
      received += String(text).length;
      if (received >= expected) break;
    }
    assert.equal(received, expected);
  });

  test('is closed above the bound of its output', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster, { outputBytesMax: 1_000_000 });
    await using client = await RawClient.connect(server.port);
    client.send('GET a\r\nGET b\r\nGET c\r\n');
    while (cluster.submitted.length < 3) await turn();
    const [first, second, third] = cluster.submitted;
    second!.submission.settle(`$2000000\r\n${'x'.repeat(2_000_000)}\r\n`, 0);
    third!.submission.settle('$-1\r\n', 0);
    assert.equal(await client.rest(), '');
    assert.equal(server.front.statistics().outputOverruns, 1);
    first!.submission.settle('$-1\r\n', 0);
  });

  test('gets what came in one turn, however much, and is closed for more only if it reads none of it', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster, { outputBytesMax: 5_000_000 });
    const reply = `$4000000\r\n${'x'.repeat(4_000_000)}\r\n`;
    await using reader = await RawClient.connect(server.port);
    reader.send('GET a\r\n'.repeat(3));
    while (cluster.submitted.length < 3) await turn();
    for (const { submission } of cluster.submitted.splice(0)) submission.settle(reply, 0);
    assert.equal((await reader.replies(3)).length, 3 * reply.length);
    assert.equal(server.front.statistics().outputOverruns, 0);

    await using idler = await RawClient.connect(server.port);
    idler.socket.removeAllListeners('data').pause();
    idler.send('GET a\r\n'.repeat(6));
    while (cluster.submitted.length < 6) await turn();
    const [last, ...others] = cluster.submitted.splice(0).toReversed();
    for (const { submission } of others.toReversed()) submission.settle(reply, 0);
    await turn();
    last!.submission.settle(reply, 0);
    assert.equal(server.front.statistics().outputOverruns, 1);
  });

  test('learns the window from the size of its replies', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster);
    await using client = await RawClient.connect(server.port);
    const reply = `$1000000\r\n${'x'.repeat(1_000_000)}\r\n`;
    const count = 40;
    client.send('GET a\r\n'.repeat(count));
    const taken: number[] = [];
    for (let answered = 0; answered < count;) {
      while (cluster.submitted.length === 0) await turn();
      taken.push(cluster.submitted.length);
      answered += cluster.submitted.length;
      for (const { submission } of cluster.submitted.splice(0)) submission.settle(reply, 0);
    }
    assert.equal(taken[0], 16);
    assert.ok(Math.max(...taken.slice(3)) <= 5, taken.join(' '));
    assert.equal((await client.replies(count)).length, count * reply.length);
  });

  test('gets one reply of any size', async () => {
    const cluster = new FakeCluster({ mode: 'manual' });
    await using server = await startFront(cluster, { outputBytesMax: 1000 });
    await using client = await RawClient.connect(server.port);
    client.send('GET a\r\n');
    while (cluster.submitted.length < 1) await turn();
    const reply = `$20000\r\n${'x'.repeat(20_000)}\r\n`;
    cluster.submitted[0]!.submission.settle(reply, 0);
    assert.equal(await client.replies(1), reply);
  });
});

test('an argument that no string holds is refused before anything looks at it', async () => {
  const cluster = new FakeCluster({ mode: 'manual' });
  await using server = await startFront(cluster);
  await using client = await RawClient.connect(server.port);
  client.send(`*2\r\n$4\r\nECHO\r\n$${defaultRequestLimits.bulkBytesMax}\r\n`);
  client.send(Buffer.alloc(defaultRequestLimits.bulkBytesMax, 'x'));
  client.send('\r\nPING\r\n');
  assert.equal(
    await client.replies(2),
    '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n+PONG\r\n',
  );
});

test('a command is not much larger than its largest argument may be, and CONFIG says so', async () => {
  await using server = await startFront(new FakeCluster());
  await using client = await RawClient.connect(server.port);
  const limit = 512 * 1024 * 1024 + 64 * 1024;
  const said = await client.ask('CONFIG GET client-query-buffer-limit');
  assert.ok(said.endsWith(`\r\n${limit}\r\n`), said);
  const head = `*3\r\n$3\r\nSET\r\n$65536\r\n${'k'.repeat(65_536)}\r\n`;
  client.send(`${head}$${defaultRequestLimits.bulkBytesMax}\r\n`);
  assert.equal(await client.replies(1), '-ERR Protocol error: too big query\r\n');
});

test('a request above the limits of the query buffer is refused', async () => {
  const requestLimits = { ...defaultRequestLimits, queryBytesMax: 100_000 };
  await using server = await startFront(new FakeCluster(), { requestLimits });
  const said = await exchange(server.port, '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$200000\r\n');
  assert.equal(said, '-ERR Protocol error: too big query\r\n');
});
