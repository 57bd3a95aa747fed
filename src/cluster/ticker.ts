/**
 * One ticker a node: two ticks are never closer than the interval less `tickSlackMs`, and none is made up for.
 *
 * Leases rest on that (`replica/lease`): a voter counts ticks, and (electionTicks - 1) of them must take as long as the lease assumes. A
 * timer alone does not promise it: it is set by the time at which the event loop last looked at the clock, which may be long
 * ago, so the ticker looks itself. A process that was stopped, or whose event loop was busy, has lost ticks;
 * making up for them would count down election timers of messages that are still waiting in its sockets.
 */

import type { Clock, Timer, Timers } from '../base/clock.ts';
import { tickSlackMs } from '../replica/settings.ts';

export class Ticker {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #intervalMs: number;
  readonly #call: () => void;
  #timer: Timer | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly intervalMs: number;
    readonly call: () => void;
  }) {
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#intervalMs = options.intervalMs;
    this.#call = options.call;
  }

  start(): void {
    this.#wait(this.#intervalMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(delayMs: number): void {
    this.#timer = this.#timers.after(delayMs, () => {
      const nowMs = this.#clock.monotonicMs();
      const missingMs = this.#lastMs + this.#intervalMs - nowMs;
      if (missingMs > tickSlackMs) {
        this.#wait(Math.ceil(missingMs));
        return;
      }
      this.#lastMs = nowMs;
      this.#wait(this.#intervalMs);
      this.#call();
    });
  }
}
