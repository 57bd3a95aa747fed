/**
 * What strangers and broken peers can do to a peer port: be disconnected.
 *
 * Each test keeps an honest peer beside the hostile ones and ends with a frame of its, so that "unharmed" is shown.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { createTcpTransport, type TcpTransportLimits } from '../../src/transport/tcp-transport.ts';
import { DiallerHandshake, ownKinds, refusalFrame } from '../../src/transport/handshake.ts';
import { frameHeader, preamble } from '../../src/transport/frame.ts';
import { one, TestNode, two } from '../contract/transport.ts';
import { frameBytes, RawPeer } from './raw-peer.ts';
import { KeptLog, ManualTimers } from './support.ts';
import { tcpOptions } from './tcp-harness.ts';

const timeout = 30_000;
const secret = 'known to honest nodes';

interface Scene {
  readonly node: TestNode;
  readonly timers: ManualTimers;
  readonly log: KeptLog;
  /** The control lane of an honest node 2. */
  readonly honest: RawPeer;
  readonly stranger: () => Promise<RawPeer>;
  /** Node 2's data lane, made by the handshake. */
  readonly data: () => Promise<RawPeer>;
}

function scene(
  title: string,
  body: (scene: Scene) => Promise<void>,
  limits: Partial<TcpTransportLimits> = {},
): void {
  test(title, { timeout }, async () => {
    const node = new TestNode(one);
    const timers = new ManualTimers();
    const log = new KeptLog();
    const transport = createTcpTransport(
      tcpOptions({ self: one, secret, timers, logger: log, limits }),
    );
    await transport.start(node);
    const { port } = transport.address()!;
    const opened: RawPeer[] = [];
    const open = (): RawPeer => {
      const peer = new RawPeer(port);
      opened.push(peer);
      return peer;
    };
    const hello = new TestNode(two).hello();
    const honest = await open().enter({ hello, to: one, lane: 'control', secret });
    const stranger = (): Promise<RawPeer> => open().connected();
    const data = (): Promise<RawPeer> => open().enter({ hello, to: one, lane: 'data', secret });
    try {
      await body({ node, timers, log, honest, stranger, data });
      const { length } = node.frames;
      honest.say(frameBytes(9, Buffer.from('still here')));
      await node.until(() => node.frames.length > length);
      assert.deepEqual(node.refusals, [], 'no stranger can refuse this node');
    } finally {
      for (const peer of opened) peer.socket.destroy();
      await transport.close();
    }
  });
}

scene('random bytes are closed at once', async ({ stranger, log }) => {
  for (let count = 0; count < 20; count += 1) {
    const peer = await stranger();
    peer.say(randomBytes(2000));
    await peer.closed;
    assert.deepEqual(peer.frames, []);
  }
  await log.until(/^warn refused a connection that is no peer .*bytes that no node sends/);
  assert(log.lines.filter((line) => line.startsWith('warn')).length <= 5, 'the log is not flooded');
});

scene('HTTP and RESP get no answer', async ({ stranger }) => {
  for (const words of ['GET / HTTP/1.1\r\n\r\n', '*1\r\n$4\r\nPING\r\n']) {
    const peer = await stranger();
    peer.say(Buffer.from(words));
    await peer.closed;
    assert.equal(peer.socket.bytesRead, 0);
  }
});

scene('a stranger who announces four gigabytes is closed', async ({ stranger, log }) => {
  const peer = await stranger();
  peer.say(preamble(), frameHeader(ownKinds.hello, [], 2 ** 32 - 1));
  await peer.closed;
  await log.until(/a frame of 4294967295 bytes/);
});

scene('a stranger may not announce more than a handshake needs', async ({ stranger }) => {
  const peer = await stranger();
  peer.say(preamble(), frameHeader(ownKinds.hello, [], 70_000));
  await peer.closed;
});

scene('silence, and half a frame, are closed after five seconds', async ({ stranger, timers }) => {
  const peers = [await stranger(), await stranger(), await stranger()];
  peers[1]!.say(preamble());
  peers[2]!.say(preamble(), frameHeader(ownKinds.hello, [], 5000), Buffer.alloc(100));
  await new Promise(setImmediate);
  timers.advance(4900);
  await new Promise(setImmediate);
  assert(peers.every((peer) => !peer.isClosed));
  timers.advance(200);
  await Promise.all(peers.map((peer) => peer.closed));
});

scene('a hello without a proof is closed after five seconds', async ({ stranger, timers }) => {
  const peer = await stranger();
  const handshake = new DiallerHandshake({
    secret,
    lane: 'data',
    expected: one,
    hello: () => new TestNode(two).hello(),
    verify: () => undefined,
    randomBytes,
  });
  peer.say(preamble(), frameBytes(ownKinds.hello, handshake.open()[0]!.payload));
  await peer.frame(ownKinds.answer);
  timers.advance(5100);
  await peer.closed;
});

scene(
  'of too many silent connections the oldest are closed, and a peer still gets in',
  async ({ stranger, data }) => {
    const peers: RawPeer[] = [];
    for (let count = 0; count < 60; count += 1) peers.push(await stranger());
    await Promise.all(peers.slice(0, 44).map((peer) => peer.closed));
    await data();
    await peers[44]!.closed;
    assert(peers.slice(45).every((peer) => !peer.isClosed));
  },
  { unverifiedConnectionsMax: 16 },
);

scene('a thousand silent connections do no harm', async ({ stranger, data }) => {
  let closedCount = 0;
  const peers: RawPeer[] = [];
  const allButTheBound = new Promise<void>((resolve) => {
    const count = (): void => {
      closedCount += 1;
      if (closedCount === 744) resolve();
    };
    for (let each = 0; each < 1000; each += 1) {
      const opening = stranger().then((peer) => {
        peers.push(peer);
        return peer.closed;
      });
      void opening.then(count);
    }
  });
  await allButTheBound;
  await data();
  assert(closedCount <= 745);
});

scene('another version is told so', async ({ stranger }) => {
  const peer = await stranger();
  const other = preamble();
  other.writeUInt16BE(9, 6);
  peer.say(other);
  const { payload } = await peer.frame(ownKinds.refusal);
  assert.match(Buffer.from(payload).toString(), /version 9 meets version 2/);
  await peer.closed;
});

scene('a fatal refusal from a stranger is logged and nothing else', async ({ stranger, log }) => {
  const peer = await stranger();
  const { kind, payload } = refusalFrame({ kind: 'fatal', reason: 'stop at once' });
  peer.say(preamble(), frameBytes(kind, payload));
  await peer.closed;
  await log.until(/^warn refused by a dialling peer .*stop at once/);
});

scene('a wrong secret is refused with the reason', async ({ stranger, log }) => {
  const peer = await stranger();
  const handshake = new DiallerHandshake({
    secret: 'guessed',
    lane: 'data',
    expected: one,
    hello: () => new TestNode(two).hello(),
    verify: () => undefined,
    randomBytes,
  });
  peer.say(preamble(), frameBytes(ownKinds.hello, handshake.open()[0]!.payload));
  await peer.frame(ownKinds.answer);
  peer.say(frameBytes(ownKinds.proof, randomBytes(32)));
  const { payload } = await peer.frame(ownKinds.refusal);
  assert.match(Buffer.from(payload).toString(), /clusterSecret does not match/);
  await peer.closed;
  await log.until(/^warn refused a peer whose clusterSecret is not ours/);
});

const damaged = frameBytes(1, Buffer.from('payload'));
damaged[12] = 0;
for (const [name, bytes, pattern] of [
  ['a damaged frame', damaged, /checksum is wrong/],
  ['a frame above the bound', frameHeader(1, [], 2 ** 32 - 1), /a frame of 4294967295 bytes/],
  ['a second hello', frameBytes(ownKinds.hello, Buffer.alloc(0)), /kind 240 after the handshake/],
] as const) {
  scene(`${name} of a peer closes its lane with a warning that names it`, async (at) => {
    const peer = await at.data();
    peer.say(frameBytes(3, Buffer.from('good')), bytes, frameBytes(4, Buffer.from('after')));
    await peer.closed;
    await at.node.until(() => at.node.connections.includes('-2 data'));
    assert.deepEqual(
      at.node.of('data').map(({ kind }) => kind),
      [3],
    );
    await at.log.until(/^warn connection closed: the peer sent garbage {"peer":2,"lane":"data"/);
    await at.log.until(pattern);
  });
}

scene('a gigabyte that is announced and never sent costs nothing', async ({ data }) => {
  const peer = await data();
  const before = process.memoryUsage().arrayBuffers;
  peer.say(frameHeader(1, [], 1024 ** 3), Buffer.alloc(1000));
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert(process.memoryUsage().arrayBuffers - before < 10 * 1024 ** 2);
  assert(!peer.isClosed);
});

test(
  'a control lane that says nothing for ten seconds takes both lanes with it',
  { timeout },
  async () => {
    const node = new TestNode(one);
    const timers = new ManualTimers();
    const transport = createTcpTransport(tcpOptions({ self: one, timers }));
    await transport.start(node);
    const { port } = transport.address()!;
    const hello = new TestNode(two).hello();
    const control = await new RawPeer(port).enter({ hello, to: one, lane: 'control' });
    const data = await new RawPeer(port).enter({ hello, to: one, lane: 'data' });
    timers.advance(9000);
    await control.frame(ownKinds.ping);
    control.say(frameBytes(ownKinds.ping, Buffer.alloc(0)), frameBytes(1, Buffer.alloc(0)));
    await node.until(() => node.frames.length === 1);
    timers.advance(9000);
    await new Promise(setImmediate);
    assert.equal(node.connections.length, 2, 'nine quiet ticks are not enough');
    timers.advance(1000);
    await Promise.all([control.closed, data.closed]);
    await node.until(() => node.connections.length === 4);
    await transport.close();
  },
);

test(
  'whoever sits at a configured address cannot stop a node that has proved nothing to it',
  { timeout },
  async () => {
    const { kind, payload } = refusalFrame({ kind: 'fatal', reason: 'stop at once' });
    const impostor = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.resume();
      socket.end(Buffer.concat([preamble(), frameBytes(kind, payload)]));
    });
    await new Promise<void>((resolve) => {
      impostor.listen(0, '127.0.0.1', resolve);
    });
    const address = impostor.address();
    assert(typeof address === 'object' && address !== null);
    const node = new TestNode(two);
    const peers = new Map([[one, { host: '127.0.0.1', port: address.port }]]);
    const transport = createTcpTransport(tcpOptions({ self: two, peers }));
    await transport.start(node);
    await node.until(() => node.refusals.length > 2);
    assert(node.refusals.every(({ refusal }) => refusal.kind === 'later'));
    assert.equal(node.refusals[0]!.refusal.reason, 'stop at once');
    await transport.close();
    await new Promise((resolve) => {
      impostor.close(resolve);
    });
  },
);
