/**
 * The machine: the only file that touches its clocks, timers and entropy. Everything else is given them.
 */

import { randomBytes } from 'node:crypto';
import type { Clock, Timer, Timers } from './base/clock.ts';
import type { Random } from './base/random.ts';

export interface System {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Not for secrets. */
  readonly random: Random;
  /** For secrets and identities. */
  readonly randomBytes: (count: number) => Uint8Array;
}

/**
 * The real machine. `wallOffsetMs` shifts the wall clock alone, so that tests can run nodes whose clocks
 * differ; the monotonic clock, by which everything is measured, stays as it is.
 */
export function machineSystem(wallOffsetMs: number): System {
  return {
    clock: {
      monotonicMs: () => performance.now(),
      wallMs: () => Date.now() + wallOffsetMs,
    },
    timers: {
      after(delayMs: number, call: () => void): Timer {
        const timer = setTimeout(call, delayMs);
        timer.unref();
        return { cancel: () => clearTimeout(timer) };
      },
      ...turnTimers(),
    },
    random: { next: () => Math.random() },
    randomBytes: (count: number) => randomBytes(count),
  };
}

/**
 * One immediate a turn for everybody: first what `soon` was asked for, then what `endOfTurn` was. What these ask for
 * of `soon` belongs to the next turn, so that input is read in between.
 */
function turnTimers(): Pick<Timers, 'soon' | 'endOfTurn'> {
  let calls: (() => void)[] = [];
  let lastCalls: (() => void)[] = [];
  let isScheduled = false;
  const run = (): void => {
    isScheduled = false;
    const due = calls;
    calls = [];
    for (const call of due) call();
    // The list may grow while it is run through.
    for (const call of lastCalls) call();
    lastCalls = [];
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(run);
  };
  return {
    soon(call: () => void): void {
      calls.push(call);
      schedule();
    },
    endOfTurn(call: () => void): void {
      lastCalls.push(call);
      schedule();
    },
  };
}
