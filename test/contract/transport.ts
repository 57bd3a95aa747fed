/**
 * What every transport does, whatever carries its frames. A harness says how a network is made, broken and stalled.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterId, memberId, nodeId, type NodeId } from '../../src/base/ids.ts';
import { seededRandom, randomInteger } from '../../src/base/random.ts';
import type {
  Address,
  Hello,
  Lane,
  Refusal,
  Transport,
  TransportEvents,
} from '../../src/transport/transport.ts';

export interface NodeOptions {
  readonly id: NodeId;
  /** All nodes that this one is configured with, itself included. */
  readonly members: readonly NodeId[];
  readonly secret?: string;
}

export interface TransportHarness {
  /** Makes a transport and starts it; a later one under the same id takes its address over. */
  start(options: NodeOptions, events: TransportEvents): Promise<Transport>;
  /** Where a node is to be found, whether it runs or not. */
  addressOf(node: NodeId): Address;
  /** Breaks every connection between two nodes. */
  breakConnections(one: NodeId, other: NodeId): void;
  /** What `from` sends to `to` on the lane does not arrive until `release`. */
  stall(from: NodeId, to: NodeId, lane: Lane): void;
  release(from: NodeId, to: NodeId, lane: Lane): void;
  close(): Promise<void>;
}

export interface Received {
  readonly peer: NodeId;
  readonly lane: Lane;
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** A node that notes all events, and lets a test wait until they satisfy it. */
export class TestNode implements TransportEvents {
  readonly id: NodeId;
  readonly frames: Received[] = [];
  readonly refusals: { readonly peer: NodeId | undefined; readonly refusal: Refusal }[] = [];
  /** Such as "+1 data" and "-1 data". */
  readonly connections: string[] = [];
  readonly hellos: Hello[] = [];
  incarnation = 1;
  judge: (peer: Hello) => Refusal | undefined = () => undefined;
  eventCount = 0;
  readonly #waiters: Set<() => void> = new Set();
  #transport: Transport | undefined;

  constructor(id: NodeId) {
    this.id = id;
  }

  get transport(): Transport {
    assert(this.#transport, 'the node has been started');
    return this.#transport;
  }

  async start(
    harness: TransportHarness,
    options: { members: readonly NodeId[]; secret?: string },
  ): Promise<this> {
    this.#transport = await harness.start({ id: this.id, ...options }, this);
    return this;
  }

  /** Resolves as soon as the condition holds, now or after an event. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        this.#waiters.delete(check);
        resolve();
      };
      this.#waiters.add(check);
      check();
    });
  }

  /** Resolves once both lanes of all these peers are connected. */
  meets(...peers: readonly NodeId[]): Promise<void> {
    return this.until(() =>
      peers.every(
        (peer) =>
          this.transport.isConnected(peer, 'control') && this.transport.isConnected(peer, 'data'),
      ),
    );
  }

  of(lane: Lane): Received[] {
    return this.frames.filter((frame) => frame.lane === lane);
  }

  hello(): Hello {
    return {
      nodeId: this.id,
      memberId: memberId(this.id.toString(16).padStart(16, '0')),
      incarnation: this.incarnation,
      clusterId: clusterId('c'.repeat(32)),
      greeting: `{"from":${this.id}}`,
    };
  }

  verify(peer: Hello): Refusal | undefined {
    return this.judge(peer);
  }

  onConnected(peer: NodeId, lane: Lane, hello: Hello): void {
    this.hellos.push(hello);
    this.connections.push(`+${peer} ${lane}`);
    this.#changed();
  }

  onDisconnected(peer: NodeId, lane: Lane): void {
    this.connections.push(`-${peer} ${lane}`);
    this.#changed();
  }

  onFrame(peer: NodeId, lane: Lane, kind: number, payload: Uint8Array): void {
    this.frames.push({ peer, lane, kind, payload });
    this.#changed();
  }

  onRefused(peer: NodeId | undefined, refusal: Refusal): void {
    this.refusals.push({ peer, refusal });
    this.#changed();
  }

  #changed(): void {
    this.eventCount += 1;
    for (const waiter of this.#waiters) waiter();
  }
}

export const one: NodeId = nodeId(1);
export const two: NodeId = nodeId(2);
export const three: NodeId = nodeId(3);
const members = [one, two, three];
const timeout = 30_000;

const text = (payload: Uint8Array): string => Buffer.from(payload).toString();
const bytes = (value: string): Uint8Array => Buffer.from(value);

export function transportContract(name: string, make: () => Promise<TransportHarness>): void {
  /** Runs `body` with a fresh harness that is closed at the end. */
  const check = (title: string, body: (harness: TransportHarness) => Promise<void>): void => {
    test(title, { timeout }, async () => {
      const harness = await make();
      try {
        await body(harness);
      } finally {
        await harness.close();
      }
    });
  };
  const pair = async (harness: TransportHarness): Promise<[TestNode, TestNode]> => {
    const first = await new TestNode(one).start(harness, { members });
    const second = await new TestNode(two).start(harness, { members });
    await Promise.all([first.meets(two), second.meets(one)]);
    return [first, second];
  };

  describe(`${name} keeps the contract of a transport`, () => {
    frameContract(check, pair);
    breakContract(check, pair);
    refusalContract(check);
    secretContract(check);
  });
}

type Check = (title: string, body: (harness: TransportHarness) => Promise<void>) => void;
type Pair = (harness: TransportHarness) => Promise<[TestNode, TestNode]>;

function frameContract(check: Check, pair: Pair): void {
  check('both ends of both lanes learn the other side by its hello', async (harness) => {
    const [first, second] = await pair(harness);
    assert.deepEqual([...first.connections].sort(), ['+2 control', '+2 data']);
    assert.deepEqual([...second.connections].sort(), ['+1 control', '+1 data']);
    assert.deepEqual(first.hellos, [second.hello(), second.hello()]);
    assert.deepEqual(second.hellos, [first.hello(), first.hello()]);
  });

  check(
    'a peer that is added later is met as if it had been there from the start',
    async (harness) => {
      const first = await new TestNode(one).start(harness, { members: [one] });
      const second = await new TestNode(two).start(harness, { members: [two] });
      const peers = new Map([one, two].map((node) => [node, harness.addressOf(node)]));
      for (const node of [first, second]) node.transport.addPeers(peers);
      await Promise.all([first.meets(two), second.meets(one)]);
      second.transport.addPeers(peers);
      assert(second.transport.send(one, 'data', 1, []));
      await first.until(() => first.frames.length === 1);
      assert.deepEqual([...first.connections].sort(), ['+2 control', '+2 data'], 'and only once');
    },
  );

  check('frames of a lane arrive whole, in order, and are never overwritten', async (harness) => {
    const seed = 20_260_401;
    const random = seededRandom(seed);
    const [first, second] = await pair(harness);
    const sent: string[] = [];
    for (let turn = 0; turn < 40; turn += 1) {
      for (let count = randomInteger(random, 0, 30); count > 0; count -= 1) {
        const size = randomInteger(random, 0, 10) === 0 ? randomInteger(random, 0, 200_000) : 300;
        const parts = [`${sent.length} `, 'x'.repeat(randomInteger(random, 0, size)), '.'];
        const kind = randomInteger(random, 0, 239);
        assert(second.transport.send(one, 'data', kind, parts.map(bytes)));
        sent.push(`${kind} ${parts.join('')}`);
      }
      await new Promise(setImmediate);
    }
    await first.until(() => first.frames.length === sent.length);
    const received = first.frames.map(({ kind, payload }) => `${kind} ${text(payload)}`);
    assert(
      received.every((frame, at) => frame === sent[at]),
      `seed ${seed}`,
    );
    assert(first.frames.every(({ peer, lane }) => peer === two && lane === 'data'));
  });

  check('frames flow in both directions of a lane, empty ones too', async (harness) => {
    const [first, second] = await pair(harness);
    assert(first.transport.send(two, 'control', 0, []));
    assert(second.transport.send(one, 'control', 239, [bytes('b')]));
    await Promise.all([
      first.until(() => first.frames.length === 1),
      second.until(() => second.frames.length === 1),
    ]);
    assert.equal(second.frames[0]?.payload.length, 0);
    assert.equal(first.frames[0]?.kind, 239);
  });

  check(
    'nothing is sent inside send, and no frame comes before send has returned',
    async (harness) => {
      const [first, second] = await pair(harness);
      first.transport.send(two, 'data', 1, [bytes('a')]);
      assert.equal(second.frames.length, 0);
      assert(first.transport.queuedBytes(two, 'data') > 0);
      await second.until(() => second.frames.length === 1);
    },
  );

  check('a frame to a peer that is not connected is refused', async (harness) => {
    const first = await new TestNode(one).start(harness, { members });
    assert.equal(first.transport.send(two, 'control', 1, [bytes('a')]), false);
    assert.equal(first.transport.isConnected(two, 'control'), false);
    assert.equal(first.transport.queuedBytes(two, 'control'), 0);
    assert.equal(first.transport.send(nodeId(77), 'data', 1, []), false);
  });

  check('a frame of 20 MB arrives as it was sent', async (harness) => {
    const [first, second] = await pair(harness);
    const large = Buffer.alloc(20 * 1024 ** 2);
    for (let at = 0; at < large.length; at += 4096) large.writeUInt32BE(at, at);
    assert(first.transport.send(two, 'data', 7, [bytes('head'), large, bytes('tail')]));
    assert(first.transport.send(two, 'data', 8, [bytes('next')]));
    await second.until(() => second.frames.length === 2);
    const payload = Buffer.from(second.frames[0]!.payload);
    assert.equal(payload.length, large.length + 8);
    assert(payload.subarray(4, -4).equals(large));
    assert.equal(text(payload.subarray(0, 4)) + text(payload.subarray(-4)), 'headtail');
    assert.equal(text(second.frames[1]!.payload), 'next');
  });

  check('a stuck data lane is bounded and does not delay control', async (harness) => {
    const [first, second] = await pair(harness);
    harness.stall(one, two, 'data');
    const part = Buffer.alloc(1024 ** 2);
    let sent = 0;
    while (first.transport.send(two, 'data', 1, [Buffer.from([sent]), part])) {
      sent += 1;
      assert(sent < 200, 'the queue has a bound');
      await new Promise(setImmediate);
    }
    assert(sent > 30);
    assert(first.transport.send(two, 'control', 2, [bytes('beat')]));
    await second.until(() => second.of('control').length === 1);
    assert.equal(second.of('data').length, 0);
    harness.release(one, two, 'data');
    await second.until(() => second.of('data').length === sent);
    assert(second.of('data').every(({ payload }, at) => payload[0] === at));
    assert.equal(first.transport.queuedBytes(two, 'data'), 0);
  });
}

function breakContract(check: Check, pair: Pair): void {
  check('after a break both lanes come back and carry frames again', async (harness) => {
    const [first, second] = await pair(harness);
    for (let round = 1; round <= 3; round += 1) {
      harness.breakConnections(one, two);
      const isBack = (node: TestNode): boolean => node.connections.length === 2 + 4 * round;
      await Promise.all([first.until(() => isBack(first)), second.until(() => isBack(second))]);
      assert(first.transport.send(two, 'data', round, []));
      await second.until(() => second.frames.length === round);
    }
    for (const lane of ['control', 'data']) {
      const story = first.connections.filter((event) => event.endsWith(lane));
      assert.deepEqual(story.map((event) => event[0]).join(''), '+-+-+-+');
    }
  });

  check('a peer that starts anew takes the place of its earlier life', async (harness) => {
    const [first, second] = await pair(harness);
    await second.transport.close();
    await first.until(() => first.connections.length === 4);
    const reborn = new TestNode(two);
    reborn.incarnation = 2;
    await reborn.start(harness, { members });
    await Promise.all([first.meets(two), reborn.meets(one)]);
    assert.deepEqual(
      first.hellos.map(({ incarnation }) => incarnation),
      [1, 1, 2, 2],
    );
    assert(reborn.transport.send(one, 'data', 1, [bytes('anew')]));
    await first.until(() => first.frames.length === 1);
    assert.equal(second.frames.length, 0);
  });

  check('a node that is dialled may start anew as well', async (harness) => {
    const [first, second] = await pair(harness);
    await first.transport.close();
    await second.until(() => second.connections.length === 4);
    const reborn = await new TestNode(one).start(harness, { members });
    await Promise.all([second.meets(one), reborn.meets(two)]);
  });

  check('after close no event is called, and the peer sees the lanes end', async (harness) => {
    const [first, second] = await pair(harness);
    first.transport.send(two, 'data', 1, [bytes('a')]);
    second.transport.send(one, 'data', 1, [bytes('b')]);
    const eventCount = first.eventCount;
    await first.transport.close();
    await second.until(() => second.connections.length === 4);
    assert.equal(first.eventCount, eventCount);
    assert.equal(first.transport.isConnected(two, 'data'), false);
    assert.equal(first.transport.send(two, 'data', 1, []), false);
    await first.transport.close();
  });

  check('close may be called inside an event', async (harness) => {
    const [first, second] = await pair(harness);
    let closing: Promise<void> | undefined;
    const closed = first.until(() => {
      if (first.frames.length > 0) closing ??= first.transport.close();
      return closing !== undefined;
    });
    for (let count = 0; count < 5; count += 1) second.transport.send(one, 'data', 1, []);
    await closed;
    await closing;
    await second.until(() => second.connections.length === 4);
    assert.equal(first.frames.length, 1);
  });
}

function refusalContract(check: Check): void {
  for (const kind of ['fatal', 'later'] as const) {
    for (const [judge, judged] of [
      [one, two],
      [two, one],
    ] as const) {
      const title = `node ${judged} is told when node ${judge} refuses it with '${kind}'`;
      check(title, async (harness) => {
        const nodes = [new TestNode(one), new TestNode(two)] as const;
        const strict = nodes[judge - 1]!;
        const refused = nodes[judged - 1]!;
        let isStrict = true;
        const reason = 'node 2 is wiped: replace it';
        strict.judge = (peer) => {
          assert.equal(peer.nodeId, judged);
          return isStrict ? { kind, reason } : undefined;
        };
        for (const node of nodes) await node.start(harness, { members });
        await refused.until(() => refused.refusals.length > 0);
        assert.deepEqual(refused.refusals[0], { peer: judge, refusal: { kind, reason } });
        assert.deepEqual([...nodes[0].connections, ...nodes[1].connections], []);
        assert.deepEqual(strict.refusals, []);
        isStrict = false;
        await Promise.all([strict.meets(judged), refused.meets(judge)]);
      });
    }
  }

  check('a node that is not configured is judged by its hello', async (harness) => {
    const first = new TestNode(one);
    const stranger = new TestNode(nodeId(9));
    const seen: Hello[] = [];
    first.judge = (peer) => {
      seen.push(peer);
      return undefined;
    };
    await first.start(harness, { members });
    await stranger.start(harness, { members: [one, nodeId(9)] });
    await Promise.all([first.meets(nodeId(9)), stranger.meets(one)]);
    assert.deepEqual(seen[0], stranger.hello());
    assert(first.transport.send(nodeId(9), 'data', 1, [bytes('hi')]));
    await stranger.until(() => stranger.frames.length === 1);
  });
}

function secretContract(check: Check): void {
  for (const wrong of [one, two, three]) {
    check(
      `node ${wrong}, the only one with another secret, is the one that must stop`,
      async (harness) => {
        const nodes = members.map((id) => new TestNode(id));
        for (const node of nodes) {
          await node.start(harness, { members, secret: node.id === wrong ? 'other' : 'shared' });
        }
        const outvoted = nodes.find(({ id }) => id === wrong)!;
        const others = nodes.filter(({ id }) => id !== wrong);
        const kindsAt = (node: TestNode): string[] =>
          node.refusals.map(({ refusal }) => refusal.kind);
        await outvoted.until(() => kindsAt(outvoted).includes('fatal'));
        const fatal = outvoted.refusals.find(({ refusal }) => refusal.kind === 'fatal')!;
        assert.match(fatal.refusal.reason, /clusterSecret/);
        assert.deepEqual(outvoted.connections, []);
        await others[0]!.meets(others[1]!.id);
        await others[1]!.meets(others[0]!.id);
        for (const node of others) assert(!kindsAt(node).includes('fatal'));
      },
    );
  }

  check(
    'of two nodes of three, none knows which secret is wrong, and none stops',
    async (harness) => {
      const first = await new TestNode(one).start(harness, { members, secret: 'a' });
      const second = await new TestNode(two).start(harness, { members, secret: 'b' });
      await Promise.all([
        first.until(() => first.refusals.length >= 2),
        second.until(() => second.refusals.length >= 2),
      ]);
      const kinds = [...first.refusals, ...second.refusals].map(({ refusal }) => refusal.kind);
      assert.deepEqual([...new Set(kinds)], ['later']);
      assert.deepEqual([...first.connections, ...second.connections], []);
    },
  );
}
