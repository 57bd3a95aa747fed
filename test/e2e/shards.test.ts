/**
 * Goal: 1 and 16 shards, on 3 and 5 nodes, are the same Redis to a client: any node takes any command, for one key, for
 * keys of many shards and for all keys; and the death or the planned stop of a node costs others no error.
 *
 * Method: one cluster for each combination. What is written through one node is read through the next; then load that
 * accounts for every effect runs while a leader is killed, and while a node is asked to stop.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCluster, type TestCluster, type TestNode } from '../support/cluster.ts';
import { killLeaderAgainAndAgain } from '../support/kill-leader.ts';
import { Load } from '../support/load.ts';
import { ErrorReply, type RawClient } from '../support/raw-client.ts';

const keysInScan = 5_000;

for (const { nodes, shards } of [
  { nodes: 3, shards: 1 },
  { nodes: 3, shards: 16 },
  { nodes: 5, shards: 1 },
  { nodes: 5, shards: 16 },
]) {
  test(`${nodes} nodes with shards: ${shards} are one Redis`, { timeout: 120_000 }, async (t) => {
    const cluster = await startCluster(t, { nodes, shards });
    const clients = await Promise.all(cluster.nodes.map((node) => node.connect()));
    await t.test('what one node is told, the next one knows', () => tellAndAsk(clients));
    await t.test('commands for several keys reach all shards', () => severalKeys(clients, shards));
    await t.test('SCAN, KEYS and DBSIZE see every key once or more', () => allKeys(clients));
    await t.test('a session’s own writes and reads keep their order', () => inOrder(clients));
    for (const client of clients) client.close();
    await t.test('a killed leader costs others a pause', async (t) => {
      const load = new Load({ sharedKeys: shards * 2 });
      await killLeaderAgainAndAgain({
        cluster,
        load,
        rounds: 1,
        note: (text) => t.diagnostic(text),
      });
    });
    await t.test('a planned stop costs others no error', async (t) => {
      t.diagnostic(`longest pause: ${await stopGracefully(cluster)} ms`);
    });
  });
}

async function tellAndAsk(clients: readonly RawClient[]): Promise<void> {
  for (const [at, client] of clients.entries()) {
    const next = nextOf(clients, at);
    for (let each = 0; each < 40; each += 1) {
      const key = `tell:${at}:${each}`;
      assert.equal(await client.call('SET', key, each), 'OK');
      assert.equal(await next.call('GET', key), String(each));
      assert.equal(await next.call('INCRBY', key, 100), each + 100);
      assert.equal(await client.call('APPEND', key, 'x'), String(each + 100).length + 1);
      assert.equal(await next.call('GETDEL', key), `${each + 100}x`);
      assert.equal(await client.call('EXISTS', key), 0);
    }
    assert.equal(await client.call('SELECT', 3), 'OK');
    assert.equal(await client.call('SET', 'in three', at), 'OK');
    assert.equal(await next.call('GET', 'in three'), null);
    assert.equal(await client.call('DEL', 'in three'), 1);
    assert.equal(await client.call('SELECT', 0), 'OK');
  }
}

async function severalKeys(clients: readonly RawClient[], shards: number): Promise<void> {
  const keys = Array.from({ length: 100 }, (_, at) => `several:${at}`);
  for (const [at, client] of clients.entries()) {
    const next = nextOf(clients, at);
    const pairs = keys.flatMap((key) => [key, `${key}=${at}`]);
    assert.equal(await client.call('MSET', ...pairs), 'OK');
    const values = await next.call('MGET', ...keys, 'none');
    assert.deepEqual(values, [...keys.map((key) => `${key}=${at}`), null]);
    assert.equal(await next.call('EXISTS', ...keys, 'none', keys[0] ?? ''), 101);
    assert.equal(await next.call('DEL', ...keys, 'none'), 100);
    assert.equal(await client.call('DBSIZE'), 0);
    await renames(client, shards);
    assert.equal(await next.call('FLUSHALL'), 'OK');
  }
}

/** Two keys may be anywhere, unless their tag says that they belong together. */
async function renames(client: RawClient, shards: number): Promise<void> {
  let crossed = 0;
  for (let at = 0; at < 40; at += 1) {
    assert.equal(await client.call('SET', 'rename', 'value'), 'OK');
    const reply = await client.call('RENAME', 'rename', `renamed:${at}`);
    const isCrossed = reply instanceof ErrorReply && reply.text.startsWith('CROSSSLOT ');
    assert(isCrossed || reply === 'OK', String(reply));
    assert.equal(await client.call('EXISTS', `renamed:${at}`), isCrossed ? 0 : 1);
    if (isCrossed) crossed += 1;
    assert.equal(await client.call('SET', `{tag:${at}}:a`, 'value'), 'OK');
    assert.equal(await client.call('RENAME', `{tag:${at}}:a`, `{tag:${at}}:b`), 'OK');
  }
  assert(shards === 1 ? crossed === 0 : crossed > 10, `${crossed} of 40 crossed`);
}

async function allKeys(clients: readonly RawClient[]): Promise<void> {
  const keys = Array.from({ length: keysInScan }, (_, at) => `scan:${at}`);
  const [first] = clients as [RawClient];
  const replies = await first.pipeline(keys.map((key) => ['SET', key, 'v']));
  assert(replies.every((reply) => reply === 'OK'));
  const sorted = keys.toSorted();
  for (const client of clients) {
    assert.equal(await client.call('DBSIZE'), keysInScan);
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const reply = await client.must('SCAN', cursor, 'COUNT', 200);
      const [next, some] = reply as [string, readonly string[]];
      for (const key of some) seen.add(key);
      cursor = next;
    } while (cursor !== '0');
    assert.deepEqual([...seen].toSorted(), sorted);
    const matching = (await client.call('KEYS', 'scan:12?')) as readonly string[];
    assert.equal(matching.length, 10);
    assert.match(String(await client.call('RANDOMKEY')), /^scan:\d+$/);
  }
  assert.equal(await first.call('FLUSHALL'), 'OK');
  for (const client of clients) assert.equal(await client.call('DBSIZE'), 0);
}

/** Pipelined commands of one connection see each other, whichever shards and leaders they pass. */
async function inOrder(clients: readonly RawClient[]): Promise<void> {
  const rounds = clients.map(async (client, at) => {
    for (let round = 0; round < 10; round += 1) {
      const commands: string[][] = [];
      const expected: unknown[] = [];
      for (let each = 0; each < 30; each += 1) {
        const key = `order:${at}:${each}`;
        const value = `${round}-${each}`;
        commands.push(
          ['SET', key, value],
          ['GET', key],
          ['MGET', key, `order:${at}:0`],
          ['DEL', key],
        );
        expected.push('OK', value, [value, each === 0 ? value : null], 1);
      }
      assert.deepEqual(await client.pipeline(commands), expected);
    }
  });
  await Promise.all(rounds);
}

/** SIGTERM to the leader of shard 0 under load; the longest time that a client of another node waited, in ms. */
async function stopGracefully(cluster: TestCluster): Promise<number> {
  const load = new Load({ sharedKeys: cluster.shards * 2 });
  for (const node of cluster.nodes) await node.ask('FLUSHALL');
  for (const node of cluster.nodes) await load.join(node);
  await load.progress(cluster.nodes, 10);
  const leader: TestNode = await cluster.leader();
  const others = cluster.others(leader);
  load.resetLongest();
  load.expectLoss(leader);
  leader.kill('SIGTERM');
  assert.deepEqual(await leader.ended, { code: 0, signal: null });
  await load.progress(others, 20);
  const longestMs = Math.round(load.longestMs(others));
  await leader.restart();
  await load.join(leader);
  await load.progress(cluster.nodes, 5);
  await load.stop();
  // The node that stopped answered all that it had taken.
  for (const node of cluster.nodes) await load.verify(node, { ranUnanswered: false });
  return longestMs;
}

function nextOf(clients: readonly RawClient[], at: number): RawClient {
  const next = clients[(at + 1) % clients.length];
  assert(next !== undefined);
  return next;
}
