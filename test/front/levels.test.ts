/**
 * Goal: a read asks for what the namespace of its keys and its connection allow, and a connection never sees time run backwards.
 * Method: a cluster that shows how it was asked, and names the index that the test says.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Namespace } from '../../src/shard/namespace.ts';
import { NamespaceTable } from '../../src/shard/namespace-table.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { RawClient, startFront } from '../support/test-front.ts';

const rows: readonly Namespace[] = [
  { keys: 's:*', level: 'session' },
  { keys: 'b:*', level: 'bounded', boundMs: 50 },
  { keys: 'e:*', level: 'eventual' },
  { keys: 'e2:*', database: 2, level: 'eventual' },
];

class Scene implements AsyncDisposable {
  readonly cluster: FakeCluster;
  readonly #server: Awaited<ReturnType<typeof startFront>>;
  readonly client: RawClient;

  private constructor(
    cluster: FakeCluster,
    server: Awaited<ReturnType<typeof startFront>>,
    client: RawClient,
  ) {
    this.cluster = cluster;
    this.#server = server;
    this.client = client;
  }

  static async make(table: readonly Namespace[] = rows, shards = 1): Promise<Scene> {
    const cluster = new FakeCluster({ mode: 'manual', shards });
    cluster.namespaces = new NamespaceTable(table);
    const server = await startFront(cluster);
    return new Scene(cluster, server, await RawClient.connect(server.port));
  }

  /** How the cluster was asked for these lines, sent at once. */
  async asked(...lines: readonly string[]): Promise<string[]> {
    if (lines.length > 0) this.client.send(lines.map((line) => `${line}\r\n`).join(''));
    await this.submitted(lines.length);
    return this.cluster.submitted.map(({ submission: { path, floor, boundMs } }) => {
      const bound = boundMs === Infinity ? '' : ` bound ${boundMs}`;
      return `${path}${floor === undefined ? '' : ` floor ${floor}`}${bound}`;
    });
  }

  async submitted(count = 1): Promise<void> {
    while (this.cluster.submitted.length < count) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Answers everything from the state at this index. */
  async answer(index: number): Promise<void> {
    this.cluster.index = index;
    const count = this.cluster.submitted.length;
    this.cluster.answerAll();
    await this.client.replies(count);
  }

  /** Asks with one line, and answers it. */
  async one(line: string, index = 0): Promise<string | undefined> {
    const [asked] = await this.asked(line);
    await this.answer(index);
    return asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

test('without namespaces reads ask the leader for nothing more', async () => {
  await using scene = await Scene.make([]);
  assert.equal(await scene.one('GET s:1', 7), 'read');
  assert.equal(await scene.one('GET s:1'), 'read');
});

test('each level asks in its own way, and writes always go through the log', async () => {
  await using scene = await Scene.make();
  assert.equal(await scene.one('GET strong'), 'read floor 0');
  assert.equal(await scene.one('GET s:1'), 'local floor 0');
  assert.equal(await scene.one('GET b:1'), 'local bound 50');
  assert.equal(await scene.one('GET e:1'), 'local');
  assert.equal(await scene.one('GET e2:1'), 'read floor 0');
  for (const key of ['s:1', 'b:1', 'e:1']) assert.equal(await scene.one(`SET ${key} 1`), 'log');
  await scene.client.ask('SELECT 2');
  assert.equal(await scene.one('GET e2:1'), 'local');
});

test('keys of one level are read by it, of several as strong; so is what has no keys', async () => {
  await using scene = await Scene.make();
  assert.equal(await scene.one('MGET s:1 s:2'), 'local floor 0');
  assert.equal(await scene.one('MGET b:1 b:2'), 'local bound 50');
  for (const line of ['MGET s:1 e:2', 'MGET e:1 strong', 'MGET b:1 e:1', 'DBSIZE', 'KEYS *'])
    assert.equal(await scene.one(line), 'read floor 0', line);
});

test('a session asks for no less than it has seen, in writes and in reads of any level', async () => {
  await using scene = await Scene.make();
  assert.equal(await scene.one('SET s:1 1', 11), 'log');
  assert.equal(await scene.one('GET s:1', 15), 'local floor 11');
  assert.equal(await scene.one('GET strong', 20), 'read floor 15');
  assert.equal(await scene.one('GET e:1', 18), 'local');
  assert.equal(await scene.one('GET s:1', 30), 'local floor 20');
  await using other = await RawClient.connect(scene.client.socket.remotePort ?? 0);
  other.send('GET s:1\r\n');
  await scene.submitted();
  assert.deepEqual(await scene.asked(), ['local floor 0'], 'another connection is another session');
});

test('each shard has a session of its own', async () => {
  await using scene = await Scene.make(rows, 16);
  await scene.one('SET s:1 1', 11);
  assert.equal(await scene.one('GET s:1', 11), 'local floor 11');
  const asked = await scene.asked('SET s:2 1', 'SET s:3 1', 'SET s:4 1');
  assert.deepEqual(asked, ['log', 'log', 'log']);
  assert.ok(new Set(scene.cluster.submitted.map(({ shard }) => shard)).size > 1);
});

test('while a connection waits for the leader, and where the replica does not answer, sessions ask it too', async () => {
  await using scene = await Scene.make();
  assert.deepEqual(await scene.asked('GET s:1', 'GET strong', 'GET s:1', 'GET e:1'), [
    'local floor 0',
    'read floor 0',
    'read floor 0',
    'local',
  ]);
  await scene.answer(9);
  assert.equal(await scene.one('GET s:1'), 'local floor 9');
  scene.cluster.isReadable = false;
  assert.equal(await scene.one('GET s:1'), 'read floor 9');
  assert.equal(await scene.one('GET b:1'), 'local bound 50', 'the replica itself looks at that');
});

test('behind a write that is not answered, every read goes through the log', async () => {
  await using scene = await Scene.make();
  const lines = ['SET s:1 1', 'GET s:1', 'GET b:1', 'GET e:1'];
  assert.deepEqual(await scene.asked(...lines), ['log', 'log', 'log', 'log']);
});

test('a write waits for the local reads before it', async () => {
  await using scene = await Scene.make();
  scene.client.send('GET e:1\r\nSET e:1 1\r\n');
  await scene.submitted();
  assert.deepEqual(await scene.asked(), ['local']);
  scene.cluster.answerAll();
  await scene.client.replies(1);
  await scene.submitted();
  assert.deepEqual(await scene.asked(), ['log']);
});

test('READONLY makes strong reads of keys those of a session, until READWRITE or RESET', async () => {
  for (const table of [[], rows]) {
    await using scene = await Scene.make(table);
    const strong = table.length === 0 ? 'read' : 'read floor 4';
    await scene.one('SET strong 1', 4);
    assert.equal(await scene.client.ask('READONLY'), '+OK\r\n');
    assert.equal(await scene.one('GET strong', 4), 'local floor 4');
    assert.equal(await scene.one('MGET strong other', 4), 'local floor 4');
    assert.equal(await scene.one('SET strong 2', 4), 'log');
    assert.equal(await scene.one('DBSIZE', 4), 'read floor 4');
    assert.equal(await scene.client.ask('READWRITE'), '+OK\r\n');
    assert.equal(await scene.one('GET strong', 4), strong);
    await scene.client.ask('READONLY');
    await scene.client.ask('RESET');
    assert.equal(await scene.one('GET strong', 4), strong);
  }
});

test('READONLY changes nothing where the namespace is weaker, or another', async () => {
  await using scene = await Scene.make();
  await scene.client.ask('READONLY');
  assert.equal(await scene.one('GET b:1'), 'local bound 50');
  assert.equal(await scene.one('GET e:1'), 'local');
});

test('a new table counts from the next command on, with what the session has seen before', async () => {
  await using scene = await Scene.make([]);
  await scene.one('SET s:1 1', 12);
  scene.cluster.namespaces = new NamespaceTable(rows);
  assert.equal(await scene.one('GET s:1', 12), 'local floor 12');
  scene.cluster.namespaces = new NamespaceTable([]);
  assert.equal(await scene.one('GET s:1'), 'read');
});
