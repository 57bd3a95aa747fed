/**
 * Timers that run when the test says so.
 */

import type { Timers } from '../../src/base/clock.ts';

export interface ManualTimers extends Timers {
  /** How many calls of `soon` wait. */
  readonly waiting: number;
  /** Runs the calls that wait now, not those they make. */
  runOnce(): void;
  /** Runs until nothing waits. */
  runAll(): void;
}

/** Only `soon` is served; `after` is an error. */
export function manualTimers(): ManualTimers {
  let calls: (() => void)[] = [];
  const timers: ManualTimers = {
    get waiting() {
      return calls.length;
    },
    after() {
      throw new Error('these timers serve soon() only');
    },
    soon(call) {
      calls.push(call);
    },
    endOfTurn(call) {
      calls.push(call);
    },
    runOnce() {
      const due = calls;
      calls = [];
      for (const call of due) call();
    },
    runAll() {
      while (calls.length > 0) timers.runOnce();
    },
  };
  return timers;
}
