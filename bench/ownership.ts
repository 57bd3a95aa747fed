/**
 * What a run has started and must end, whatever becomes of it.
 *
 * Something is owned from the moment at which its start begins, so that a stop in between waits for it and then ends it.
 */

export interface Stoppable {
  stop(): Promise<void>;
}

export class Ownership {
  readonly #owned = new Set<Promise<Stoppable>>();
  readonly #aborting = new AbortController();

  /** Aborted when everything is to end. */
  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  async own<Thing extends Stoppable>(starting: Promise<Thing>): Promise<Thing> {
    this.#owned.add(starting);
    try {
      return await starting;
    } catch (error) {
      this.#owned.delete(starting);
      throw error;
    }
  }

  /** Ends everything owned so far, the youngest first. What did not start needs no end. */
  async release(): Promise<void> {
    const all = [...this.#owned].toReversed();
    this.#owned.clear();
    for (const started of await Promise.allSettled(all))
      if (started.status === 'fulfilled') await started.value.stop();
  }

  /** The same for good: whatever waits by `signal` ends as well. */
  async end(): Promise<void> {
    this.#aborting.abort();
    await this.release();
  }
}
