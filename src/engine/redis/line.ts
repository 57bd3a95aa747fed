/**
 * The order in which what an engine is asked for begins: as it comes, except that work which must be alone waits until nothing is
 * under way, and what comes behind it waits until it has ended.
 */

import { assert } from '../../base/assert.ts';

export class Line {
  #underWay = 0;
  /** What came behind work that is alone or wants to be; undefined where there is none. */
  #waiting: (() => void)[] | undefined;
  #alone: (() => void) | undefined;

  /** Begins now, or when the work that is alone has ended. How much waits is bounded by how much the caller has open. */
  enter(begin: () => void): void {
    if (this.#waiting === undefined) begin();
    else this.#waiting.push(begin);
  }

  /** Something has begun that `left` ends. */
  entered(): void {
    this.#underWay += 1;
  }

  left(): void {
    assert(this.#underWay > 0, 'what leaves has entered');
    this.#underWay -= 1;
    this.#beginAlone();
  }

  /** Begins when nothing is under way; `leave` lets in what waits, and is called once. */
  enterAlone(begin: (leave: () => void) => void): void {
    this.enter(() => {
      this.#waiting = [];
      this.#alone = () => begin(() => this.#letIn());
      this.#beginAlone();
    });
  }

  #beginAlone(): void {
    const begin = this.#alone;
    if (begin === undefined || this.#underWay > 0) return;
    this.#alone = undefined;
    begin();
  }

  #letIn(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    // One of them may want to be alone; those behind it wait again.
    for (const begin of waiting) this.enter(begin);
  }
}
