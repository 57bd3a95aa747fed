import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId, term } from '../../src/base/ids.ts';
import type { Submission } from '../../src/cluster/cluster.ts';
import type { Leader } from '../../src/cluster/origin.ts';
import { ReadOrigin } from '../../src/cluster/read-origin.ts';

class Scene {
  nowMs = 0;
  leader: Leader | undefined = { node: nodeId(2), term: term(3) };
  /** Number and size of each batch that was sent. */
  readonly sent: string[] = [];
  readonly outcomes: string[] = [];
  settled = 0;
  onSend: (read: number) => void = () => undefined;
  readonly reads = new ReadOrigin({
    clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
    commandTimeoutMs: 5_000,
    leader: () => this.leader,
    send: (leader, read, submissions: readonly Submission[]) => {
      this.sent.push(`${read}×${submissions.length} to ${leader.node}`);
      this.onSend(read);
    },
    onSettled: (count) => {
      this.settled += count;
    },
  });

  submit(name: string): void {
    this.reads.submit({
      path: 'read',
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
  scene.reads.answered(1, ['x', 'y']);
  scene.reads.answered(1, ['again', 'again']);
  assert.deepEqual(scene.outcomes, ['a x', 'b y']);
  assert.equal(scene.settled, 2);
});

test('a batch that the asked node does not answer, as it does not lead, goes again with the next tick', () => {
  const scene = new Scene();
  scene.submit('a');
  scene.reads.flush();
  scene.reads.answered(1, undefined);
  assert.equal(scene.sent.length, 1);
  scene.leader = { node: nodeId(3), term: term(4) };
  scene.pass(50);
  assert.deepEqual(scene.sent, ['1×1 to 2', '1×1 to 3']);
});

test('an answer with another number of replies is no answer', () => {
  const scene = new Scene();
  scene.submit('a');
  scene.reads.flush();
  scene.reads.answered(1, ['x', 'y']);
  assert.deepEqual(scene.outcomes, []);
});

test('a new leader gets whatever is unanswered at once, and silence is followed by another try', () => {
  const scene = new Scene();
  scene.submit('a');
  scene.reads.flush();
  scene.leader = { node: nodeId(3), term: term(4) };
  scene.reads.sendAgain();
  assert.equal(scene.sent.length, 2);
  scene.pass(950);
  assert.equal(scene.sent.length, 2);
  scene.pass(100);
  assert.equal(scene.sent.length, 3);
});

test('a leader on this node may answer at once', () => {
  const scene = new Scene();
  scene.onSend = (read) => scene.reads.answered(read, ['now']);
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
