/**
 * Simulated time for many processes in one: timers fire in the order of their time, then of their setting; `soon` calls in the
 * order in which they were made; nothing happens unless the test lets time go on.
 *
 * A process may be stopped for a while (what falls due waits, and runs when it goes on) or for good (it never runs).
 * Promises settle between two steps wherever a step says that it has moved one (`promised`), so log writes and starts are as
 * deterministic as the rest.
 */

import type { Timer, Timers } from '../../src/base/clock.ts';

/** Whatever runs under virtual time: a process of the simulation, or the network. */
export class VirtualProcess {
  isPaused = false;
  isDead = false;
  /** What fell due while it was paused, and, once it goes on, what comes behind that. */
  readonly held: (() => void)[] = [];
  /** What escaped from a callback: in a real process, an uncaught exception. */
  readonly onThrown: (error: unknown) => void;

  constructor(onThrown: (error: unknown) => void) {
    this.onThrown = onThrown;
  }

  /** Runs a callback of this process now, later, or never. */
  run(call: () => void): void {
    if (this.isDead) return;
    if (this.isPaused || this.held.length > 0) this.held.push(call);
    else this.#call(call);
  }

  /** Runs the first of what is held; false where there is nothing, or it is paused again. */
  runHeld(): boolean {
    const [first] = this.held;
    if (first === undefined || this.isPaused || this.isDead) return false;
    this.#call(first);
    this.held.shift();
    return true;
  }

  #call(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.onThrown(error);
    }
  }
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly process: VirtualProcess;
  readonly call: () => void;
  isCancelled: boolean;
}

const isBefore = (left: Due, right: Due): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);

/** All promises that can settle do. */
const settlePromises = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class VirtualTime {
  /** Ms since the simulation began; the same for everybody, and known to nobody in it. */
  nowMs = 0;
  /** A heap: the first is due first. */
  readonly #timers: Due[] = [];
  #soon: Due[] = [];
  #order = 0;
  #isPromised = false;
  /** Called after everything that runs. */
  onStep: () => void = () => undefined;

  /** Something that others wait for by a promise has happened, or is about to begin. */
  promised(): void {
    this.#isPromised = true;
  }

  /** `rate`: how fast the clock runs by which the process measures its delays. */
  timersOf(process: VirtualProcess, rate: number = 1): Timers {
    return {
      after: (delayMs: number, call: () => void): Timer => {
        const due = this.#due(this.nowMs + Math.max(0, delayMs) / rate, process, call);
        this.#push(due);
        return {
          cancel: () => {
            due.isCancelled = true;
          },
        };
      },
      soon: (call: () => void) => {
        this.#soon.push(this.#due(this.nowMs, process, call));
      },
      endOfTurn: (call: () => void) => {
        this.#soon.push(this.#due(this.nowMs, process, call));
      },
    };
  }

  /** A paused process goes on: first what it missed, in order, then what comes. */
  resume(process: VirtualProcess): void {
    process.isPaused = false;
    this.#runHeld(process);
  }

  #runHeld(process: VirtualProcess): void {
    const goOn: VirtualProcess = new VirtualProcess(process.onThrown);
    this.#soon.push(
      this.#due(this.nowMs, goOn, () => {
        if (process.runHeld()) this.#runHeld(process);
      }),
    );
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await settlePromises();
    while (this.#step(untilMs)) if (this.#isPromised) await this.#settle();
    this.nowMs = untilMs;
  }

  /** Lets time pass until the condition holds after a step; false where it does not within `ms`. */
  async passUntil(isDone: () => boolean, ms: number): Promise<boolean> {
    const untilMs = this.nowMs + ms;
    await settlePromises();
    while (!isDone()) {
      if (!this.#step(untilMs)) {
        this.nowMs = untilMs;
        return isDone();
      }
      if (this.#isPromised) await this.#settle();
    }
    return true;
  }

  #settle(): Promise<void> {
    this.#isPromised = false;
    return settlePromises();
  }

  /** One turn: all that waits for `soon`, or else the next timer. False where there is neither until then. */
  #step(untilMs: number): boolean {
    const turn = this.#soon;
    if (turn.length > 0) {
      this.#soon = [];
      for (const due of turn) this.#run(due.process, due.call);
    } else {
      const first = this.#timers[0];
      if (first === undefined || first.atMs > untilMs) return false;
      this.#pop();
      this.nowMs = Math.max(this.nowMs, first.atMs);
      if (first.isCancelled) return true;
      this.#run(first.process, () => {
        if (!first.isCancelled) first.call();
      });
    }
    return true;
  }

  #run(process: VirtualProcess, call: () => void): void {
    process.run(call);
    this.onStep();
  }

  #due(atMs: number, process: VirtualProcess, call: () => void): Due {
    this.#order += 1;
    return { atMs, order: this.#order, process, call, isCancelled: false };
  }

  #push(due: Due): void {
    const heap = this.#timers;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(due, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      let smaller = left;
      if (right !== undefined && isBefore(right, left)) {
        smaller = right;
        child += 1;
      }
      if (!isBefore(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}
