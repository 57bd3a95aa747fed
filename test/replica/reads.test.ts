import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../src/base/ids.ts';
import type { EngineRead, ReadReply } from '../../src/engine/engine.ts';
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
  /** Commands in each. */
  readonly sizes: number[] = [];
  readonly rounds: number[] = [];
  readonly logged: LoggedRead[] = [];
  readonly outcomes: string[] = [];
  onExecute: () => void = () => undefined;
  /** How often another turn was asked for. */
  laters = 0;
  room: 'now' | 'later' | 'gone' = 'now';
  /** Replies that askers still take. */
  capacity = Infinity;
  readonly reads: Reads;

  constructor() {
    this.reads = new Reads({
      engine: {
        read: (read: EngineRead, done) => {
          this.executing.push(done);
          this.sizes.push(read.commands.length);
          this.onExecute();
        },
      },
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
      timeMs: () => 5,
      lease: () => this.lease,
      appliedIndex: () => this.appliedIndex,
      givenIndex: () => this.appliedIndex,
      isServing: () => this.isServing,
      askIndex: (round) => this.rounds.push(round),
      log: (read) => this.logged.push(read),
      later: () => {
        this.laters += 1;
      },
    });
  }

  /** A lease until 400 ms from now. */
  newLease(): Lease {
    const lease = new Lease({ self: nodeId(1), driftMs: 0 });
    const answer = { sentMs: this.nowMs, promiseMs: 400 };
    lease.answered(nodeId(2), answer, { ...emptyConfState, voters: [1, 2, 3].map(nodeId) });
    return lease;
  }

  read(name: string, commands = 1, from = 2, bytes = new Uint8Array(0), floor = 0): void {
    this.reads.read({
      from: nodeId(from),
      commands: Array.from({ length: commands }, () => ({ database: 0, bytes })),
      floor,
      room: () => this.room,
      take: (replies) => {
        const taken = Math.min(replies.length, this.capacity);
        this.capacity -= taken;
        if (taken > 0) this.outcomes.push(`${name}: ${replies.slice(0, taken).join(' ')}`);
        return taken;
      },
      refuse: () => this.outcomes.push(`${name}: elsewhere`),
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
  scene.reads.turn();
  assert.deepEqual(scene.rounds, []);
  assert.ok(scene.reads.isIdle);
});

test('a read with a floor waits until that is applied, also under a lease', () => {
  const scene = new Scene();
  scene.appliedIndex = 8;
  scene.read('a', 1, 2, undefined, 9);
  assert.equal(scene.executing.length, 0);
  scene.appliedIndex = 9;
  scene.reads.serve();
  scene.execute('1');
  assert.deepEqual(scene.outcomes, ['a: 1']);
});

test('a lease that runs out while the value is read does not count: the read is confirmed and made again', () => {
  const scene = new Scene();
  scene.onExecute = () => {
    scene.nowMs += 400;
  };
  scene.read('a');
  scene.execute('stale');
  assert.deepEqual(scene.outcomes, []);
  scene.reads.turn();
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
  assert.deepEqual(scene.outcomes, ['a: elsewhere'], 'it is asked again');
  scene.read('b');
  scene.execute('now');
  assert.deepEqual(scene.outcomes, ['a: elsewhere', 'b: now']);
});

test('a leader that lost its lease during a read does not answer it while it does not serve', () => {
  const scene = new Scene();
  scene.read('a');
  scene.nowMs += 500;
  scene.isServing = false;
  scene.execute('stale');
  assert.deepEqual(scene.outcomes, []);
  scene.reads.abandon();
  assert.deepEqual(scene.outcomes, ['a: elsewhere']);
});

test('reads that come before the leader serves wait in line', () => {
  const scene = new Scene();
  scene.isServing = false;
  scene.read('a');
  scene.read('b');
  assert.equal(scene.executing.length, 0);
  scene.isServing = true;
  scene.reads.serve();
  scene.execute('1');
  scene.execute('2');
  assert.deepEqual(scene.outcomes, ['a: 1', 'b: 2']);
});

test('a read does not overtake an earlier one of its asker that waits to be confirmed', () => {
  const scene = new Scene();
  const { lease } = scene;
  scene.lease = undefined;
  scene.read('a');
  scene.reads.turn();
  scene.lease = lease;
  scene.nowMs += 400;
  scene.read('b');
  scene.read('c', 1, 3);
  assert.equal(scene.executing.length, 0);
  // The lease is renewed before the round is answered: it serves both, the earlier one first.
  scene.lease = scene.newLease();
  scene.reads.serve();
  scene.execute('1');
  scene.execute('2');
  scene.execute('3');
  assert.deepEqual(scene.outcomes, ['a: 1', 'b: 2', 'c: 3']);
});

test('a quick read need not wait for a long one in the engine, unless that has to be made again', () => {
  const scene = new Scene();
  scene.read('long');
  scene.read('quick');
  const [long, quick] = scene.executing;
  quick?.(['1']);
  assert.deepEqual(scene.outcomes, ['quick: 1']);
  scene.nowMs += 400;
  long?.(['too late']);
  scene.read('next');
  assert.equal(scene.executing.length, 2, 'it waits behind the one that is made again');
  scene.reads.turn();
  scene.reads.confirmed(1, 10);
  scene.executing.splice(0, 2);
  scene.execute('2');
  scene.execute('3');
  assert.deepEqual(scene.outcomes, ['quick: 1', 'long: 2', 'next: 3']);
});

test('a large batch is read in slices, that grow while replies are small and shrink when they are large', () => {
  const scene = new Scene();
  scene.read('a', 100);
  scene.execute(...Array.from({ length: 16 }, () => 'x'));
  scene.execute(...Array.from({ length: 32 }, () => 'x'.repeat(50_000)));
  scene.execute(...Array.from({ length: 16 }, () => 'x'.repeat(100_000)));
  assert.deepEqual(scene.sizes, [16, 32, 16, 8]);
});

test('what would make a turn long waits for the next, and each slice needs the lease', () => {
  const scene = new Scene();
  scene.read('a', 17);
  scene.execute(...Array.from({ length: 16 }, () => 'x'.repeat(300_000)));
  scene.read('b');
  scene.read('other', 1, 3);
  assert.equal(scene.executing.length, 1, 'another asker has a turn of its own');
  scene.execute('1');
  assert.ok(scene.laters > 0);
  scene.nowMs += 400;
  scene.reads.turn();
  assert.equal(scene.executing.length, 0, 'the lease is over');
  scene.reads.confirmed(1, 10);
  scene.execute('last');
  scene.execute('2');
  assert.deepEqual(scene.outcomes.slice(1), ['other: 1', 'a: last', 'b: 2']);
  assert.ok(scene.reads.isIdle);
});

test('replies that are not taken are read again, when there is room', () => {
  const scene = new Scene();
  scene.read('a', 4);
  scene.capacity = 1;
  scene.execute('1', '2', '3', '4');
  assert.equal(scene.executing.length, 0, 'not in this turn');
  scene.capacity = Infinity;
  scene.room = 'later';
  scene.reads.turn();
  assert.equal(scene.executing.length, 0);
  scene.room = 'now';
  scene.reads.turn();
  assert.deepEqual(scene.sizes, [4, 3]);
  scene.execute('B', 'C', 'D');
  assert.deepEqual(scene.outcomes, ['a: 1', 'a: B C D']);
});

test('nothing is read for an asker that is gone', () => {
  const scene = new Scene();
  scene.isServing = false;
  scene.read('a');
  scene.room = 'gone';
  scene.isServing = true;
  scene.reads.serve();
  assert.equal(scene.executing.length, 0);
  assert.ok(scene.reads.isIdle);
});

test('a line has a bound: what comes beyond is refused, unless those before it are gone', () => {
  const scene = new Scene();
  scene.isServing = false;
  const bytes = new Uint8Array(1 << 20);
  for (let count = 0; count < 33; count++) scene.read('a', 1, 2, bytes);
  assert.deepEqual(scene.outcomes, ['a: elsewhere', 'a: elsewhere']);
  scene.room = 'gone';
  scene.read('b', 1, 2, bytes);
  assert.equal(scene.outcomes.length, 2);
});

test('without a lease, reads that arrive together share a round and wait for its index to be applied', () => {
  const scene = new Scene();
  scene.lease = undefined;
  scene.read('a');
  scene.read('b');
  assert.deepEqual(scene.executing, [], 'nothing is read before a round is confirmed');
  scene.reads.turn();
  assert.deepEqual(scene.rounds, [1]);
  scene.reads.confirmed(1, 12);
  assert.deepEqual(scene.executing, []);
  scene.appliedIndex = 12;
  scene.reads.serve();
  scene.execute('1');
  scene.execute('2');
  assert.deepEqual(scene.outcomes, ['a: 1', 'b: 2']);
});

test('a read that arrives after a round was asked for does not ride on it', () => {
  const scene = new Scene();
  scene.lease = undefined;
  scene.read('a');
  scene.reads.turn();
  scene.read('b');
  scene.reads.confirmed(1, 10);
  assert.equal(scene.executing.length, 1);
  scene.reads.turn();
  assert.deepEqual(scene.rounds, [1, 2]);
});

test('only two rounds are under way at a time', () => {
  const scene = new Scene();
  scene.lease = undefined;
  for (const name of ['a', 'b', 'c']) {
    scene.read(name);
    scene.reads.turn();
  }
  assert.deepEqual(scene.rounds, [1, 2]);
  scene.reads.confirmed(1, 10);
  scene.reads.turn();
  assert.deepEqual(scene.rounds, [1, 2, 3]);
});

test('a read that met a due key is logged, alone; what stands behind it waits, and is read afterwards', () => {
  const scene = new Scene();
  scene.read('a', 3);
  scene.read('b');
  const [first, later] = scene.executing.splice(0);
  first?.(['1', 'due', 'perhaps too old']);
  assert.deepEqual(scene.outcomes, ['a: 1']);
  assert.equal(scene.logged[0]?.group.count, 1);
  assert.equal(scene.logged[0].group.session, 0);
  later?.(['2']);
  scene.read('c');
  assert.equal(scene.executing.length, 0);
  scene.logged[0].done(['gone']);
  scene.execute('3');
  scene.execute('4');
  assert.deepEqual(scene.outcomes, ['a: 1', 'b: 2', 'a: gone', 'a: 3', 'c: 4']);
});

test('a logged read whose term ended is asked again elsewhere, once', () => {
  const scene = new Scene();
  scene.read('a');
  scene.execute('due');
  scene.isServing = false;
  scene.logged[0]?.done(undefined);
  scene.reads.abandon();
  assert.deepEqual(scene.outcomes, ['a: elsewhere']);
  assert.ok(scene.reads.isIdle);
});

test('when the term ends, whatever waits is asked again elsewhere, once', () => {
  const scene = new Scene();
  scene.lease = undefined;
  scene.read('asked');
  scene.reads.turn();
  scene.read('confirmed');
  scene.reads.turn();
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
