/**
 * When a leader's heart may beat half as often: nothing was logged for an election timeout.
 *
 * It then beats on every second tick, which halves the wake-ups of every idle node. That leaves several heartbeats in an election
 * timeout and in a lease; where there were few to begin with, none is skipped. Heartbeats of a node's groups share frames, so all rest on the same ticks: the odd ones of the node's count.
 */

import type { Index } from '../base/ids.ts';

/** Heartbeats in an election timeout, below which none is skipped. */
const electionTicksMin = 8;

export class Rest {
  readonly #electionTicks: number;
  #lastIndex = -1;
  #quietTicks = 0;

  constructor(options: { readonly electionTicks: number }) {
    this.#electionTicks = options.electionTicks;
  }

  /** Whether heartbeats skip this tick. `ticks` is the node's count, `lastIndex` the end of the log. */
  isAt(ticks: number, lastIndex: Index): boolean {
    this.#quietTicks = lastIndex === this.#lastIndex ? this.#quietTicks + 1 : 0;
    this.#lastIndex = lastIndex;
    const isQuiet = this.#quietTicks > this.#electionTicks;
    return isQuiet && this.#electionTicks >= electionTicksMin && ticks % 2 === 1;
  }
}
