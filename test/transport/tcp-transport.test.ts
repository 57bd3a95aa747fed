import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { mock, test } from 'node:test';
import { NodeError } from '../../src/base/errors.ts';
import { nodeId, type NodeId } from '../../src/base/ids.ts';
import { createTcpTransport, type TcpTransport } from '../../src/transport/tcp-transport.ts';
import { one, TestNode, three, transportContract, two } from '../contract/transport.ts';
import { RawPeer } from './raw-peer.ts';
import { tcpHarness, tcpOptions, type TcpOptions } from './tcp-harness.ts';

transportContract('the TCP transport', () => tcpHarness([one, two, three, nodeId(9)]));

const timeout = 30_000;

/** Runs `body` with a started node, 1 if nothing else is said; closes it, and what it was told to close, at the end. */
async function withNode(
  options: Partial<TcpOptions>,
  body: (node: TestNode, transport: TcpTransport, port: number) => Promise<void>,
): Promise<void> {
  const self = options.self ?? one;
  const node = new TestNode(self);
  const transport = createTcpTransport(tcpOptions({ ...options, self }));
  await transport.start(node);
  try {
    await body(node, transport, transport.address()!.port);
  } finally {
    await transport.close();
  }
}

const enter = (port: number, lane: 'control' | 'data', incarnation = 1): Promise<RawPeer> => {
  const node = new TestNode(two);
  node.incarnation = incarnation;
  return new RawPeer(port).enter({ hello: node.hello(), to: one, lane });
};

test('what is sent in one turn leaves in one write a lane', { timeout }, async () => {
  await withNode({}, async (_node, transport, port) => {
    const peer = await enter(port, 'data');
    const prototype = Socket.prototype as unknown as Record<'_write' | '_writev', () => void>;
    const writes = [mock.method(prototype, '_write'), mock.method(prototype, '_writev')];
    const large = Buffer.alloc(50_000);
    for (let count = 0; count < 100; count += 1) transport.send(two, 'data', 5, [Buffer.from('a')]);
    transport.send(two, 'data', 6, [Buffer.from('head'), large, Buffer.from('tail')]);
    transport.send(two, 'data', 7, []);
    await peer.frame(7);
    const count = writes.reduce((sum, spy) => sum + spy.mock.callCount(), 0);
    mock.restoreAll();
    assert.equal(count, 1);
    assert.equal(peer.frames.filter(({ kind }) => kind === 5).length, 100);
    peer.socket.destroy();
  });
});

test(
  'a queue takes frames until it is at its bound, and the last of them may be large',
  { timeout },
  async () => {
    await withNode({ limits: { dataQueueBytesMax: 1000 } }, async (_node, transport, port) => {
      const peer = await enter(port, 'data');
      const large = Buffer.alloc(5000);
      assert(transport.send(two, 'data', 1, [large]));
      assert(!transport.send(two, 'data', 2, [large]));
      assert(!transport.send(two, 'data', 2, []));
      assert.equal(transport.queuedBytes(two, 'data'), 5009);
      await peer.frame(1);
      while (transport.queuedBytes(two, 'data') > 0) await new Promise(setImmediate);
      assert(transport.send(two, 'data', 3, [Buffer.alloc(600)]));
      assert(transport.send(two, 'data', 4, [large]));
      assert(!transport.send(two, 'data', 5, [Buffer.alloc(1)]));
      await peer.frame(4);
      peer.socket.destroy();
    });
  },
);

test('a frame larger than peers take is refused, and the lane goes on', { timeout }, async () => {
  await withNode({ limits: { frameBytesMax: 5000 } }, async (_node, transport, port) => {
    const peer = await enter(port, 'data');
    assert(!transport.send(two, 'data', 1, [Buffer.alloc(5001)]));
    assert(transport.send(two, 'data', 2, [Buffer.alloc(5000)]));
    await peer.frame(2);
    peer.socket.destroy();
  });
});

test('another life of a peer ends both lanes of the earlier one', { timeout }, async () => {
  await withNode({}, async (node, transport, port) => {
    const earlier = [await enter(port, 'control'), await enter(port, 'data')];
    const later = await enter(port, 'control', 2);
    await Promise.all(earlier.map((peer) => peer.closed));
    assert.deepEqual(node.connections, [
      '+2 control',
      '+2 data',
      '-2 control',
      '-2 data',
      '+2 control',
    ]);
    assert(transport.send(two, 'control', 1, []));
    await later.frame(1);
    later.socket.destroy();
  });
});

test('a lane of the same life replaces that lane only', { timeout }, async () => {
  await withNode({}, async (node, _transport, port) => {
    const control = await enter(port, 'control');
    const data = await enter(port, 'data');
    const again = await enter(port, 'data');
    await data.closed;
    assert.deepEqual(node.connections.slice(2), ['-2 data', '+2 data']);
    assert(!control.isClosed);
    control.socket.destroy();
    again.socket.destroy();
  });
});

const refuses = async (options: Partial<TcpOptions>, pattern: RegExp): Promise<void> => {
  const transport = createTcpTransport(tcpOptions({ self: one, ...options }));
  await assert.rejects(transport.start(new TestNode(one)), (error) => {
    assert(error instanceof NodeError && error.code === 'config-invalid');
    assert.match(error.message, pattern);
    return true;
  });
  await transport.close();
};

test('without a secret only a loopback address is listened on', { timeout }, async () => {
  const wide = { host: '0.0.0.0', port: 0 };
  await refuses({ listen: wide }, /^peer address 0\.0\.0\.0:0 .*set the same clusterSecret/);
  await refuses({ listen: wide, secret: '' }, /clusterSecret/);
  await withNode({ listen: wide, secret: 's' }, () => Promise.resolve());
  await withNode({ listen: { host: 'localhost', port: 0 } }, () => Promise.resolve());
});

test('a port in use is said in one line with what to do', { timeout }, async () => {
  await withNode({}, async (_node, _transport, port) => {
    const listen = { host: '127.0.0.1', port };
    await refuses(
      { listen },
      new RegExp(`^cannot listen for peers on 127.0.0.1:${port}: .*in use`),
    );
  });
});

test(
  'a node that another one sits at the address of is told, and goes on',
  { timeout },
  async () => {
    await withNode({}, async (_node, _transport, port) => {
      const dialler = new TestNode(three);
      const peers = new Map<NodeId, { host: string; port: number }>([
        [two, { host: '127.0.0.1', port }],
      ]);
      const transport = createTcpTransport(tcpOptions({ self: three, peers }));
      await transport.start(dialler);
      await dialler.until(() => dialler.refusals.length > 1);
      const { peer, refusal } = dialler.refusals[0]!;
      assert.equal(peer, two);
      assert.equal(refusal.kind, 'later');
      assert.match(refusal.reason, /the address of node 2, is node 1: check the addresses/);
      await transport.close();
    });
  },
);

test(
  'a node that does not listen dials peers of any id, and needs no secret',
  { timeout },
  async () => {
    await withNode({ self: three }, async (node, _transport, port) => {
      const peers = new Map([[three, { host: '127.0.0.1', port }]]);
      for (const self of [two, nodeId(2 ** 31)]) {
        const caller = new TestNode(self);
        const transport = createTcpTransport(tcpOptions({ self, peers, listen: undefined }));
        await transport.start(caller);
        assert.equal(transport.address(), undefined);
        await caller.until(() => transport.isConnected(three, 'data'));
        await caller.until(() => transport.isConnected(three, 'control'));
        assert(transport.send(three, 'data', 5, []));
        await node.until(() => node.frames.some(({ peer }) => peer === self));
        await transport.close();
      }
    });
  },
);

test('close while start is still listening leaves no listener behind', { timeout }, async () => {
  const transport = createTcpTransport(tcpOptions({ self: one }));
  const started = transport.start(new TestNode(one));
  await transport.close();
  await started;
  assert.equal(transport.address(), undefined);
});
