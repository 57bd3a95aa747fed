/**
 * Keeps one connection to one peer: dials, and after an end dials again, later each time.
 *
 * Owns when to dial. Must never have two connections at a time, and never dial without a wait in between.
 */

import type { Timer, Timers } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { DialledLane } from './handshake.ts';

/** A restarted peer is back soon; a dead one should cost next to nothing. */
const backoffMinMs = 50;
const backoffMaxMs = 1000;

export interface DiallerOptions {
  readonly peer: NodeId;
  readonly lane: DialledLane;
  readonly timers: Timers;
  readonly random: Random;
  /** Makes a connection; `ended` must be called when it is over. */
  readonly dial: () => void;
  /** Asked before each attempt; false ends the dialling for good. */
  readonly isWanted: () => boolean;
}

export class Dialler {
  readonly peer: NodeId;
  readonly lane: DialledLane;
  readonly #options: DiallerOptions;
  #backoffMs = backoffMinMs;
  #timer: Timer | undefined;
  #isStopped = false;
  #trouble: string | undefined;

  constructor(options: DiallerOptions) {
    this.peer = options.peer;
    this.lane = options.lane;
    this.#options = options;
  }

  start(): void {
    this.#attempt();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  succeeded(): void {
    this.#backoffMs = backoffMinMs;
    this.#trouble = undefined;
  }

  /** True where this is another trouble than last time, so that each is logged once and not once a second. */
  isNews(trouble: string): boolean {
    const isNews = trouble !== this.#trouble;
    this.#trouble = trouble;
    return isNews;
  }

  /** Waits between half the backoff and all of it, so that nodes that started together spread out. */
  ended(): void {
    if (this.#isStopped) return;
    const delayMs = this.#backoffMs * (0.5 + this.#options.random.next() / 2);
    this.#backoffMs = Math.min(this.#backoffMs * 2, backoffMaxMs);
    this.#timer = this.#options.timers.after(delayMs, () => this.#attempt());
  }

  #attempt(): void {
    if (!this.#isStopped && this.#options.isWanted()) this.#options.dial();
  }
}
