/**
 * Goal: a node that stops leaves nobody in the dark: what was under way is answered, and what is not answered did not run.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { NodeError } from '../src/base/errors.ts';
import { open } from '../src/embedded.ts';
import { nodeDefaults, openNode, type NodeConfig, type OutriggerNode } from '../src/node.ts';
import { freePortBlock } from './support/free-ports.ts';
import { until } from './support/until.ts';

const host = '127.0.0.1';
const deadlineMs = 20_000;

async function configs(count: number): Promise<NodeConfig[]> {
  const offsets = Array.from({ length: count }, (_, place) => place);
  const port = await freePortBlock(offsets);
  const members = offsets.map((offset) => ({ id: offset + 1, host, port: port + offset }));
  return members.map(({ id, port }) => ({
    ...nodeDefaults,
    storage: 'memory',
    nodeId: id,
    members,
    peerPort: port,
    clientPort: 0,
  }));
}

async function startNodes(t: TestContext, count: number): Promise<OutriggerNode[]> {
  const nodes = await Promise.all((await configs(count)).map(openNode));
  t.after(() => Promise.all(nodes.map((node) => node.stop())));
  await until('all know a leader', deadlineMs, () => nodes.every((node) => leaderOf(node) !== 0));
  return nodes;
}

const leaderOf = (node: OutriggerNode): number => node.status().shards[0]?.leader ?? 0;

/** Sends one command at a time, the next behind each reply, until the connection ends. */
class Counter {
  /** What came, as it came. */
  replies = '';
  readonly ended: Promise<void>;
  /** Ends behind the reply that is due. */
  isLast = false;

  constructor(port: number) {
    const socket = connect(port, host).setEncoding('latin1').setNoDelay(true);
    const ask = (): void => {
      socket.write('INCR n\r\n');
    };
    socket.on('connect', ask);
    socket.on('data', (text: string) => {
      this.replies += text;
      if (this.isLast) socket.end();
      else ask();
    });
    // What is written to an end that has closed may be answered by a reset.
    socket.on('error', () => socket.destroy());
    this.ended = new Promise((resolve) => {
      socket.on('close', () => resolve());
    });
  }

  get count(): number {
    return this.replies.split('\r\n').length - 1;
  }
}

async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, host).setEncoding('latin1');
  socket.write(`${command}\r\n`);
  const [reply] = (await once(socket, 'data')) as [string];
  socket.destroy();
  return reply;
}

const portOf = (node: OutriggerNode): number => {
  assert(node.clientPort !== undefined);
  return node.clientPort;
};

for (const who of ['the leader', 'a follower'] as const) {
  test(`${who} that stops answers what it took, and takes nothing it does not answer`, async (t) => {
    const nodes = await startNodes(t, 3);
    const isIt = (node: OutriggerNode): boolean =>
      (leaderOf(node) === node.status().nodeId) === (who === 'the leader');
    const leaving = nodes.find(isIt);
    const staying = nodes.find((node) => node !== leaving);
    assert(leaving !== undefined && staying !== undefined);
    const counters = Array.from({ length: 20 }, () => new Counter(portOf(leaving)));
    const other = new Counter(portOf(staying));
    await until('all count', deadlineMs, () => counters.every(({ count }) => count >= 10));
    await leaving.stop();
    await Promise.all(counters.map(({ ended }) => ended));
    const before = other.count;
    await until('the other goes on', deadlineMs, () => other.count > before + 10);
    other.isLast = true;
    await other.ended;
    let answered = 0;
    for (const { replies, count } of [...counters, other]) {
      assert.match(replies, /^(?::\d+\r\n)+$/u);
      answered += count;
    }
    assert.equal(await ask(portOf(staying), 'INCR n'), `:${answered + 1}\r\n`);
  });
}

test('every call of stop waits for the same end', async (t) => {
  const [node] = await startNodes(t, 1);
  assert(node !== undefined);
  const first = node.stop();
  assert.equal(node.stop(), first);
  await first;
  assert.equal(node.stop(), first);
});

test('a client port in use is the only error, though the cluster forms meanwhile', async (t) => {
  const taken = createServer().listen(0, host);
  await once(taken, 'listening');
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const [first, second] = await configs(2);
  assert(first !== undefined && second !== undefined);
  const one = await openNode(first);
  t.after(() => one.stop());
  const fatal: NodeError[] = [];
  const two = { ...second, clientPort: port, onFatal: (error: NodeError) => fatal.push(error) };
  await assert.rejects(openNode(two), { code: 'config-invalid' });
  assert.deepEqual(fatal, []);
});

test('an embedded node that closes ends what is under way, and takes nothing more', async () => {
  const node = await open({
    storage: 'memory',
    nodeId: 1,
    members: [{ id: 1, host, port: 0 }],
  });
  const puts = Array.from({ length: 100 }, (_, at) => node.put(`key-${at}`, 'value'));
  const closed = node.close();
  await assert.rejects(node.put('late', 'value'), { code: 'closing' });
  await Promise.all(puts);
  await closed;
});
