import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Timer } from '../../src/base/clock.ts';
import { Ticker } from '../../src/cluster/ticker.ts';

/** Timers that fire when told, whatever the clock says. */
class Scene {
  nowMs = 0;
  delayMs: number | undefined;
  #call: (() => void) | undefined;
  readonly ticks: number[] = [];
  readonly ticker: Ticker;

  constructor() {
    const after = (delayMs: number, call: () => void): Timer => {
      this.delayMs = delayMs;
      this.#call = call;
      return { cancel: () => (this.#call = undefined) };
    };
    this.ticker = new Ticker({
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
      timers: { after, soon: () => undefined, endOfTurn: () => undefined },
      intervalMs: 50,
      call: () => this.ticks.push(this.nowMs),
    });
    this.ticker.start();
  }

  fireAt(nowMs: number): void {
    this.nowMs = nowMs;
    this.#call?.();
  }
}

test('a timer that fires early does not make a tick shorter', () => {
  const scene = new Scene();
  scene.fireAt(100);
  scene.fireAt(130);
  assert.deepEqual(scene.ticks, [100]);
  assert.equal(scene.delayMs, 20);
  scene.fireAt(148.9);
  assert.deepEqual(scene.ticks, [100]);
  scene.fireAt(149);
  assert.deepEqual(scene.ticks, [100, 149]);
});

test('ticks missed while the process was stopped are not made up for', () => {
  const scene = new Scene();
  scene.fireAt(50);
  scene.fireAt(5_000);
  scene.fireAt(5_001);
  assert.deepEqual(scene.ticks, [50, 5_000]);
  assert.equal(scene.delayMs, 49);
});

test('a stopped ticker ticks no more', () => {
  const scene = new Scene();
  scene.ticker.stop();
  scene.fireAt(50);
  assert.deepEqual(scene.ticks, []);
});
