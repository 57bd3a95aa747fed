/**
 * Warnings that strangers can cause, a few a second, so that nobody fills the log from outside.
 *
 * Owns the count only. Must never suppress in silence: what was left out is said with the next `refill`.
 */

import type { LogFields, Logger } from '../base/logger.ts';

const warningsPerRefill = 5;

export class WarningBudget {
  readonly #logger: Logger;
  #left = warningsPerRefill;
  #suppressed = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  warn(fields: LogFields, message: string): void {
    if (this.#left > 0) {
      this.#left -= 1;
      this.#logger.warn(fields, message);
    } else {
      this.#suppressed += 1;
    }
  }

  /** Called once a second. */
  refill(): void {
    const suppressed = this.#suppressed;
    this.#left = warningsPerRefill;
    this.#suppressed = 0;
    if (suppressed > 0)
      this.#logger.warn({ suppressed }, 'more connections like these were refused');
  }
}
