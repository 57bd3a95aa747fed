/**
 * Goal: with real processes, reads at a follower that is stopped for moments keep what their level says.
 *
 * Method: a register that only ever grows is written through the leader, while a follower is stopped and goes on, again and again. Clients
 * of the follower read it at each level, and each reply is compared with what had been acknowledged when, by the clock of this process.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { namespace } from '../../sidecar/cli/namespace.ts';
import { startCluster, type TestCluster, type TestNode } from '../support/cluster.ts';
import { ErrorReply, RawClient, type Reply } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const token = 'a-token-for-tests';
const boundMs = 100;
const namespaces = JSON.stringify([
  { keys: 'session:*', level: 'session' },
  { keys: 'bounded:*', level: 'bounded', boundMs },
  { keys: 'eventual:*', level: 'eventual' },
]);
const environment = { OUTRIGGER_NAMESPACES: namespaces, OUTRIGGER_ADMIN_TOKEN: token };

/** What a register of each level held when. */
class Registers {
  readonly #client: RawClient;
  readonly #acknowledged: { readonly value: number; readonly atMs: number }[] = [];
  #isStopping = false;
  #run: Promise<void> = Promise.resolve();

  constructor(client: RawClient) {
    this.#client = client;
  }

  start(): void {
    this.#run = this.#write();
    // `stop` hands the error over.
    this.#run.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#run;
  }

  /** The value that was acknowledged at that time. */
  at(ms: number): number {
    return this.#acknowledged.findLast(({ atMs }) => atMs <= ms)?.value ?? 0;
  }

  async #write(): Promise<void> {
    for (let value = 1; !this.#isStopping; value += 1) {
      const keys = ['session:k', 'bounded:k', 'eventual:k'];
      await this.#client.must('MSET', ...keys.flatMap((key) => [key, value]));
      this.#acknowledged.push({ value, atMs: performance.now() });
      await sleep(2);
    }
  }
}

/** Reads each register until `isOver`; answers with how many reads there were. */
async function readAll(
  reader: number,
  node: TestNode,
  registers: Registers,
  isOver: () => boolean,
): Promise<number> {
  const own = `session:own:${reader}`;
  const client = await node.connect();
  let seen = 0;
  let reads = 0;
  for (; !isOver(); reads += 1) {
    await client.must('SET', own, reads);
    const session = Number(await client.must('GET', 'session:k'));
    assert.ok(session >= seen, `a session read ${session} after ${seen}`);
    seen = session;
    assert.equal(Number(await client.must('GET', own)), reads, 'the own write');
    const askedMs = performance.now();
    const bounded = Number(await client.must('GET', 'bounded:k'));
    const due = registers.at(askedMs - boundMs);
    assert.ok(bounded >= due, `a bounded read gave ${bounded}, where ${due} was due`);
    await client.must('GET', 'eventual:k');
    await sleep(1);
  }
  client.close();
  return reads;
}

test(
  'levels keep what they say at a follower that stands still for moments',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t, { environment });
    const leader = await cluster.leader();
    const [follower] = cluster.others(leader) as [TestNode];
    const registers = new Registers(await leader.connect());
    registers.start();
    let isOver = false;
    const reading = [1, 2, 3].map((reader) => readAll(reader, follower, registers, () => isOver));
    for (const pauseMs of [50, 150, 300, 200, 250]) {
      await sleep(300);
      follower.kill('SIGSTOP');
      await sleep(pauseMs);
      follower.kill('SIGCONT');
    }
    await sleep(300);
    isOver = true;
    const counts = await Promise.all(reading);
    await registers.stop();
    t.diagnostic(`${counts.join(' + ')} rounds of reads`);
    for (const count of counts)
      assert.ok(count > 20, `${count} rounds are too few to say anything`);
  },
);

test(
  'eventual and session reads go on at a node that is alone, bounded and strong ones do not',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t, {
      environment: { ...environment, OUTRIGGER_COMMAND_TIMEOUT_MS: '1000' },
    });
    const leader = await cluster.leader();
    const [follower, other] = cluster.others(leader) as [TestNode, TestNode];
    const client = await follower.connect();
    for (const key of ['session:k', 'bounded:k', 'eventual:k', 'strong:k'])
      await client.must('SET', key, 1);
    await until(
      'the follower answers by itself',
      10_000,
      async () => (await client.call('GET', 'eventual:k')) === '1',
    );
    leader.kill('SIGSTOP');
    other.kill('SIGSTOP');
    await sleep(boundMs * 2);
    const replies = await client.pipeline([
      ['GET', 'session:k'],
      ['GET', 'eventual:k'],
      ['GET', 'bounded:k'],
      ['GET', 'strong:k'],
    ]);
    leader.kill('SIGCONT');
    other.kill('SIGCONT');
    assert.deepEqual(replies.slice(0, 2), ['1', '1']);
    for (const reply of replies.slice(2)) assert.match(String(reply), /^-CLUSTERDOWN/);
  },
);

/** Runs `outrigger namespace` against a node; what it prints. */
async function command(node: TestNode, ...words: readonly string[]): Promise<string> {
  let printed = '';
  await namespace([...words, '--admin', `127.0.0.1:${node.adminPort}`], {
    environment: { OUTRIGGER_ADMIN_TOKEN: token },
    out: (text) => (printed += text),
  });
  return printed;
}

test(
  'a namespace that is set through one node counts on the others, and after a restart of all',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t, { environment: { OUTRIGGER_ADMIN_TOKEN: token } });
    const listsOn = (nodes: TestCluster['nodes']): Promise<readonly string[]> =>
      Promise.all(nodes.map((node) => command(node, 'list', '--json')));
    // A node that answers a command knows the table.
    await cluster.node(2).ask('GET', 'k');
    await command(cluster.node(2), 'set', 'cart:*', '--level', 'bounded', '--bound-ms', '250');
    const expected = [{ keys: 'cart:*', level: 'bounded', boundMs: 250 }];
    const isEverywhere = async (): Promise<boolean> =>
      (await listsOn(cluster.nodes)).every(
        (list) => list === `${JSON.stringify(expected, undefined, 2)}\n`,
      );
    await until('all nodes have it', 10_000, isEverywhere);
    for (const node of cluster.nodes) node.kill('SIGKILL');
    for (const node of cluster.nodes) await node.ended;
    for (const node of cluster.nodes) node.start();
    await cluster.ready();
    await until('all nodes have it again', 10_000, isEverywhere);
  },
);

/** Repeats a command until it gets something else than an error that says that it did not happen. */
async function insist(client: RawClient, ...args: readonly (string | number)[]): Promise<Reply> {
  for (;;) {
    const reply = await client.call(...args);
    if (!(reply instanceof ErrorReply)) return reply;
    assert.match(reply.text, /^(TRYAGAIN|CLUSTERDOWN)/);
    await sleep(5);
  }
}

/** Sets, reads and deletes a key of its own until `isOver`; answers how often. */
async function useKey(node: TestNode, isOver: () => boolean): Promise<number> {
  const client = await node.connect();
  const key = `moving:${node.id}`;
  let value = 0;
  for (; !isOver(); value += 1) {
    await insist(client, 'SET', key, value);
    assert.equal(await insist(client, 'GET', key), String(value), `${key} is where it was set`);
    assert.equal(await insist(client, 'DEL', key), 1, `${key} is there until it is deleted`);
    // Most of the time there is no key, so that a change has a chance.
    await sleep(60);
  }
  client.close();
  return value;
}

test(
  'keys that change between an upstream and the cluster under load are never lost sight of, through members and a proxy',
  { timeout: 120_000 },
  async (t) => {
    const redis = await startRedis();
    t.after(() => redis.stop());
    const upstream = `redis://127.0.0.1:${redis.port}`;
    const cluster = await startCluster(t, {
      proxies: 1,
      environment: { OUTRIGGER_ADMIN_TOKEN: token, OUTRIGGER_COMMAND_TIMEOUT_MS: '1000' },
    });
    const all = [...cluster.nodes, ...cluster.proxies];
    for (const node of all) await node.ask('GET', 'k');
    let isOver = false;
    const using = all.map((node) => useKey(node, () => isOver));
    const levels = [['off', '--upstream', upstream], ['strong'], ['off', '--upstream', upstream]];
    let refusals = 0;
    for (const [at, level] of levels.entries()) {
      await until(`change ${at}`, 30_000, async () => {
        try {
          const node = all[at % all.length] ?? cluster.node(1);
          await command(node, 'set', 'moving:*', '--level', ...level);
          return true;
        } catch (error) {
          assert.match(String(error), /has keys of moving|try again/);
          refusals += 1;
          return false;
        }
      });
      await sleep(300);
    }
    isOver = true;
    const counts = await Promise.all(using);
    t.diagnostic(`${counts.join(' + ')} rounds, ${refusals} changes refused`);
    for (const count of counts) assert.ok(count > 5, `${count} rounds are too few`);
    for (const node of all) await node.ask('SET', `moving:${node.id}`, 1);
    const direct = await RawClient.connect(redis.port);
    assert.equal(await direct.must('DBSIZE'), all.length, 'in the end they are in the upstream');
    direct.close();
  },
);
