/**
 * Goal: whatever happens to the Redis of a node, or to those of all, no acknowledged write is missing, none took effect twice, the
 * Redis end equal, and clients see a pause and no error.
 *
 * Method: three sidecars, each in front of a real redis-server, under load through all of them, as in `kill-leader`. One accident after
 * the other happens to the Redis of the leader, of a follower, or of all nodes, before and after a snapshot was taken; each time
 * the load must go on and all engines be well again before the next. In the end every counter, seen through every node, must be what its
 * clients were told, and the three redis-servers hold equal data.
 */

import assert from 'node:assert/strict';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { connectTarget, type Target } from '../differential/target.ts';
import { prepareCluster, type TestCluster, type TestNode } from '../support/cluster.ts';
import { words } from '../support/commands.ts';
import { fetchText } from '../support/fetch-text.ts';
import { Load } from '../support/load.ts';
import { dataOf } from '../support/redis-data.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const timeout = 300_000;
const wellDeadlineMs = 30_000;
const equalDeadlineMs = 15_000;
/** Longer than a node waits for its Redis to answer, and than an election takes. */
const stopMs = 10_000;

/** A sidecar and the Redis behind it. */
class Pair {
  readonly node: TestNode;
  #redis: RedisServer;

  constructor(node: TestNode, redis: RedisServer) {
    this.node = node;
    this.#redis = redis;
  }

  get redis(): RedisServer {
    return this.#redis;
  }

  async run(...lines: readonly string[]): Promise<void> {
    const target = await connectTarget(this.#redis.port);
    for (const line of lines) {
      const reply = (await target.execute(words(line))).toString('latin1');
      assert.doesNotMatch(reply, /^-/, line);
    }
    await target.close();
  }

  kill(): Promise<void> {
    return this.#redis.kill();
  }

  /** At the same place, with what its directory holds. */
  async startAgain(...args: readonly string[]): Promise<void> {
    this.#redis = await startRedis({ after: this.#redis, args });
  }

  async isWell(): Promise<boolean> {
    return (await fetchText(this.node.healthPort, '/readyz')).status === 200;
  }
}

class Scene {
  readonly cluster: TestCluster;
  readonly pairs: readonly Pair[];
  readonly load = new Load();

  constructor(cluster: TestCluster, pairs: readonly Pair[]) {
    this.cluster = cluster;
    this.pairs = pairs;
  }

  async leading(): Promise<Pair> {
    const leader = await this.cluster.leader();
    return this.#of(leader);
  }

  async following(): Promise<Pair> {
    const leader = await this.cluster.leader();
    const found = this.pairs.find(({ node }) => node !== leader);
    assert(found !== undefined);
    return found;
  }

  /** Clients of all nodes go on, and all engines are well. */
  async recovered(): Promise<void> {
    await this.load.progress(this.cluster.nodes, 20);
    await until('all engines are well', wellDeadlineMs, async () => {
      const all = await Promise.all(this.pairs.map((pair) => pair.isWell()));
      return all.every(Boolean);
    });
    await this.load.progress(this.cluster.nodes, 20);
  }

  /** The end: what was told is there, and the same everywhere. */
  async check(): Promise<void> {
    await this.load.stop();
    for (const node of this.cluster.nodes) await this.load.verify(node);
    const targets: Target[] = [];
    for (const { redis } of this.pairs) targets.push(await connectTarget(redis.port));
    let data: string[][] = [];
    await until('they are equal', equalDeadlineMs, async () => {
      data = await Promise.all(targets.map(dataOf));
      return data.every((each) => each.join('\n') === data[0]?.join('\n'));
    }).catch(() => undefined);
    for (const target of targets) await target.close();
    for (const each of data) assert.deepEqual(each, data[0]);
    assert((data[0]?.length ?? 0) > 0);
  }

  #of(node: TestNode): Pair {
    const found = this.pairs.find((pair) => pair.node === node);
    assert(found !== undefined);
    return found;
  }
}

async function scene(t: TestContext, ...args: readonly string[]): Promise<Scene> {
  const servers: RedisServer[] = [];
  for (let id = 1; id <= 3; id += 1) servers.push(await startRedis({ args }));
  const cluster = await prepareCluster(t, {
    environment: { OUTRIGGER_ENGINE: 'redis' },
    environmentOf: (id) => ({
      OUTRIGGER_REDIS_URL: `redis://127.0.0.1:${servers[id - 1]?.port ?? 0}`,
    }),
  });
  const pairs = cluster.nodes.map((node, at) => {
    const redis = servers[at];
    assert(redis !== undefined);
    return new Pair(node, redis);
  });
  t.after(() => Promise.all(pairs.map(({ redis }) => redis.stop())));
  for (const node of cluster.nodes) node.start();
  await cluster.ready();
  const made = new Scene(cluster, pairs);
  for (const node of cluster.nodes) await made.load.join(node);
  await made.load.progress(cluster.nodes, 20);
  return made;
}

/** What may happen to one Redis; it is as it was, or empty, or older, when this is over. */
const accidents: readonly (readonly [name: string, happen: (pair: Pair) => Promise<void>])[] = [
  [
    'is killed and comes back empty',
    async (pair) => {
      await pair.kill();
      await pair.startAgain('--dbfilename', 'none.rdb');
    },
  ],
  [
    'is killed and comes back as it was at its snapshot',
    async (pair) => {
      await pair.run('SAVE');
      await sleep(200);
      await pair.kill();
      await pair.startAgain();
    },
  ],
  ['is flushed by somebody else', (pair) => pair.run('FLUSHALL')],
  ['is written to by somebody else', (pair) => pair.run('SET stranger 1')],
  [
    'stands still for a while',
    async (pair) => {
      process.kill(pair.redis.pid, 'SIGSTOP');
      await sleep(stopMs);
      process.kill(pair.redis.pid, 'SIGCONT');
    },
  ],
  [
    'is told to evict',
    (pair) => pair.run('CONFIG SET maxmemory-policy allkeys-random', 'CONFIG SET maxmemory 1mb'),
  ],
  [
    'is made a replica of another, and a master again',
    async (pair) => {
      await pair.run('REPLICAOF 127.0.0.1 1');
      await sleep(1_500);
      await pair.run('REPLICAOF NO ONE');
    },
  ],
  [
    'gets another password, and none again',
    async (pair) => {
      await pair.run('CONFIG SET requirepass secret', 'CLIENT KILL TYPE normal SKIPME yes');
      await sleep(1_500);
      const target = await connectTarget(pair.redis.port);
      await target.execute(words('AUTH secret'));
      await target.execute([
        Buffer.from('CONFIG'),
        Buffer.from('SET'),
        Buffer.from('requirepass'),
        Buffer.from(''),
      ]);
      await target.close();
    },
  ],
  ['loses its connections', (pair) => pair.run('CLIENT KILL TYPE normal SKIPME yes')],
];

for (const who of ['leading', 'following'] as const) {
  test(
    `whatever happens to the Redis of the ${who} node, clients notice a pause at most`,
    { timeout },
    async (t) => {
      const it = await scene(t);
      for (const [name, happen] of accidents) {
        await t.test(name, async () => {
          it.load.resetLongest();
          await happen(await it[who]());
          await it.recovered();
          t.diagnostic(`${name}: ${Math.round(it.load.longestMs(it.cluster.nodes))} ms`);
        });
      }
      await it.check();
      t.diagnostic(`${it.load.acknowledged} INCRs acknowledged`);
    },
  );
}

test(
  'what happens to the Redis of all nodes at once loses nothing either',
  { timeout },
  async (t) => {
    const it = await scene(t);
    const all = (happen: (pair: Pair) => Promise<void>): Promise<unknown> =>
      Promise.all(it.pairs.map(happen));
    await t.test('all are killed and come back empty', async () => {
      await all((pair) => pair.kill());
      await all((pair) => pair.startAgain('--dbfilename', 'none.rdb'));
      await it.recovered();
    });
    await t.test('all come back as they were at their snapshots', async () => {
      await all((pair) => pair.run('SAVE'));
      await it.load.progress(it.cluster.nodes, 20);
      await all((pair) => pair.kill());
      await all((pair) => pair.startAgain());
      await it.recovered();
    });
    await t.test('all are flushed', async () => {
      await all((pair) => pair.run('FLUSHALL'));
      await it.recovered();
    });
    await it.check();
  },
);

test('append-only files that lost their tails are caught up with', { timeout }, async (t) => {
  const appendOnly = [
    '--appendonly',
    'yes',
    '--appendfsync',
    'everysec',
    '--aof-load-truncated',
    'yes',
  ];
  const it = await scene(t, ...appendOnly);
  for (const pair of it.pairs) {
    await pair.kill();
    const directory = join(pair.redis.directory, 'appendonlydir');
    const file = readdirSync(directory).find((name) => name.endsWith('.incr.aof'));
    assert(file !== undefined);
    const path = join(directory, file);
    truncateSync(path, Math.floor(statSync(path).size / 2));
    await pair.startAgain(...appendOnly);
    await it.recovered();
  }
  await it.check();
});

test('a sidecar that is killed finds its Redis where it left it', { timeout }, async (t) => {
  const it = await scene(t);
  for (let round = 1; round <= 3; round += 1) {
    const { node } = await it.leading();
    it.load.expectLoss(node);
    node.kill('SIGKILL');
    await it.load.progress(it.cluster.others(node), 20);
    await node.restart();
    await it.load.join(node);
    await it.recovered();
  }
  await it.check();
});
