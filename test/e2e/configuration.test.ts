/**
 * Goal: a sidecar that cannot run as configured says in one line what is wrong, where, and what to do, and exits with code 1.
 *
 * Method: real processes with one thing wrong each. Standard error must hold that line and nothing else, and a cluster
 * that was running beside goes on running.
 */

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { prepareCluster, startCluster, type TestNode } from '../support/cluster.ts';
import { until, within } from '../support/until.ts';

const exitDeadlineMs = 20_000;

/** Waits for the process to end by itself, with code 1 and one line that fits all patterns. */
async function givesUp(node: TestNode, ...patterns: readonly RegExp[]): Promise<void> {
  const { code, signal } = await within(`the end of node ${node.id}`, exitDeadlineMs, node.ended);
  assert.match(node.stderr, /^outrigger: [^\n]+\n$/, 'one line on standard error');
  for (const pattern of patterns) assert.match(node.stderr, pattern);
  assert.deepEqual({ code, signal }, { code: 1, signal: null });
}

/** A node of its own, of a cluster of one unless its settings say otherwise. */
async function single(t: TestContext): Promise<TestNode> {
  const cluster = await prepareCluster(t, { nodes: 1 });
  return cluster.node(1);
}

test('an unknown key in the file is named with the file and the key that was meant', async (t) => {
  const cluster = await prepareCluster(t, { nodes: 1 });
  const node = cluster.node(1);
  const file = join(cluster.directory, 'outrigger.yaml');
  writeFileSync(file, 'nodeId: 1\nhartbeatMs: 50\n');
  node.flags = [`--config=${file}`];
  node.start();
  await givesUp(node, /"?hartbeatMs"?/, /outrigger\.yaml/, /did you mean heartbeatMs/);
});

test('an unknown environment variable is named', async (t) => {
  const node = await single(t);
  node.environment = { OUTRIGGER_HARTBEAT_MS: '50' };
  node.start();
  await givesUp(node, /OUTRIGGER_HARTBEAT_MS/, /did you mean OUTRIGGER_HEARTBEAT_MS/);
});

test('an unknown flag is named', async (t) => {
  const node = await single(t);
  node.flags = ['--hartbeat-ms=50'];
  node.start();
  await givesUp(node, /--hartbeat-ms/, /did you mean --heartbeat-ms/);
});

test('a value that is none is named with its place and what is expected', async (t) => {
  const node = await single(t);
  node.start({ shards: 'many' });
  await givesUp(node, /shards/, /--shards/, /many/, /1 to 64/);
});

test('a member list without this node is named', async (t) => {
  const node = await single(t);
  node.start({ members: '2=127.0.0.1:1,3=127.0.0.1:2' });
  await givesUp(node, /members/, /2, 3/, /nodeId/);
});

for (const name of ['client', 'peer', 'admin', 'health'] as const) {
  test(`a ${name} port that is in use is named`, async (t) => {
    const node = await single(t);
    const port = node[`${name}Port`];
    const other = createServer();
    other.listen(port, '127.0.0.1');
    await once(other, 'listening');
    t.after(() => other.close());
    node.start();
    await givesUp(node, new RegExp(`${port}`), /in use/, /choose|change|free|stop/);
  });
}

test('a data directory that cannot be made is named', async (t) => {
  const cluster = await prepareCluster(t, { nodes: 1 });
  const node = cluster.node(1);
  const file = join(cluster.directory, 'file');
  writeFileSync(file, '');
  node.start({ 'data-directory': join(file, 'below') });
  await givesUp(node, /file\/below/, /directory/);
});

test('a data directory that is damaged is named', async (t) => {
  const cluster = await prepareCluster(t, { nodes: 1 });
  const node = cluster.node(1);
  const log = join(node.dataDirectory, 'log');
  mkdirSync(log, { recursive: true });
  writeFileSync(join(log, 'CURRENT'), 'not what belongs here\n');
  node.start();
  await givesUp(node, new RegExp(node.dataDirectory));
});

test('a data directory that another process uses is named', async (t) => {
  const cluster = await startCluster(t, { nodes: 1 });
  const other = await single(t);
  other.start({ 'data-directory': cluster.node(1).dataDirectory });
  await givesUp(other, new RegExp(cluster.node(1).dataDirectory), /process/);
  assert.equal(await cluster.node(1).ask('PING'), 'PONG');
});

test('a data directory of another node is named', async (t) => {
  const cluster = await startCluster(t);
  const [first, second] = cluster.nodes as [TestNode, TestNode];
  second.kill('SIGKILL');
  first.kill('SIGKILL');
  await Promise.all([first.ended, second.ended]);
  second.start({ 'data-directory': first.dataDirectory });
  await givesUp(second, new RegExp(first.dataDirectory), /node 1/);
});

test('an empty directory is refused where the cluster exists', async (t) => {
  const node = await single(t);
  node.start({ bootstrap: 'existing' });
  await givesUp(node, /bootstrap/, new RegExp(node.dataDirectory));
});

test('another number of shards than the cluster was formed with is refused', async (t) => {
  const cluster = await startCluster(t, { nodes: 1, shards: 2 });
  const node = cluster.node(1);
  node.kill('SIGTERM');
  await node.ended;
  node.start({ shards: '4' });
  await givesUp(node, /shards is 4/, /set shards to 2/);
});

test('a node with a wrong secret gives up, and the others go on without it', async (t) => {
  const environment = { OUTRIGGER_CLUSTER_SECRET: 'the secret of all' };
  const cluster = await startCluster(t, { environment });
  const stranger = cluster.node(3);
  stranger.kill('SIGKILL');
  await stranger.ended;
  stranger.environment = { OUTRIGGER_CLUSTER_SECRET: 'another secret' };
  stranger.start();
  await givesUp(stranger, /clusterSecret/);
  assert.doesNotMatch(stranger.report(), /another secret/);
  assert.equal(await cluster.node(1).ask('SET', 'a', 1), 'OK');
});

test('of three new nodes, one with a wrong secret gives up by itself', async (t) => {
  const cluster = await prepareCluster(t);
  for (const node of cluster.nodes) {
    const secret = node.id === 2 ? 'another secret' : 'the secret of all';
    node.environment = { OUTRIGGER_CLUSTER_SECRET: secret };
    node.start();
  }
  await givesUp(cluster.node(2), /clusterSecret/);
  assert(cluster.node(1).isRunning && cluster.node(3).isRunning);
});

test('a wiped member is refused, and the others go on without it', async (t) => {
  const cluster = await startCluster(t);
  const wiped = cluster.node(2);
  assert.equal(await wiped.ask('SET', 'a', 1), 'OK');
  wiped.kill('SIGKILL');
  await wiped.ended;
  rmSync(wiped.dataDirectory, { recursive: true });
  wiped.start();
  await givesUp(wiped, /node 2/, /wiped/, /put the directory back|replace/);
  assert.equal(await cluster.node(1).ask('INCR', 'a'), 2);
});

test('two wiped members never form a cluster beside the one that has the data', async (t) => {
  const cluster = await startCluster(t);
  assert.equal(await cluster.node(3).ask('SET', 'a', 1), 'OK');
  const wiped = [cluster.node(1), cluster.node(2)];
  for (const node of wiped) node.kill('SIGKILL');
  for (const node of wiped) {
    await node.ended;
    rmSync(node.dataDirectory, { recursive: true });
  }
  for (const node of wiped) node.start();
  for (const node of wiped) await givesUp(node, /wiped/);
  assert(cluster.node(3).isRunning);
});

test('two new nodes that disagree about the shards both give up', async (t) => {
  const cluster = await prepareCluster(t, { nodes: 2 });
  cluster.node(1).start({ shards: '1' });
  cluster.node(2).start({ shards: '4' });
  for (const node of cluster.nodes)
    await givesUp(node, /shards/, /node 1/, /node 2/, /same configuration/);
});

test('two new nodes that disagree about the members both give up', async (t) => {
  const cluster = await prepareCluster(t, { nodes: 2 });
  const [first, second] = cluster.nodes as [TestNode, TestNode];
  first.start();
  const both = [first, second].map(({ id, peerPort }) => `${id}=127.0.0.1:${peerPort}`);
  second.start({ members: [...both, `3=127.0.0.1:${second.healthPort + 1}`].join(',') });
  for (const node of cluster.nodes) await givesUp(node, /members/, /same configuration/);
});

test('help and version are no errors', async (t) => {
  const node = await single(t);
  node.flags = ['--help'];
  node.start();
  await until('it has ended', exitDeadlineMs, () => !node.isRunning);
  assert.equal(node.stderr, '');
  assert.deepEqual(await node.ended, { code: 0, signal: null });
});
