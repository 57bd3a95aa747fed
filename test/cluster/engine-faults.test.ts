/**
 * Engines that come and go (`FickleEngine`) under a whole cluster: no acknowledged write is missing, none is there twice, replicas end
 * equal, and clients see a pause and no error as long as one node's engine has what they need.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FickleEngines, type FickleEngine } from '../support/fickle-engine.ts';
import { VirtualCluster, type VirtualClusterOptions } from '../support/virtual-cluster.ts';
import type { Call } from '../support/virtual-calls.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

/** A cluster, and the engine of each node, whose data outlives the node's processes. */
class Scene {
  readonly cluster: VirtualCluster;
  readonly #engines = new FickleEngines();

  constructor(options: VirtualClusterOptions = {}) {
    const wrapEngine: VirtualClusterOptions['wrapEngine'] = (create, node) =>
      this.#engines.make(create, node);
    this.cluster = new VirtualCluster({ ...options, wrapEngine });
  }

  static async form(options?: VirtualClusterOptions): Promise<Scene> {
    const scene = new Scene(options);
    await scene.cluster.form();
    return scene;
  }

  engine(node: VirtualNode): FickleEngine {
    return this.#engines.of(node);
  }

  /** INCRs at these nodes, one a node every `everyMs`, for `ms`. */
  async load(nodes: readonly VirtualNode[], ms: number, everyMs = 5): Promise<Call[]> {
    const calls: Call[] = [];
    for (let passed = 0; passed < ms; passed += everyMs) {
      for (const node of nodes) calls.push(node.log('INCR n'));
      await this.cluster.advance(everyMs);
    }
    return calls;
  }

  /** Each of these INCRs was answered, and counted once. */
  async assertCounted(calls: readonly Call[]): Promise<void> {
    const { cluster } = this;
    await cluster.until('all are answered', () => calls.every(({ isDone }) => isDone));
    for (const { outcome, isReplied } of calls) assert.ok(isReplied, outcome);
    const values = calls.map(({ outcome }) => Number(outcome?.slice(1)));
    assert.deepEqual(
      values.toSorted((left, right) => left - right),
      values.map((_value, place) => place + 1),
    );
    const reply = await cluster.read(cluster.leader(), 'GET n');
    assert.equal(reply?.split('\r\n')[1], String(calls.length));
  }
}

test('a leader whose engine is unwell gives leadership away within a second, and nobody sees more than a pause', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const former = cluster.leader();
  const calls = await scene.load(cluster.nodes, 100);
  scene.engine(former).break();
  assert.match(former.status()[0]?.engineProblem ?? '', /the connection broke/);
  const brokenMs = cluster.time.nowMs;
  const meanwhile = scene.load(cluster.nodes, 3_000);
  await cluster.untilLedByAnother(former);
  assert.ok(cluster.time.nowMs - brokenMs < 1_000);
  calls.push(...(await meanwhile));
  scene.engine(former).mend();
  calls.push(...(await scene.load(cluster.nodes, 100)));
  await scene.assertCounted(calls);
  await cluster.converge();
});

test('a leader gives leadership to a voter whose engine is well, not to another', async () => {
  const scene = await Scene.form({ nodes: 5 });
  const { cluster } = scene;
  const former = cluster.leader();
  const [well, ...unwell] = cluster.others(former);
  assert.ok(well !== undefined);
  for (const node of unwell) scene.engine(node).break();
  await cluster.advance(200);
  scene.engine(former).break();
  assert.equal(await cluster.untilLedByAnother(former), well);
});

test('a leader that leaves gives leadership to a voter whose engine is well', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  for (let turn = 0; turn < 4; turn++) {
    const former = cluster.leader();
    const [first, second] =
      turn % 2 === 0 ? cluster.others(former) : cluster.others(former).toReversed();
    assert.ok(first !== undefined && second !== undefined);
    scene.engine(first).break();
    await cluster.advance(200);
    former.member.placer.handOver();
    assert.equal(await cluster.untilLedByAnother(former), second);
    scene.engine(first).mend();
    await cluster.advance(200);
  }
});

test('who is elected while its engine is unwell gives leadership on', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const former = cluster.leader();
  const [unwell, well] = cluster.others(former);
  assert.ok(unwell !== undefined && well !== undefined);
  await cluster.write(well, 'SET k v');
  scene.engine(unwell).break();
  former.member.placer.handOver();
  former.crash();
  unwell.member.placer.handOver();
  // Whoever was elected first, in the end it is the one that can serve.
  await cluster.until('it serves', () => cluster.findLeader() === well);
  assert.equal(await cluster.read(unwell, 'GET k'), '$1\r\nv');
});

test('where no engine is well commands wait, and are answered once one is', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const calls = await scene.load(cluster.nodes, 50);
  await cluster.until('all are answered', () => calls.every(({ isDone }) => isDone));
  for (const node of cluster.nodes) scene.engine(node).break();
  const waiting = cluster.nodes.map((node) => node.log('INCR n'));
  const reads = cluster.nodes.map((node) => node.read('GET n'));
  await cluster.advance(2_000);
  assert.ok([...waiting, ...reads].every(({ isDone }) => !isDone));
  for (const node of cluster.nodes) scene.engine(node).mend();
  calls.push(...waiting);
  await scene.assertCounted(calls);
  for (const read of reads) {
    await cluster.finished(read);
    assert.ok(read.isReplied, read.outcome);
  }
  await cluster.converge();
});

test('a read that was under way when the engine broke is made again', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const leader = cluster.leader();
  await cluster.write(leader, 'SET k v');
  scene.engine(leader).breaksAfter = 1;
  const read = leader.read('GET k');
  await cluster.advance(1);
  assert.equal(read.outcome, undefined);
  scene.engine(leader).mend();
  await cluster.advance(1);
  assert.equal(read.outcome, '$1\r\nv');
  assert.equal(cluster.leader(), leader, 'it was well again before anybody noticed');
});

test('replies that the leader lost with its engine’s connection come from the other replicas', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const leader = cluster.leader();
  const calls = await scene.load(cluster.nodes, 20);
  for (let round = 0; round < 20; round++) {
    await cluster.until('all are answered', () => calls.every(({ isDone }) => isDone));
    scene.engine(leader).breaksAfter = 1;
    for (const node of cluster.nodes) calls.push(node.log('INCR n'));
    await cluster.advance(1);
    scene.engine(leader).mend();
  }
  const sinceMs = cluster.time.nowMs;
  await scene.assertCounted(calls);
  assert.ok(cluster.time.nowMs - sinceMs < 100);
  assert.equal(cluster.leader(), leader);
  await cluster.converge();
});

test('a proxy recalls lost replies as a member does', async () => {
  const scene = await Scene.form({ proxies: 1 });
  const { cluster } = scene;
  const [proxy] = cluster.proxies;
  assert.ok(proxy !== undefined);
  const calls = [proxy.log('INCR n')];
  await cluster.until('it is answered', () => calls.every(({ isDone }) => isDone));
  scene.engine(cluster.leader()).breaksAfter = 1;
  calls.push(proxy.log('INCR n'));
  await cluster.advance(1);
  scene.engine(cluster.leader()).mend();
  await cluster.advance(10);
  await scene.assertCounted(calls);
});

test('replies that all engines lost are in doubt', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const follower = cluster.follower();
  await cluster.write(follower, 'INCR n');
  await cluster.advance(100);
  for (const node of cluster.nodes) scene.engine(node).breaksAfter = 1;
  const call = follower.log('INCR n');
  await cluster.advance(100);
  for (const node of cluster.nodes) scene.engine(node).mend();
  assert.equal((await cluster.finished(call)).outcome, 'in-doubt');
  assert.equal(
    await cluster.write(follower, 'INCR n'),
    ':3',
    'it happened, and the session goes on',
  );
  await cluster.converge();
});

test('engines that lost everything, of one node and then of all, are brought up from the log', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const calls = await scene.load(cluster.nodes, 200);
  for (const nodes of [[cluster.leader()], cluster.nodes]) {
    for (const node of nodes) {
      scene.engine(node).break();
      scene.engine(node).goBack(0);
    }
    calls.push(...(await scene.load(cluster.nodes, 300)));
    for (const node of nodes) scene.engine(node).mend();
    calls.push(...(await scene.load(cluster.nodes, 300)));
  }
  await scene.assertCounted(calls);
  await cluster.converge();
});

test('a sidecar that starts again finds its data as it was, and applies only what is missing', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const follower = cluster.follower();
  const others = cluster.others(follower);
  const calls = await scene.load(others, 200);
  const before = scene.engine(follower).applied.index;
  assert.ok(before > 20);
  follower.crash();
  calls.push(...(await scene.load(others, 200)));
  follower.start();
  await cluster.advance(500);
  await scene.assertCounted(calls);
  await cluster.converge();
});

test('what waits for an engine is bounded, however much is committed meanwhile', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const follower = cluster.follower();
  const engine = scene.engine(follower);
  await cluster.write(cluster.leader(), 'SET k v');
  engine.break();
  const value = 'v'.repeat(16 << 10);
  for (let key = 0; key < 200; key++) await cluster.write(cluster.leader(), `SET k${key} ${value}`);
  await cluster.advance(100);
  const [status] = follower.status();
  assert.ok((status?.commit ?? 0) - (status?.applied ?? 0) >= 200);
  engine.isHeld = true;
  engine.mend();
  await cluster.advance(10);
  // 128 KB of entries (`maxCommittedBytesPerReady`) hold eight such commands, and another may come on top.
  assert.ok(engine.held > 0 && engine.held <= 9, `${engine.held} entries`);
  engine.release();
  await cluster.converge();
});

test('a command that has to be resolved is logged as the leader’s engine has it, when all before it is applied', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const follower = cluster.follower();
  const calls = ['SET a 1', 'APPEND a ?', 'APPEND a x', 'APPEND a ?', 'GET a'].map((line) =>
    follower.log(line),
  );
  await cluster.until('all are answered', () => calls.every(({ isReplied }) => isReplied));
  const [, value = ''] = calls[4]?.outcome?.split('\r\n') ?? [];
  const [first, second] = value.slice(1).split('x').map(Number);
  assert.ok(first !== undefined && second !== undefined && first > 0 && second > first, value);
  await cluster.converge();
});

test('a command whose engine breaks while it is resolved is resolved again, here or at the next leader', async () => {
  for (const isMended of [true, false]) {
    const scene = await Scene.form();
    const { cluster } = scene;
    const former = cluster.leader();
    const follower = cluster.follower();
    await cluster.write(follower, 'SET a 1');
    scene.engine(former).breaksAfter = 1;
    const calls = [follower.log('APPEND a ?'), follower.log('INCR n'), follower.log('APPEND a ?')];
    await cluster.advance(5);
    assert.ok(calls.every(({ isDone }) => !isDone));
    if (isMended) scene.engine(former).mend();
    await cluster.until('all are answered', () => calls.every(({ isDone }) => isDone));
    assert.ok(calls.every(({ isReplied }) => isReplied));
    assert.equal(calls[1]?.outcome, ':1');
    assert.equal(cluster.leader() === former, isMended);
    scene.engine(former).mend();
    await cluster.converge();
  }
});

test('a command that has to be resolved takes effect once, whatever is sent again', async () => {
  const scene = await Scene.form();
  const { cluster } = scene;
  const follower = cluster.follower();
  await cluster.write(follower, 'SET a ""');
  const calls: Call[] = [];
  for (let turn = 0; turn < 100; turn++) {
    calls.push(follower.log('APPEND a ?'));
    if (turn % 20 === 7) cluster.network.disconnect(cluster.leader().id, follower.id);
    if (turn === 50) cluster.leader().member.placer.handOver();
    await cluster.advance(turn % 3 === 0 ? 5 : 0);
  }
  await cluster.until('all are answered', () => calls.every(({ isReplied }) => isReplied));
  const lengths = calls.map(({ outcome }) => Number(outcome?.slice(1)));
  const value = (await cluster.read(follower, 'GET a'))?.split('\r\n')[1] ?? '';
  assert.equal(lengths.at(-1), value.length);
  assert.ok(
    lengths.every((length, turn) => length > (lengths[turn - 1] ?? 0)),
    'in their order',
  );
  await cluster.converge();
});
