/**
 * One ticker a node: calls at most once an interval, and never makes up for calls it missed.
 *
 * A process that was stopped, or whose event loop was busy, has lost those ticks: making up for them would
 * count down election timers of messages that are still waiting in its sockets, and leases rest on a tick taking at least
 * its interval.
 */

import type { Timer, Timers } from '../base/clock.ts';

export class Ticker {
  readonly #timers: Timers;
  readonly #intervalMs: number;
  readonly #call: () => void;
  #timer: Timer | undefined;

  constructor(options: {
    readonly timers: Timers;
    readonly intervalMs: number;
    readonly call: () => void;
  }) {
    this.#timers = options.timers;
    this.#intervalMs = options.intervalMs;
    this.#call = options.call;
  }

  start(): void {
    this.#timer = this.#timers.after(this.#intervalMs, () => {
      this.start();
      this.#call();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
