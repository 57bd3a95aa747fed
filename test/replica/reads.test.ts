import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../src/base/ids.ts';
import type { Engine, EngineRead, ReadReply } from '../../src/engine/engine.ts';
import { emptyConfState } from '../../src/raft/membership.ts';
import { Lease } from '../../src/replica/lease.ts';
import type { LoggedRead } from '../../src/replica/proposals.ts';
import { Reads } from '../../src/replica/reads.ts';

/** The reads of a leader whose engine, lease, rounds and clock are in the test's hands. */
class Scene {
  nowMs = 1_000;
  isServing = true;
  appliedIndex = 10;
  lease: Lease | undefined = this.newLease();
  /** Reads that the engine has begun; calling one ends it. */
  readonly executing: ((replies: readonly ReadReply[]) => void)[] = [];
  readonly rounds: number[] = [];
  readonly logged: LoggedRead[] = [];
  readonly outcomes: string[] = [];
  onExecute: () => void = () => undefined;
  readonly reads: Reads;

  constructor() {
    const engine: Pick<Engine, 'read'> = {
      read: (_read: EngineRead, done) => {
        this.executing.push(done);
        this.onExecute();
      },
    };
    this.reads = new Reads({
      engine: engine as Engine,
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
      timeMs: () => 5,
      lease: () => this.lease,
      appliedIndex: () => this.appliedIndex,
      isServing: () => this.isServing,
      askIndex: (round) => this.rounds.push(round),
      log: (read) => this.logged.push(read),
    });
  }

  /** A lease until 400 ms from now. */
  newLease(): Lease {
    const lease = new Lease({ self: nodeId(1), driftMs: 0 });
    const answer = { sentMs: this.nowMs, promiseMs: 400 };
    lease.answered(nodeId(2), answer, { ...emptyConfState, voters: [1, 2, 3].map(nodeId) });
    return lease;
  }

  read(name: string, commands = 1): void {
    const bytes = new Uint8Array(0);
    this.reads.read({
      commands: Array.from({ length: commands }, () => ({ database: 0, bytes })),
      done: (replies) => this.outcomes.push(`${name}: ${replies?.join(' ') ?? 'elsewhere'}`),
    });
  }

  execute(...replies: string[]): void {
    this.executing.shift()?.(replies);
  }
}

test('under a lease a read is answered at once, without asking anybody', () => {
  const scene = new Scene();
  scene.read('a');
  scene.execute('1');
  assert.deepEqual(scene.outcomes, ['a: 1']);
  assert.equal(scene.reads.ask(), false);
});

test('a lease that runs out while the value is read does not count: the read is confirmed and made again', () => {
  const scene = new Scene();
  scene.onExecute = () => {
    scene.nowMs += 400;
  };
  scene.read('a');
  scene.execute('stale');
  assert.deepEqual(scene.outcomes, []);
  scene.reads.ask();
  scene.reads.confirmed(1, 10);
  scene.execute('fresh');
  assert.deepEqual(scene.outcomes, ['a: fresh']);
});

test('a value read in one term is not answered by the lease of a later term', () => {
  // The engine works on a long read while this node loses leadership and wins it back.
  const scene = new Scene();
  scene.read('a');
  scene.nowMs += 2_000;
  scene.reads.abandon();
  scene.lease = scene.newLease();
  scene.execute('what was there two terms ago');
  assert.deepEqual(scene.outcomes, [], 'it waits for a round of the new term');
  scene.reads.ask();
  scene.reads.confirmed(1, 10);
  scene.execute('now');
  assert.deepEqual(scene.outcomes, ['a: now']);
});

test('a leader that lost its lease and its leadership during a read sends the reader elsewhere', () => {
  const scene = new Scene();
  scene.read('a');
  scene.nowMs += 500;
  scene.isServing = false;
  scene.execute('stale');
  assert.deepEqual(scene.outcomes, ['a: elsewhere']);
});

test('without a lease, reads that arrive together share a round and wait for its index to be applied', () => {
  const scene = new Scene();
  scene.lease = undefined;
  scene.read('a');
  scene.read('b');
  assert.deepEqual(scene.executing, [], 'nothing is read before a round is confirmed');
  scene.reads.ask();
  assert.deepEqual(scene.rounds, [1]);
  scene.reads.confirmed(1, 12);
  assert.deepEqual(scene.executing, []);
  scene.appliedIndex = 12;
  scene.reads.applied();
  scene.execute('1');
  scene.execute('2');
  assert.deepEqual(scene.outcomes, ['a: 1', 'b: 2']);
});

test('a read that arrives after a round was asked for does not ride on it', () => {
  const scene = new Scene();
  scene.lease = undefined;
  scene.read('a');
  scene.reads.ask();
  scene.read('b');
  scene.reads.confirmed(1, 10);
  assert.equal(scene.executing.length, 1);
  scene.reads.ask();
  assert.deepEqual(scene.rounds, [1, 2]);
});

test('only two rounds are under way at a time', () => {
  const scene = new Scene();
  scene.lease = undefined;
  for (const name of ['a', 'b', 'c']) {
    scene.read(name);
    scene.reads.ask();
  }
  assert.deepEqual(scene.rounds, [1, 2]);
  scene.reads.confirmed(1, 10);
  scene.reads.ask();
  assert.deepEqual(scene.rounds, [1, 2, 3]);
});

test('a read that met a due key is logged, alone, and its answer takes its place among the others', () => {
  const scene = new Scene();
  scene.read('a', 3);
  scene.execute('1', 'due', '3');
  assert.deepEqual(scene.outcomes, []);
  assert.equal(scene.logged[0]?.group.count, 1);
  assert.equal(scene.logged[0].group.session, 0);
  scene.logged[0].done(['gone']);
  assert.deepEqual(scene.outcomes, ['a: 1 gone 3']);
});

test('a logged read whose term ended is asked again elsewhere', () => {
  const scene = new Scene();
  scene.read('a');
  scene.execute('due');
  scene.logged[0]?.done(undefined);
  assert.deepEqual(scene.outcomes, ['a: elsewhere']);
});

test('when the term ends, whatever waits is asked again elsewhere, once', () => {
  const scene = new Scene();
  scene.lease = undefined;
  scene.read('asked');
  scene.reads.ask();
  scene.read('confirmed');
  scene.reads.ask();
  scene.reads.confirmed(2, 99);
  scene.read('gathered');
  scene.reads.abandon();
  assert.deepEqual(scene.outcomes.toSorted(), [
    'asked: elsewhere',
    'confirmed: elsewhere',
    'gathered: elsewhere',
  ]);
  scene.reads.confirmed(1, 10);
  scene.reads.abandon();
  assert.equal(scene.outcomes.length, 3);
  assert.ok(scene.reads.isIdle);
});
