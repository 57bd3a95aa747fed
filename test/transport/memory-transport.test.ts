import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/random.ts';
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory-transport.ts';
import type { Transport } from '../../src/transport/transport.ts';
import {
  one,
  TestNode,
  transportContract,
  two,
  type TransportHarness,
} from '../contract/transport.ts';
import { machineSystem } from '../../src/system.ts';
import { ManualTimers } from './support.ts';

function memoryHarness(network: MemoryNetwork): TransportHarness {
  const transports: Transport[] = [];
  return {
    async start({ id, members, secret }, events): Promise<Transport> {
      const random = seededRandom(id);
      const options = { self: id, peers: members, secret, network, random };
      const transport = new MemoryTransport(options);
      transports.push(transport);
      await transport.start(events);
      return transport;
    },
    addressOf: () => ({ host: '', port: 0 }),
    breakConnections: (first, second) => network.disconnect(first, second),
    stall: (from, to, lane) => network.cut(from, to, lane),
    release: (from, to) => network.heal(from, to),
    async close(): Promise<void> {
      for (const transport of transports) await transport.close();
    },
  };
}

transportContract('the memory transport', () =>
  Promise.resolve(memoryHarness(new MemoryNetwork({ timers: machineSystem(0).timers }))),
);

/** Lets everything happen that is due without time passing. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
};

async function connectedPair(
  delayMs?: () => number,
): Promise<{ timers: ManualTimers; network: MemoryNetwork; first: TestNode; second: TestNode }> {
  const timers = new ManualTimers();
  const network = new MemoryNetwork(delayMs === undefined ? { timers } : { timers, delayMs });
  const harness = memoryHarness(network);
  const first = await new TestNode(one).start(harness, { members: [one, two] });
  const second = await new TestNode(two).start(harness, { members: [one, two] });
  await settle();
  timers.advance(100);
  await settle();
  assert.equal(first.connections.length, 2);
  return { timers, network, first, second };
}

test('a one-way cut stops one direction and not the other', async () => {
  const { network, first, second } = await connectedPair();
  network.cut(one, two);
  first.transport.send(two, 'data', 1, []);
  second.transport.send(one, 'data', 2, []);
  await settle();
  assert.equal(second.frames.length, 0);
  assert.equal(first.frames.length, 1);
});

test('what was sent into a cut arrives late, in order, once it is healed', async () => {
  const { network, first, second } = await connectedPair();
  network.cut(one, two);
  for (const kind of [1, 2, 3]) first.transport.send(two, 'data', kind, []);
  await settle();
  network.heal(one, two);
  first.transport.send(two, 'data', 4, []);
  await settle();
  assert.deepEqual(
    second.frames.map(({ kind }) => kind),
    [1, 2, 3, 4],
  );
});

test('a connection on which something waits for ten seconds breaks and loses it', async () => {
  const { timers, network, first, second } = await connectedPair();
  network.cut(one, two);
  first.transport.send(two, 'data', 1, []);
  await settle();
  timers.advance(9999);
  assert(first.transport.isConnected(two, 'data'));
  timers.advance(1);
  assert(!first.transport.isConnected(two, 'data'));
  assert(!second.transport.isConnected(one, 'data'));
  timers.advance(5000);
  await settle();
  assert(!first.transport.isConnected(two, 'data'), 'a cut route connects nobody');
  network.healAll();
  timers.advance(1000);
  await settle();
  assert(first.transport.isConnected(two, 'data'));
  assert.equal(second.frames.length, 0);
});

test('frames that travel for different times stay in order', async () => {
  const delays = [1, 1, 30, 10, 20];
  const { timers, first, second } = await connectedPair(() => delays.shift() ?? 1);
  for (const kind of [1, 2, 3]) first.transport.send(two, 'data', kind, []);
  timers.advance(29);
  assert.equal(second.frames.length, 0);
  timers.advance(1);
  assert.deepEqual(
    second.frames.map(({ kind }) => kind),
    [1, 2, 3],
  );
});
