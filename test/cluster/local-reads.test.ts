import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Submission } from '../../src/cluster/cluster.ts';
import { frameKind } from '../../src/cluster/frames.ts';
import { LocalReads } from '../../src/cluster/local-reads.ts';
import type { ReadReply } from '../../src/engine/engine.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { Call } from '../support/virtual-calls.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

/** A replica that the test lets apply and answer. */
class Scene {
  nowMs = 1_000;
  appliedIndex = 5;
  isEngineWell = true;
  /** Answers with the state at this index, or says that a key is due. */
  readonly executing: (() => void)[] = [];
  reply: ReadReply | undefined;
  /** The engine becomes unwell while it reads. */
  isGone = false;
  isPrompt = true;
  readonly asked: Submission[] = [];
  readonly outcomes: string[] = [];
  settled = 0;
  readonly reads: LocalReads;

  constructor() {
    this.reads = new LocalReads({
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
      commandTimeoutMs: 5_000,
      replica: this,
      askLeader: (submissions) => this.asked.push(...submissions),
      onSettled: (count) => {
        this.settled += count;
      },
    });
  }

  readApplied(
    commands: readonly unknown[],
    done: (replies: readonly ReadReply[] | undefined, index: number) => void,
  ): void {
    const answer = (): void => {
      const reply = this.reply ?? `@${this.appliedIndex}`;
      if (this.isGone) done(undefined, 0);
      else
        done(
          commands.map(() => reply),
          this.appliedIndex,
        );
    };
    if (this.isPrompt) answer();
    else this.executing.push(answer);
  }

  read(name: string, limits: Pick<Submission, 'floor' | 'boundMs'> = {}): void {
    this.reads.submit({
      path: 'local',
      ...limits,
      isAlone: false,
      database: 0,
      bytes: Buffer.from(name),
      settle: (reply, index) => this.outcomes.push(`${name} ${reply} ${index}`),
      fail: (failure) => this.outcomes.push(`${name} ${failure}`),
    });
  }

  /** What was passed on to the leader since the last call. */
  away(): string[] {
    return this.asked.splice(0).map(({ bytes }) => Buffer.from(bytes).toString());
  }

  apply(index: number): void {
    this.appliedIndex = index;
    this.reads.applied();
  }
}

test('a replica answers nothing before it has applied what a leader had in this life', () => {
  const scene = new Scene();
  const readAll = (): void => {
    scene.read('any');
    scene.read('bounded', { boundMs: 1_000_000 });
    scene.read('session', { floor: 0 });
    scene.reads.flush();
  };
  readAll();
  assert.deepEqual(scene.away(), ['any', 'bounded', 'session']);
  scene.reads.probed(1_000, 6);
  readAll();
  assert.deepEqual(scene.away(), ['any', 'bounded', 'session'], 'it has not applied that yet');
  scene.apply(6);
  assert.equal(scene.reads.isReady, false, 'sessions are away');
});

test('once it has, it answers what asks for nothing more, as long as its engine is well', () => {
  const scene = new Scene();
  scene.reads.probed(1_000, 5);
  assert.equal(scene.reads.isReady, true);
  scene.nowMs += 1e9;
  scene.read('a');
  scene.read('b', { floor: 5 });
  assert.deepEqual(scene.outcomes, [], 'nothing is answered before the end of the turn');
  scene.reads.flush();
  assert.deepEqual(scene.outcomes, ['a @5 5', 'b @5 5']);
  assert.equal(scene.settled, 2);
  scene.isEngineWell = false;
  assert.equal(scene.reads.isReady, false);
  scene.read('c');
  scene.reads.flush();
  assert.deepEqual(scene.away(), ['c']);
});

test('a read with a floor waits until that is applied, in its order, and not for ever', () => {
  const scene = new Scene();
  scene.reads.probed(1_000, 5);
  scene.read('early', { floor: 7 });
  scene.read('late', { floor: 9 });
  scene.reads.flush();
  scene.apply(6);
  assert.deepEqual(scene.outcomes, []);
  scene.apply(8);
  assert.deepEqual(scene.outcomes, ['early @8 8']);
  scene.nowMs += 5_000;
  scene.reads.tick();
  assert.deepEqual(scene.outcomes, ['early @8 8', 'late cluster-down']);
  assert.equal(scene.settled, 2);
  assert.deepEqual(scene.away(), []);
});

test('what waits when the engine becomes unwell goes to the leader, and sessions stay there until it has answered', () => {
  const scene = new Scene();
  scene.reads.probed(1_000, 5);
  scene.read('a', { floor: 7 });
  scene.reads.flush();
  scene.isEngineWell = false;
  scene.reads.tick();
  const [passed] = scene.asked;
  assert.equal(passed?.floor, 7);
  scene.isEngineWell = true;
  scene.apply(7);
  scene.read('b', { floor: 7 });
  scene.read('c');
  scene.reads.flush();
  assert.deepEqual(scene.away(), ['a', 'b'], 'b follows a; c asks for no order');
  passed.settle('from the leader', 8);
  assert.equal(scene.reads.isReady, false, 'b is away still');
  assert.deepEqual(scene.outcomes, ['c @7 7', 'a from the leader 8']);
});

test('a read with a bound is answered here while the last question to a leader is that young', () => {
  const scene = new Scene();
  const ask = (): string[] => {
    scene.read('a', { boundMs: 100 });
    scene.reads.flush();
    return [...scene.away(), ...scene.outcomes.splice(0)];
  };
  scene.reads.probed(1_000, 5);
  scene.nowMs = 1_100;
  assert.deepEqual(ask(), ['a @5 5']);
  scene.nowMs = 1_101;
  assert.deepEqual(ask(), ['a'], 'it goes to the leader');
  scene.reads.probed(1_101, 8);
  scene.nowMs = 1_110;
  assert.deepEqual(ask(), ['a'], 'the replica is not that far');
  scene.apply(8);
  assert.deepEqual(ask(), ['a @8 8']);
  scene.reads.probed(1_050, 9);
  scene.apply(9);
  scene.nowMs = 1_202;
  assert.deepEqual(ask(), ['a'], 'an older question that was answered later changes nothing');
});

test('the bound is looked at again when the value has been read', () => {
  const scene = new Scene();
  scene.reads.probed(1_000, 5);
  scene.isPrompt = false;
  scene.read('a', { boundMs: 100 });
  scene.read('b');
  scene.reads.flush();
  scene.nowMs = 1_101;
  scene.executing.shift()?.();
  assert.deepEqual(scene.outcomes, ['b @5 5']);
  assert.deepEqual(scene.away(), ['a']);
  assert.equal(scene.settled, 1);
});

test('a key that is due, and an engine that ceases to be well, send the read to the leader', () => {
  const scene = new Scene();
  scene.reads.probed(1_000, 5);
  scene.reply = 'due';
  scene.read('a');
  scene.reads.flush();
  assert.deepEqual(scene.away(), ['a']);
  scene.isGone = true;
  scene.read('b', { floor: 0 });
  scene.reads.flush();
  assert.deepEqual(scene.away(), ['b']);
  assert.deepEqual(scene.outcomes, []);
});

test('a node that stops answers whoever waits, once', () => {
  const scene = new Scene();
  scene.reads.probed(1_000, 5);
  scene.isPrompt = false;
  scene.read('executing');
  scene.reads.flush();
  scene.read('waiting', { floor: 9 });
  scene.reads.flush();
  scene.read('new');
  scene.reads.close();
  scene.executing.shift()?.();
  scene.apply(9);
  assert.deepEqual(scene.outcomes, ['new closing', 'waiting closing', 'executing closing']);
  assert.equal(scene.settled, 3);
});

test('many probes that are not reached are bounded, and the replica catches up by them', () => {
  const scene = new Scene();
  for (let at = 0; at < 100; at++) scene.reads.probed(1_000 + at, 10 + at);
  scene.apply(1_000);
  scene.nowMs = 1_115;
  scene.read('young', { boundMs: 100 });
  scene.read('younger', { boundMs: 99 });
  scene.reads.flush();
  assert.deepEqual(scene.away(), ['younger']);
});

// -- Whole nodes ---------------------------------------------------------------------------------------

const numberIn = (call: Call): number =>
  Number(/^\$\d+\r\n(\d+)$/.exec(call.outcome ?? '')?.[1] ?? 0);

/** Frames with entries from the leader to one follower take this long; heartbeats do not. */
function delayTo(cluster: VirtualCluster, node: VirtualNode, ms: number): void {
  cluster.delayMs = (_from, to, lane) => (to === node.id && lane === 'data' ? ms : 0);
}

function countReads(cluster: VirtualCluster): () => number {
  let count = 0;
  cluster.onSend = ({ kind }) => {
    if (kind === frameKind.read) count += 1;
  };
  return () => count;
}

test('a session at a follower that lags never misses its own write, and never goes back', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = await new VirtualCluster({ seed }).form();
    const [node, writer] = [cluster.follower(), cluster.leader()];
    await cluster.write(node, 'SET own 0');
    await cluster.write(node, 'SET k 0');
    const reads = countReads(cluster);
    let floor = 0;
    let own = 0;
    let seen = 0;
    for (let step = 1; step <= 60; step++) {
      delayTo(cluster, node, [0, 120, 30, 400][(step >> 3) % 4] ?? 0);
      writer.log(`SET k ${step}`);
      if (step % 5 === 0) {
        own = step;
        const write = await cluster.finished(node.log(`SET own ${step}`));
        floor = Math.max(floor, write.index);
      }
      // Every second read is a strong one: what it shows is newer than the replica.
      const isStrong = step % 7 === 0;
      const call = isStrong ? node.read('GET k') : node.local('GET k', { floor });
      await cluster.finished(call);
      assert.ok(numberIn(call) >= seen, `seed ${seed}: ${numberIn(call)} after ${seen}`);
      seen = numberIn(call);
      floor = Math.max(floor, call.index);
      const ownCall = await cluster.finished(node.local('GET own', { floor }));
      assert.equal(numberIn(ownCall), own, `seed ${seed}: the own write is seen`);
      floor = Math.max(floor, ownCall.index);
      await cluster.advance(7);
    }
    assert.ok(reads() < 20, `seed ${seed}: ${reads()} of 120 went to the leader`);
  }
});

test('a read without a floor shows what the replica has, however old', async () => {
  const cluster = await new VirtualCluster().form();
  const node = cluster.follower();
  await cluster.write(node, 'SET k 1');
  assert.equal(numberIn(await cluster.finished(node.local('GET k'))), 1);
  await cluster.advance(100);
  cluster.isolate(node);
  await cluster.write(cluster.leader(), 'SET k 2');
  await cluster.advance(60_000);
  const call = node.local('GET k');
  await cluster.advance(0);
  assert.equal(numberIn(call), 1);
});

test('a bounded read shows everything that was acknowledged longer ago than its bound', async () => {
  const boundMs = 100;
  const cluster = await new VirtualCluster().form();
  const [node, writer] = [cluster.follower(), cluster.leader()];
  await cluster.write(node, 'SET k 0');
  const reads = countReads(cluster);
  /** When each value was acknowledged. */
  const acknowledged: number[] = [0];
  let localReads = 0;
  let written = 0;
  for (let step = 0; step < 600; step++) {
    const delayMs = [0, 20, 80, 150][Math.floor(step / 50) % 4] ?? 0;
    delayTo(cluster, node, delayMs);
    if (step % 4 === 0) {
      written += 1;
      const value = written;
      writer.call(`SET k ${value}`, 'log', 0, ({ endMs }) => {
        acknowledged[value] = endMs ?? 0;
      });
    }
    const before = reads();
    const call = node.local('GET k', { boundMs });
    await cluster.advance(0);
    const isLocal = call.isDone && reads() === before;
    if (isLocal) localReads += 1;
    // A slow lane is slow for probes, too: none comes back within the bound.
    assert.ok(!(isLocal && delayMs > boundMs && step % 50 > 40), `step ${step}`);
    await cluster.finished(call);
    const due = acknowledged.findLastIndex((atMs) => atMs <= call.startMs - boundMs);
    assert.ok(numberIn(call) >= due, `step ${step}: ${numberIn(call)}, where ${due} was due`);
    await cluster.advance(5);
  }
  assert.ok(localReads > 250, `${localReads} of 600 were answered here`);
});

test('a node that starts again does not show its log from the beginning', async () => {
  const cluster = await new VirtualCluster().form();
  const node = cluster.follower();
  for (let value = 1; value <= 50; value++) await cluster.write(node, `SET k ${value}`);
  node.crash();
  node.start();
  await cluster.until('it knows the shards', () => node.isReady);
  for (let read = 0; read < 50; read++) {
    const call = await cluster.finished(node.local('GET k'));
    assert.equal(numberIn(call), 50);
    await cluster.advance(3);
  }
  assert.equal(node.member.readsLocally(0 as never), true);
});
