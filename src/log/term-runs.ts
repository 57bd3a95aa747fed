/**
 * The terms of a whole log in a few numbers, so that no question for a term goes to disk.
 *
 * Terms never descend along a log, so a log is a sequence of runs of one term. Memory grows with the number of leaders
 * that wrote into the log, not with its length.
 */

import { assert } from '../base/assert.ts';
import type { Index, Term } from '../base/ids.ts';

/** Entries from `from` on, up to the next run, have `term`. */
interface Run {
  readonly from: Index;
  readonly term: Term;
}

/** Invariant: runs ascend in both index and term, the first starts at the base's index and is never removed. */
export class TermRuns {
  readonly #runs: Run[];

  constructor(from: Index, term: Term) {
    this.#runs = [{ from, term }];
  }

  /** Takes the term of the entry behind the last one. */
  append(index: Index, term: Term): void {
    const last = this.#last();
    assert(index > last.from, 'terms are appended in order of index');
    assert(term >= last.term, 'terms do not descend along a log');
    if (term > last.term) this.#runs.push({ from: index, term });
  }

  /** Forgets everything from `index` on. */
  truncate(index: Index): void {
    while (this.#last().from >= index) this.#runs.pop();
  }

  /** The term at an index of the log, which the caller has checked to be in it. */
  at(index: Index): Term {
    // From the end: nearly all questions are for the newest run.
    const run = this.#runs.findLast((candidate) => candidate.from <= index);
    assert(run !== undefined, 'an index asked for is not before the base');
    return run.term;
  }

  #last(): Run {
    const last = this.#runs.at(-1);
    assert(last !== undefined, "the base's run is never removed");
    return last;
  }
}
