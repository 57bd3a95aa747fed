import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../src/base/ids.ts';
import { LeaderClock, WallClocks } from '../../src/replica/cluster-time.ts';

/** Three voters; the leader is node 1. Its clocks are set by hand. */
class Scene {
  monotonicMs = 5_000;
  wallMs = 1_000_000;
  readonly voters = [1, 2, 3].map(nodeId);
  readonly walls: WallClocks;
  readonly leader: LeaderClock;

  constructor() {
    const clock = { monotonicMs: () => this.monotonicMs, wallMs: () => this.wallMs };
    this.walls = new WallClocks({ clock, self: nodeId(1) });
    this.leader = new LeaderClock({ clock, walls: this.walls });
  }

  pass(ms: number): void {
    this.monotonicMs += ms;
    this.wallMs += ms;
  }

  /** A peer whose wall clock is `offsetMs` off the true time answers at once. */
  hear(peer: number, offsetMs: number): void {
    const trueMs = 1_000_000 + (this.monotonicMs - 5_000);
    this.walls.observe(nodeId(peer), trueMs + offsetMs, this.monotonicMs);
  }

  begin(lastEntryMs: number): void {
    this.leader.entryApplied(lastEntryMs);
    this.leader.begin();
    this.leader.follow(this.voters);
  }
}

test('time goes on from the last entry on the monotonic clock while no majority of clocks is known', () => {
  const scene = new Scene();
  scene.begin(400_000);
  assert.equal(scene.leader.isSettled, false);
  scene.pass(1_000);
  assert.equal(scene.leader.nowMs(), 401_000);
});

test('what passed since the last entry was applied here counts where no clocks agree', () => {
  const scene = new Scene();
  scene.leader.entryApplied(400_000);
  scene.pass(3_600_000);
  scene.leader.entryApplied(400_000);
  scene.leader.begin();
  scene.leader.follow(scene.voters);
  assert.equal(scene.leader.nowMs(), 4_000_000);
});

test('a leader whose own clock is a minute ahead follows the other voters', () => {
  const scene = new Scene();
  scene.wallMs += 60_000;
  scene.hear(2, 0);
  scene.hear(3, 10);
  scene.begin(0);
  assert.ok(scene.leader.isSettled);
  assert.ok(Math.abs(scene.leader.nowMs() - 1_000_000) <= 10);
});

test('time that passed while nobody led counts as soon as a majority of clocks agrees', () => {
  const scene = new Scene();
  scene.begin(400_000);
  assert.equal(scene.leader.isSettled, false);
  scene.hear(2, 3);
  scene.leader.follow(scene.voters);
  assert.ok(scene.leader.isSettled);
  assert.equal(scene.leader.nowMs(), 1_000_000);
});

test('a jump of the leader’s own clock is not followed', () => {
  const scene = new Scene();
  scene.hear(2, 0);
  scene.hear(3, 0);
  scene.begin(1_000_000);
  scene.wallMs += 3_600_000;
  scene.pass(50);
  scene.leader.follow(scene.voters);
  assert.equal(scene.leader.nowMs(), 1_000_050);
});

test('time never goes back, and runs slower until a reference behind it is met', () => {
  const scene = new Scene();
  scene.hear(2, 0);
  scene.hear(3, 0);
  scene.begin(1_060_000);
  let last = scene.leader.nowMs();
  assert.equal(last, 1_060_000);
  for (let tick = 0; tick < 100; tick++) {
    scene.pass(50);
    scene.hear(2, 0);
    scene.hear(3, 0);
    scene.leader.follow(scene.voters);
    assert.ok(scene.leader.nowMs() >= last);
    last = scene.leader.nowMs();
  }
  assert.ok(Math.abs(last - 1_062_500) <= 50, `half speed for 5 s: ${last}`);
});

test('a small step of the own clock is followed at once', () => {
  const scene = new Scene();
  scene.hear(2, 0);
  scene.begin(1_000_000);
  scene.wallMs += 300;
  scene.pass(10);
  scene.leader.follow(scene.voters);
  assert.equal(scene.leader.nowMs(), 1_000_310);
});

test('two of three clocks that disagree settle nothing; giving up keeps the last entry’s time', () => {
  const scene = new Scene();
  scene.wallMs += 60_000;
  scene.hear(2, 0);
  scene.begin(700_000);
  assert.equal(scene.leader.isSettled, false);
  scene.leader.settle();
  assert.ok(scene.leader.isSettled);
  assert.equal(scene.leader.nowMs(), 700_000);
});

test('a slow answer says nothing about its sender’s clock', () => {
  const scene = new Scene();
  scene.wallMs += 60_000;
  scene.walls.observe(nodeId(2), 1_000_000, scene.monotonicMs - 300);
  scene.walls.observe(nodeId(3), 1_000_000, scene.monotonicMs - 300);
  assert.equal(scene.walls.agreedOffsetMs(scene.voters), undefined);
});
