/**
 * Time as an argument. `system.ts` has the real one, simulations their own.
 */

export interface Clock {
  /** Milliseconds with fractions since some fixed moment; never goes back, goes on while the process is stopped. */
  monotonicMs(): number;
  /** Milliseconds since 1970 by the machine's clock, which may be wrong and may jump. */
  wallMs(): number;
}

/** A timer that has been set; cancelling one that fired does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Calls once, not earlier than `delayMs` from now. Such a timer does not keep a process alive. */
  after(delayMs: number, call: () => void): Timer;
  /** Calls once, after the input that is already waiting in this turn of the event loop has been read. */
  soon(call: () => void): void;
  /**
   * Calls once, when everything that `soon` has been asked for in this turn has run: what a turn produced leaves together. It costs
   * no turn of its own.
   */
  endOfTurn(call: () => void): void;
}
