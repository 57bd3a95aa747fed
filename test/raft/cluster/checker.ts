/**
 * Judges a cluster from outside, whatever happens to it: the properties of the Raft paper's figure 3.
 *
 * It sees every log as its node sees it, every application, every election and every read, and throws at the first
 * violation. It knows nothing of the faults that are injected.
 */

import assert from 'node:assert/strict';

import type { Entry } from '../../../src/raft/message.ts';

/** A node's log, durable or not, and what it applied. */
export interface Observed {
  readonly id: number;
  readonly term: number;
  readonly isLeader: boolean;
  readonly commit: number;
  /** Entries behind `base`, in order. */
  readonly log: readonly Entry[];
  readonly base: { readonly index: number; readonly term: number };
}

const textOf = (entry: Entry): string =>
  `${entry.term} ${entry.type} ${Buffer.from(entry.data).toString('latin1')}`;

export class Checker {
  readonly #leaders = new Map<number, number>();
  readonly #committed = new Map<number, string>();
  readonly #states = new Map<number, string>();
  #maxCommit = 0;

  /** The greatest index that any node has known to be committed. */
  get maxCommit(): number {
    return this.#maxCommit;
  }

  /** Election safety: at most one leader a term. Leader completeness: it holds every entry committed before. */
  sawLeader(node: Observed): void {
    const known = this.#leaders.get(node.term);
    if (known === node.id) return;
    assert.equal(known, undefined, `election safety: ${known} and ${node.id} lead ${node.term}`);
    this.#leaders.set(node.term, node.id);
    const last = node.base.index + node.log.length;
    for (const [index, text] of this.#committed) {
      if (index <= node.base.index) continue;
      assert.ok(index <= last, `leader completeness: ${node.id} lacks entry ${index}`);
      const entry = node.log[index - node.base.index - 1];
      assert.equal(entry === undefined ? '' : textOf(entry), text, 'leader completeness');
    }
  }

  /** State-machine safety, as far as logs go: what is committed at an index never differs. */
  sawCommit(node: Observed): void {
    const from = Math.max(node.base.index + 1, 1);
    for (let index = from; index <= node.commit; index += 1) {
      const entry = node.log[index - node.base.index - 1];
      assert.ok(entry !== undefined, `node ${node.id} committed ${index} without holding it`);
      assert.equal(entry.index, index);
      const known = this.#committed.get(index);
      if (known === undefined) this.#committed.set(index, textOf(entry));
      else assert.equal(textOf(entry), known, `state-machine safety at ${index}`);
    }
    this.#maxCommit = Math.max(this.#maxCommit, node.commit);
  }

  /** Leader append-only: a leader never replaces what it holds. */
  sawAppend(node: Observed, entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined || !node.isLeader) return;
    // What a node was told to append just before its election may replace older entries.
    if (first.term < node.term) return;
    assert.ok(first.index > node.base.index + node.log.length, 'leader append-only');
  }

  /** Log matching: where two logs hold the same term at an index, they are equal up to there. */
  compareLogs(left: Observed, right: Observed): void {
    const low = Math.max(left.base.index, right.base.index) + 1;
    const high = Math.min(left.base.index + left.log.length, right.base.index + right.log.length);
    let isMatching = false;
    for (let index = high; index >= low; index -= 1) {
      const ours = left.log[index - left.base.index - 1];
      const theirs = right.log[index - right.base.index - 1];
      assert.ok(ours !== undefined && theirs !== undefined);
      isMatching ||= ours.term === theirs.term;
      if (isMatching) assert.equal(textOf(ours), textOf(theirs), `log matching at ${index}`);
    }
  }

  /** Two state machines that applied as much are equal; `state` stands for everything applied to `index`. */
  sawState(index: number, state: string): void {
    const known = this.#states.get(index);
    if (known === undefined) this.#states.set(index, state);
    else assert.equal(state, known, `state machines differ at ${index}`);
  }
}
