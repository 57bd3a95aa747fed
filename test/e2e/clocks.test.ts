/**
 * Goal: nodes whose clocks differ by a minute keep time together: nothing expires early, nothing lives much longer than it
 * should, and nothing comes back, whoever leads and whoever is asked.
 *
 * Method: OUTRIGGER_CLOCK_OFFSET_MS shifts the nodes' wall clocks. Deadlines are measured on this process's monotonic
 * clock, from the moment before a command was sent. Leaders are killed, or asked to stop, so that wrong clocks get to lead;
 * in the end all nodes start again with their offsets exchanged.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, type TestCluster, type TestNode } from '../support/cluster.ts';
import { until } from '../support/until.ts';

/** No majority agrees here, so nobody can say what time it is; but all can say how much of it passes. */
const apart: readonly number[] = [60_000, 0, -60_000];
/** One clock is wrong, and the others agree. */
const oneWrong: readonly number[] = [60_000, 0, 0];
/** Rounding to whole ms, on both sides, and what the two clocks may have drifted apart. */
const earlyMs = 20;
/** How much too long a key may live: what a new leader missed of the last one's time, on a busy machine. */
const lateMs = 1_500;
const idleMs = 3_000;
const changes = ['SIGKILL', 'SIGTERM'] as const;

type Environment = Readonly<Record<string, string>>;

const offsetOf =
  (offsetsMs: readonly number[]) =>
  (id: number): Environment => ({ OUTRIGGER_CLOCK_OFFSET_MS: String(offsetsMs[id - 1]) });

/** A key with a deadline, on this process's clock: somewhere between the two. */
interface Deadline {
  readonly key: string;
  readonly earliestMs: number;
  readonly latestMs: number;
}

async function setWithDeadline(node: TestNode, key: string, ttlMs: number): Promise<Deadline> {
  const sentMs = performance.now();
  assert.equal(await node.ask('SET', key, 'value', 'PX', ttlMs), 'OK');
  return { key, earliestMs: sentMs + ttlMs, latestMs: performance.now() + ttlMs };
}

/** What is left of the key, through every node, is what this process's clock says. */
async function checkLeft(
  nodes: readonly TestNode[],
  { key, earliestMs, latestMs }: Deadline,
  uncountedMs: number,
): Promise<void> {
  for (const node of nodes) {
    const sentMs = performance.now();
    const left = Number(await node.ask('PTTL', key));
    const receivedMs = performance.now();
    const least = Math.round(earliestMs - receivedMs - earlyMs);
    const most = Math.round(latestMs - sentMs + uncountedMs + lateMs);
    const says = `node ${node.id} says ${left} ms are left of ${key}`;
    assert(left >= least, `${says}, which is less than ${least}`);
    assert(left <= most, `${says}, which is more than ${most}`);
  }
}

/** Ends the leader and waits for the next; the ended one comes back afterwards. */
async function changeLeader(
  cluster: TestCluster,
  signal: (typeof changes)[number],
  meanwhile: (rest: readonly TestNode[]) => Promise<void>,
): Promise<TestNode> {
  const leader = await cluster.leader();
  const rest = cluster.others(leader);
  leader.kill(signal);
  await leader.ended;
  await cluster.leader(rest);
  await meanwhile(rest);
  await leader.restart();
  return leader;
}

/** Kills all nodes and starts them with other offsets; resolves with how long nobody counted, in ms. */
async function exchangeClocks(cluster: TestCluster, offsetsMs: readonly number[]): Promise<number> {
  const killedMs = performance.now();
  for (const node of cluster.nodes) node.kill('SIGKILL');
  await Promise.all(cluster.nodes.map((node) => node.ended));
  for (const node of cluster.nodes) {
    node.environment = offsetOf(offsetsMs)(node.id);
    node.start();
  }
  await cluster.ready();
  return performance.now() - killedMs;
}

for (const { name, offsetsMs } of [
  { name: 'that are all a minute apart', offsetsMs: apart },
  { name: 'of which one is a minute ahead', offsetsMs: oneWrong },
]) {
  const title = `deadlines hold across changes of leader between clocks ${name}`;
  test(title, { timeout: 90_000 }, async (t) => {
    const cluster = await startCluster(t, { environmentOf: offsetOf(offsetsMs) });
    const deadlines = await Promise.all(
      cluster.nodes.map((node) => setWithDeadline(node, `from:${node.id}`, 60_000)),
    );
    const check = async (nodes: readonly TestNode[], uncountedMs = 0): Promise<void> => {
      for (const deadline of deadlines) await checkLeft(nodes, deadline, uncountedMs);
    };
    await check(cluster.nodes);
    for (const signal of changes) {
      // Nothing is written meanwhile: the last entry's time is long past when the leader ends.
      await sleep(idleMs);
      await changeLeader(cluster, signal, check);
      await check(cluster.nodes);
    }
    deadlines.push(await setWithDeadline(cluster.node(1), 'last', 40_000));
    const downMs = await exchangeClocks(cluster, offsetsMs.toReversed());
    await check(cluster.nodes, offsetsMs === apart ? downMs : 0);
  });
}

test('a lock is never had by two at a time', { timeout: 90_000 }, async (t) => {
  const cluster = await startCluster(t, { environmentOf: offsetOf(apart) });
  const ttlMs = 1_200;
  const holds: { readonly token: string; readonly sentMs: number; readonly gotMs: number }[] = [];
  const over = new AbortController();
  const contend = async (node: TestNode): Promise<void> => {
    const { pid } = node;
    const client = await node.connect();
    for (let turn = 1; !over.signal.aborted; turn += 1) {
      const token = `${pid}-${turn}`;
      const sentMs = performance.now();
      const [reply] = await client.pipeline([['SET', 'lock', token, 'NX', 'PX', ttlMs]]);
      // The node was ended by the test; what it had sent may have happened.
      if (reply === undefined) return;
      if (reply === 'OK') holds.push({ token, sentMs, gotMs: performance.now() });
      else assert.equal(reply, null, `at node ${node.id}`);
      await sleep(15);
    }
    client.close();
  };
  const contenders = cluster.nodes.map(contend);
  const changesHands = async (): Promise<void> => {
    const before = holds.length;
    await until('the lock changes hands', 20_000, () => holds.length > before + 1);
  };
  await changesHands();
  for (const signal of changes) {
    const back = await changeLeader(cluster, signal, changesHands);
    contenders.push(contend(back));
  }
  await changesHands();
  over.abort();
  await Promise.all(contenders);
  t.diagnostic(`the lock was had ${holds.length} times`);
  for (const [at, { token, sentMs }] of holds.entries()) {
    const next = holds[at + 1];
    if (next === undefined) break;
    const afterMs = Math.round(next.gotMs - sentMs);
    const says = `${next.token} got the lock ${afterMs} ms after ${token} had asked for it`;
    assert(afterMs >= ttlMs - earlyMs, says);
  }
});

test('a key that was seen to be gone stays gone on all nodes', { timeout: 90_000 }, async (t) => {
  const cluster = await startCluster(t, { environmentOf: offsetOf(apart) });
  const deadlines: Deadline[] = [];
  for (let at = 0; at < 30; at += 1) {
    const node = cluster.node((at % 3) + 1);
    deadlines.push(await setWithDeadline(node, `short:${at}`, 300 + at * 250));
  }
  const gone = new Set<string>();
  const look = async (nodes: readonly TestNode[]): Promise<void> => {
    for (const node of nodes) {
      const client = await node.connect();
      const before = new Set(gone);
      const replies = await client.pipeline(deadlines.map(({ key }) => ['GET', key]));
      client.close();
      const answeredMs = performance.now();
      for (const [at, { key, earliestMs }] of deadlines.entries()) {
        const isGone = replies[at] === null;
        assert(isGone || !before.has(key), `${key} came back on node ${node.id}`);
        assert(!isGone || answeredMs >= earliestMs - earlyMs, `${key} is gone early`);
        if (isGone) gone.add(key);
      }
    }
  };
  for (const signal of changes) {
    await changeLeader(cluster, signal, look);
    await look(cluster.nodes);
  }
  await exchangeClocks(cluster, apart.toReversed());
  assert(gone.size > 0, 'some expired before all nodes were started again');
  await until('all have expired', 30_000, async () => {
    await look(cluster.nodes);
    return gone.size === deadlines.length;
  });
});
