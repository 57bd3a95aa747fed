/** What several tests of the transport need: time that a test moves by hand, and a logger that keeps its lines. */

import type { Timer, Timers } from '../../src/base/clock.ts';
import type { LogFields, Logger } from '../../src/base/logger.ts';

/** Time stands still until `advance`; `soon` and `endOfTurn` stay the event loop's. */
export class ManualTimers implements Timers {
  #nowMs = 0;
  readonly #waiting: Set<{ readonly dueMs: number; readonly call: () => void }> = new Set();

  after(delayMs: number, call: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, call };
    this.#waiting.add(timer);
    return { cancel: () => void this.#waiting.delete(timer) };
  }

  soon(call: () => void): void {
    setImmediate(call);
  }

  endOfTurn(call: () => void): void {
    setImmediate(call);
  }

  /** Fires what becomes due, in order, timers set meanwhile included. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#waiting]
        .filter(({ dueMs }) => dueMs <= endMs)
        .sort((first, second) => first.dueMs - second.dueMs)[0];
      if (due === undefined) break;
      this.#waiting.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.dueMs);
      due.call();
    }
    this.#nowMs = endMs;
  }
}

/** A line is "level message {fields}". */
export class KeptLog implements Logger {
  readonly lines: string[] = [];
  readonly #waiters: (() => void)[] = [];

  debug(fields: LogFields, message: string): void {
    this.#keep('debug', fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#keep('info', fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#keep('warn', fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#keep('error', fields, message);
  }

  /** Resolves once a line matches. */
  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.lines.some((line) => pattern.test(line))) resolve();
      };
      this.#waiters.push(check);
      check();
    });
  }

  #keep(level: string, fields: LogFields, message: string): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    for (const waiter of this.#waiters) waiter();
  }
}
