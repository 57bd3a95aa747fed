/**
 * Reads below strong through nodes without a replica.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupId, metaGroup, nodeId, shardId, type GroupId } from '../../src/base/ids.ts';
import type { Submission } from '../../src/cluster/cluster.ts';
import { decodeReadAnswerFrame, frameKind } from '../../src/cluster/frames.ts';
import {
  decodeNearRead,
  encodeNearRead,
  NearReads,
  nearReadOf,
  type NearReadFrame,
} from '../../src/cluster/near-reads.ts';
import type { Call } from '../support/virtual-calls.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { VirtualProxy } from '../support/virtual-proxy.ts';

const group = groupId(1);
const peer = nodeId(9);

class Scene {
  readonly submitted: Submission[] = [];
  readonly sent: { readonly place: number; readonly replies: number | undefined; index: number }[] =
    [];
  laneBytes = Infinity;
  queuedBytes = 0;
  hasRoom = true;
  readonly reads = new NearReads({
    transport: {
      queuedBytes: () => this.queuedBytes,
      send: (to, lane, kind, parts) => {
        assert.deepEqual([to, lane, kind], [peer, 'data', frameKind.nearAnswer]);
        const payload = Buffer.concat(parts);
        if (payload.length > this.laneBytes) return false;
        this.laneBytes -= payload.length;
        const frame = decodeReadAnswerFrame(payload);
        assert.ok(frame !== undefined);
        this.sent.push({ place: frame.place, replies: frame.replies?.length, index: frame.index });
        return true;
      },
    },
    hasRoom: () => this.hasRoom,
    submit: (_group: GroupId, submission) => this.submitted.push(submission),
  });

  ask(count: number, more: Partial<NearReadFrame> = {}): void {
    const commands = Array.from({ length: count }, () => ({
      database: 0,
      bytes: Buffer.from('x'),
    }));
    const frame = {
      group,
      read: 1,
      floor: 7,
      isSession: true,
      boundMs: Infinity,
      commands,
      ...more,
    };
    assert.equal(this.reads.receive(peer, Buffer.concat(encodeNearRead(frame))), true);
  }
}

test('a batch asks for what its strictest read does, and survives the way', () => {
  const submission = (floor: number | undefined, boundMs?: number): Submission => ({
    path: 'local',
    isAlone: false,
    database: 3,
    bytes: Buffer.from('x'),
    floor,
    ...(boundMs === undefined ? {} : { boundMs }),
    settle: () => undefined,
    fail: () => undefined,
  });
  const frameOf = (...submissions: readonly Submission[]): string => {
    const frame = decodeNearRead(
      Buffer.concat(encodeNearRead(nearReadOf(group, { read: 4, floor: 6, submissions }))),
    );
    return `${frame?.isSession} ${frame?.boundMs} ${frame?.floor} ${frame?.commands.length}`;
  };
  assert.equal(frameOf(submission(undefined)), 'false Infinity 6 1');
  assert.equal(frameOf(submission(0), submission(undefined, 50)), 'true 50 6 2');
  assert.equal(frameOf(submission(undefined, 50), submission(undefined, 20)), 'false 20 6 2');
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeNearRead(bytes)));
  assert.equal(decodeNearRead(new Uint8Array(4)), undefined);
});

test('a batch is answered once all of it is, from no earlier than its newest', () => {
  const scene = new Scene();
  scene.ask(2, { boundMs: 30 });
  const [first, second] = scene.submitted;
  assert.deepEqual([first?.path, first?.floor, first?.boundMs], ['local', 7, 30]);
  second?.settle('b', 9);
  assert.deepEqual(scene.sent, []);
  first?.settle('a', 8);
  assert.deepEqual(scene.sent, [{ place: 0, replies: 2, index: 9 }]);
});

test('what this node cannot answer is refused: no room, too many, a command without an answer', () => {
  const scene = new Scene();
  const refusal = { place: 0, replies: undefined, index: 0 };
  scene.hasRoom = false;
  scene.ask(1);
  assert.deepEqual(scene.sent.splice(0), [refusal]);
  scene.hasRoom = true;
  for (let batch = 0; batch < 257; batch += 1) scene.ask(1, { isSession: false });
  assert.deepEqual(scene.sent.splice(0), [refusal], 'one is too many');
  assert.equal(scene.submitted.length, 256);
  assert.equal(scene.submitted[0]?.floor, undefined);
  scene.submitted[0]?.fail('cluster-down');
  assert.deepEqual(scene.sent.splice(0), [refusal]);
  scene.ask(1);
  assert.equal(scene.submitted.length, 257, 'there is room again');
});

test('large replies travel in parts, and what a lane does not take leaves later, in order', () => {
  const scene = new Scene();
  scene.laneBytes = 1_000_000;
  scene.ask(3);
  for (const submission of scene.submitted) submission.settle('x'.repeat(700_000), 5);
  scene.ask(1);
  scene.submitted[3]?.settle('small', 6);
  assert.deepEqual(scene.sent.splice(0), [{ place: 0, replies: 1, index: 5 }]);
  scene.reads.tick();
  assert.deepEqual(scene.sent, [], 'there is no room yet');
  scene.laneBytes = Infinity;
  scene.reads.tick();
  assert.deepEqual(scene.sent, [
    { place: 1, replies: 1, index: 5 },
    { place: 2, replies: 1, index: 5 },
    { place: 0, replies: 1, index: 6 },
  ]);
  scene.reads.tick();
  assert.equal(scene.sent.length, 3);
});

test('a batch counts until its last frame has left, and a lane half full takes no more', () => {
  const scene = new Scene();
  scene.queuedBytes = 32 << 20;
  for (let batch = 0; batch < 257; batch += 1) {
    scene.ask(1);
    scene.submitted[batch]?.settle('x', 5);
  }
  assert.deepEqual([scene.submitted.length, scene.sent.length], [256, 0]);
  scene.queuedBytes = 0;
  scene.reads.tick();
  assert.equal(scene.sent.length, 257);
  assert.equal(scene.sent.at(-1)?.replies, undefined);
  scene.ask(1);
  assert.equal(scene.submitted.length, 257, 'there is room again');
});

test('replies held for one peer are bounded: the batch that would be too much is refused', () => {
  const scene = new Scene();
  scene.laneBytes = 0;
  const reply = 'x'.repeat(100 << 20);
  for (let batch = 0; batch < 3; batch += 1) {
    scene.ask(1);
    scene.submitted[batch]?.settle(reply, 5);
  }
  scene.laneBytes = Infinity;
  scene.reads.tick();
  assert.deepEqual(
    scene.sent.map(({ replies }) => replies),
    [1, 1, undefined],
  );
});

test('an answer for a connection that has ended is not said on the next', () => {
  const scene = new Scene();
  scene.ask(1);
  scene.reads.disconnected(peer);
  scene.ask(1);
  scene.submitted[0]?.settle('old', 1);
  assert.deepEqual(scene.sent, []);
  scene.submitted[1]?.settle('new', 2);
  assert.equal(scene.sent.length, 1);
});

// -- Whole nodes ---------------------------------------------------------------------------------------

const numberIn = (call: Call): number =>
  Number(/^\$\d+\r\n(\d+)$/.exec(call.outcome ?? '')?.[1] ?? 0);

async function withProxy(seed = 1): Promise<{ cluster: VirtualCluster; proxy: VirtualProxy }> {
  const cluster = await new VirtualCluster({ seed, proxies: 1 }).form();
  const [proxy] = cluster.proxies;
  assert.ok(proxy !== undefined);
  return { cluster, proxy };
}

test('a proxy’s reads below strong are answered by one member, without the leader', async () => {
  const { cluster, proxy } = await withProxy();
  await cluster.finished(proxy.log('SET k 1'));
  for (let warm = 0; warm < 3; warm += 1) await cluster.finished(proxy.local('GET k'));
  await cluster.advance(100);
  const asked = new Set<number>();
  let strongReads = 0;
  cluster.onSend = ({ to, kind }) => {
    if (kind === frameKind.read) strongReads += 1;
    if (kind === frameKind.nearRead) asked.add(to);
  };
  assert.equal(proxy.proxy.readsLocally(shardId(0)), true);
  for (let read = 0; read < 20; read += 1) {
    assert.equal(numberIn(await cluster.finished(proxy.local('GET k'))), 1);
    assert.equal(numberIn(await cluster.finished(proxy.local('GET k', { floor: 1 }))), 1);
  }
  assert.deepEqual([asked.size, strongReads], [1, 0]);
});

test('a proxy stays with its member whoever else comes and goes, and takes another when that dies', async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const { cluster, proxy } = await withProxy(seed);
    let asked: number | undefined;
    cluster.onSend = ({ to, kind }) => {
      if (kind === frameKind.nearRead) asked = to;
    };
    const nearest = async (): Promise<number> => {
      await cluster.finished(proxy.local('GET k'));
      assert.ok(asked !== undefined);
      return asked;
    };
    const first = await nearest();
    for (const node of cluster.nodes.filter(({ id }) => id !== first)) {
      node.crash();
      await cluster.advance(2_000);
      assert.equal(await nearest(), first, `seed ${seed}`);
      node.start();
      await cluster.until('it is back', () => node.isReady && cluster.isServing());
      assert.equal(await nearest(), first, `seed ${seed}`);
    }
    cluster.node(first).crash();
    await cluster.until('there is a leader', () => cluster.findLeader(0) !== undefined);
    assert.notEqual(await nearest(), first);
  }
});

test('a session through a proxy never goes back, whichever member answers and dies', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { cluster, proxy } = await withProxy(seed);
    await cluster.finished(proxy.log('SET k 0'));
    let floor = 0;
    let seen = 0;
    for (let step = 1; step <= 80; step++) {
      if (step % 3 === 0) {
        const write = await cluster.finished(proxy.log(`SET k ${step}`));
        if (write.isReplied) floor = Math.max(floor, write.index);
        seen = Math.max(seen, write.isReplied ? step : 0);
      }
      if (step % 20 === 0) {
        const node = cluster.node(((step / 20 + seed) % 3) + 1);
        node.crash();
        node.start();
      }
      const call = await cluster.finished(proxy.local('GET k', { floor }));
      if (call.isReplied) {
        assert.ok(numberIn(call) >= seen, `seed ${seed}: ${numberIn(call)} after ${seen}`);
        seen = numberIn(call);
        floor = Math.max(floor, call.index);
      }
      await cluster.advance(9);
    }
  }
});

test('the meta group answers no reads', async () => {
  const { cluster, proxy } = await withProxy();
  const before = cluster.leader().member.pendingCommands;
  const frame = { group: metaGroup, read: 1, floor: 0, isSession: false, boundMs: Infinity };
  const commands = [{ database: 0, bytes: Buffer.from('x') }];
  const payload = Buffer.concat(encodeNearRead({ ...frame, commands }));
  assert.equal(cluster.leader().member.receive(proxy.id, frameKind.nearRead, payload), true);
  assert.equal(cluster.leader().member.pendingCommands, before);
});
