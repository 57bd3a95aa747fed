/**
 * Goal: clients of a proxy notice nothing but a pause, whichever member dies; a proxy may come first, go at any time, and is told in one
 * line what is wrong with it. Real processes, real client libraries.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { prepareCluster, startCluster, type Ending, type TestCluster } from '../support/cluster.ts';
import { Load } from '../support/load.ts';
import { within } from '../support/until.ts';

/** What a client of a proxy waits at most, from the kill to the reply. */
const pauseMsMax = 2_000;
const deadlineMs = 20_000;

test(
  'a killed leader, and any other killed member, costs clients of proxies a pause and no error; every INCR counts once',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t, { proxies: 2 });
    const load = new Load();
    const pausesMs: number[] = [];
    try {
      for (const proxy of cluster.proxies) await load.join(proxy);
      await load.progress(cluster.proxies, 20);
      for (const victimOf of [leaderOf, leaderOf, followerOf, leaderOf]) {
        const victim = await victimOf(cluster);
        load.resetLongest();
        victim.kill('SIGKILL');
        await load.progress(cluster.proxies, 30);
        pausesMs.push(Math.round(load.longestMs(cluster.proxies)));
        await victim.restart();
        await load.progress(cluster.proxies, 10);
      }
    } finally {
      await load.stop();
      t.diagnostic(`longest pauses of clients of proxies: ${pausesMs.join(', ')} ms`);
    }
    t.diagnostic(`${load.acknowledged} INCRs acknowledged`);
    for (const node of [...cluster.nodes, ...cluster.proxies]) await load.verify(node);
    assert.equal(load.inDoubt, 0);
    assert.ok(Math.max(...pausesMs) < pauseMsMax, 'writes flow again soon');
  },
);

const leaderOf = (cluster: TestCluster): ReturnType<TestCluster['leader']> => cluster.leader();

async function followerOf(cluster: TestCluster): ReturnType<TestCluster['leader']> {
  const [follower] = cluster.others(await cluster.leader());
  assert.ok(follower !== undefined);
  return follower;
}

test(
  'a proxy that is started before the members serves once they are there, to an unchanged client',
  { timeout: 60_000 },
  async (t) => {
    const cluster = await prepareCluster(t, { proxies: 1, shards: 4 });
    const [proxy] = cluster.proxies;
    assert.ok(proxy !== undefined);
    proxy.start();
    await sleep(1_500);
    for (const node of cluster.nodes) node.start();
    await proxy.serving();
    const client = new Redis({ port: proxy.clientPort, host: '127.0.0.1' });
    try {
      for (let at = 1; at <= 20; at++) assert.equal(await client.incr(`key:${at}`), 1);
      const keys = Array.from({ length: 20 }, (_, at) => `key:${at + 1}`);
      assert.deepEqual(await client.mget(keys), Array<string>(20).fill('1'));
      const info = await client.info('outrigger');
      assert.match(info, /^outrigger_role:proxy\r$/m);
      assert.equal([...info.matchAll(/^shard\d:role=none,/gm)].length, 4);
    } finally {
      client.disconnect();
    }
    assert.equal(await cluster.node(1).ask('GET', 'key:7'), '1');
  },
);

test(
  'a stopped or killed proxy changes nothing for anybody else, and may come back at once',
  { timeout: 60_000 },
  async (t) => {
    const cluster = await startCluster(t, { proxies: 2 });
    const [one, other] = cluster.proxies;
    assert.ok(one !== undefined && other !== undefined);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      assert.equal(await one.ask('SET', 'k', signal), 'OK');
      one.kill(signal);
      const ending: Ending = await within('its end', deadlineMs, one.ended);
      assert.equal(ending.code, signal === 'SIGTERM' ? 0 : null);
      assert.equal(await other.ask('GET', 'k'), signal);
      await one.restart();
      assert.equal(await one.ask('GET', 'k'), signal);
    }
  },
);

test(
  'a proxy that is configured wrongly gives up with one line that says why; the cluster goes on',
  { timeout: 60_000 },
  async (t) => {
    const environment = { OUTRIGGER_CLUSTER_SECRET: 'the secret of all' };
    const cluster = await prepareCluster(t, { proxies: 2, environment });
    for (const node of cluster.nodes) node.start();
    await cluster.ready(cluster.nodes);
    const [stranger, twin] = cluster.proxies;
    assert.ok(stranger !== undefined && twin !== undefined);
    stranger.environment = { OUTRIGGER_CLUSTER_SECRET: 'another secret' };
    stranger.start();
    const ended = await within('its end', deadlineMs, stranger.ended);
    assert.equal(ended.code, 1);
    assert.match(stranger.stderr, /^outrigger: clusterSecret of this node does not match.*\n$/);
    twin.start({ 'node-id': '2' });
    await within('its end', deadlineMs, twin.ended);
    assert.match(twin.stderr, /^outrigger: members \(--members\) lists node 2, but role.*\n$/);
    assert.equal(await cluster.node(1).ask('SET', 'k', 'v'), 'OK');
  },
);
