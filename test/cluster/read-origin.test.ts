import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId, term } from '../../src/base/ids.ts';
import type { Leader } from '../../src/cluster/origin.ts';
import { ReadOrigin } from '../../src/cluster/read-origin.ts';

class Scene {
  nowMs = 0;
  leader: Leader | undefined = { node: nodeId(2), term: term(3) };
  /** Number and size of each batch that was sent. */
  readonly sent: string[] = [];
  readonly outcomes: string[] = [];
  /** When a leader that answered was asked, and the index it named. */
  readonly probes: (readonly [sentMs: number, index: number])[] = [];
  settled = 0;
  isTaken = true;
  onSend: (read: number) => void = () => undefined;
  readonly reads = new ReadOrigin({
    clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
    commandTimeoutMs: 5_000,
    leader: () => this.leader,
    send: (leader, { read, submissions }) => {
      this.sent.push(`${read}×${submissions.length} to ${leader.node}`);
      this.onSend(read);
      return this.isTaken;
    },
    onAnswered: (sentMs, index) => this.probes.push([sentMs, index]),
    onSettled: (count) => {
      this.settled += count;
    },
  });

  submit(name: string): void {
    this.reads.submit({
      path: 'read',
      isAlone: false,
      database: 0,
      bytes: Buffer.from(name),
      settle: (reply) => this.outcomes.push(`${name} ${reply}`),
      fail: (failure) => this.outcomes.push(`${name} ${failure}`),
    });
  }

  pass(ms: number): void {
    for (const until = this.nowMs + ms; this.nowMs < until;) {
      this.nowMs += 50;
      this.reads.tick();
    }
  }
}

test('reads of one turn travel together and get their own replies', () => {
  const scene = new Scene();
  scene.submit('a');
  scene.submit('b');
  assert.deepEqual(scene.sent, []);
  scene.reads.flush();
  assert.deepEqual(scene.sent, ['1×2 to 2']);
  scene.reads.answered(1, { place: 0, replies: ['x', 'y'], index: 9 });
  scene.reads.answered(1, { place: 0, replies: ['again', 'again'], index: 9 });
  assert.deepEqual(scene.outcomes, ['a x', 'b y']);
  assert.equal(scene.settled, 2);
});

test('replies come some at a time, and what has none goes again without the others', () => {
  const scene = new Scene();
  for (const name of ['a', 'b', 'c']) scene.submit(name);
  scene.reads.flush();
  scene.reads.answered(1, { place: 0, replies: ['x'], index: 9 });
  assert.deepEqual(scene.outcomes, ['a x']);
  scene.leader = { node: nodeId(3), term: term(4) };
  scene.reads.leaderIsThere();
  assert.deepEqual(scene.sent, ['1×3 to 2', '2×2 to 3']);
  scene.reads.answered(1, { place: 1, replies: ['late', 'late'], index: 9 });
  scene.reads.answered(2, { place: 0, replies: ['y', 'z'], index: 9 });
  assert.deepEqual(scene.outcomes, ['a x', 'b y', 'c z']);
  assert.equal(scene.settled, 3);
});

test('a batch that the asked node refuses, as it does not lead, goes again with the next tick, and so do those behind it', () => {
  const scene = new Scene();
  for (const name of ['a', 'b', 'c']) {
    scene.submit(name);
    scene.reads.flush();
  }
  scene.reads.refused(2);
  scene.reads.refused(3);
  scene.reads.answered(3, { place: 0, replies: ['too early'], index: 9 });
  scene.submit('d');
  scene.reads.flush();
  assert.equal(scene.sent.length, 3, 'a later batch does not overtake the refused one');
  scene.pass(50);
  assert.deepEqual(scene.sent.slice(3), ['4×1 to 2', '5×1 to 2', '6×1 to 2']);
  for (const read of [1, 4, 5, 6])
    scene.reads.answered(read, { place: 0, replies: [`of ${read}`], index: 9 });
  assert.deepEqual(scene.outcomes, ['a of 1', 'b of 4', 'c of 5', 'd of 6']);
});

test('what the lane does not take holds up what is behind it, and is tried again with each tick', () => {
  const scene = new Scene();
  scene.isTaken = false;
  for (const name of ['a', 'b']) {
    scene.submit(name);
    scene.reads.flush();
  }
  assert.deepEqual(scene.sent, ['1×1 to 2']);
  scene.pass(50);
  assert.equal(scene.sent.length, 2);
  scene.isTaken = true;
  scene.pass(50);
  assert.deepEqual(scene.sent.slice(2), ['3×1 to 2', '4×1 to 2']);
});

test('replies that leave a gap, or are too many, are none: the batch is asked again', () => {
  const scene = new Scene();
  scene.submit('a');
  scene.reads.flush();
  scene.reads.answered(1, { place: 0, replies: ['x', 'y'], index: 9 });
  scene.pass(50);
  scene.reads.answered(2, { place: 1, replies: ['x'], index: 9 });
  assert.deepEqual(scene.outcomes, []);
  scene.pass(50);
  scene.reads.answered(3, { place: 0, replies: ['x'], index: 9 });
  assert.deepEqual(scene.outcomes, ['a x']);
});

test('a healthy leader is asked once, however long it takes; a new one, or a new term, gets all that is unanswered', () => {
  const scene = new Scene();
  scene.submit('a');
  scene.reads.flush();
  scene.pass(4_000);
  scene.reads.leaderIsThere();
  assert.equal(scene.sent.length, 1);
  scene.leader = { node: nodeId(2), term: term(4) };
  scene.reads.leaderIsThere();
  scene.leader = { node: nodeId(3), term: term(4) };
  scene.reads.leaderIsThere();
  assert.deepEqual(scene.sent, ['1×1 to 2', '2×1 to 2', '3×1 to 3']);
});

test('what was asked on a connection that ended is asked on the next, though no other leader was heard of', () => {
  const scene = new Scene();
  scene.submit('a');
  scene.reads.flush();
  scene.reads.disconnected(nodeId(3));
  scene.reads.leaderIsThere();
  assert.equal(scene.sent.length, 1, "another peer's connection is nothing to it");
  scene.leader = undefined;
  scene.reads.disconnected(nodeId(2));
  scene.pass(100);
  scene.leader = { node: nodeId(2), term: term(3) };
  scene.reads.leaderIsThere();
  assert.equal(scene.sent.length, 2);
});

test('a large turn travels as several batches', () => {
  const scene = new Scene();
  const name = 'x'.repeat(700_000);
  for (let count = 0; count < 3; count++) scene.submit(name);
  scene.reads.flush();
  assert.equal(scene.sent.length, 3);
});

test('a leader on this node may answer at once', () => {
  const scene = new Scene();
  scene.onSend = (read) => scene.reads.answered(read, { place: 0, replies: ['now'], index: 9 });
  for (const name of ['a', 'b', 'c']) {
    scene.submit(name);
    scene.reads.flush();
  }
  assert.deepEqual(scene.outcomes, ['a now', 'b now', 'c now']);
});

test('a read that finds no leader in time fails with cluster-down, each by its own time', () => {
  const scene = new Scene();
  scene.leader = undefined;
  scene.submit('a');
  scene.reads.flush();
  scene.pass(3_000);
  scene.submit('b');
  scene.reads.flush();
  scene.pass(2_000);
  assert.deepEqual(scene.outcomes, ['a cluster-down']);
  scene.pass(3_000);
  assert.deepEqual(scene.outcomes, ['a cluster-down', 'b cluster-down']);
  assert.equal(scene.settled, 2);
});

test('a read is never in doubt, not even when its node stops', () => {
  const scene = new Scene();
  scene.submit('sent');
  scene.reads.flush();
  scene.submit('of this turn');
  scene.reads.close();
  assert.deepEqual(scene.outcomes, ['sent closing', 'of this turn closing']);
});
