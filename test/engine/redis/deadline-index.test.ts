/**
 * The index of deadlines against a model of what Redis holds: commands that are sent, and answered later in that order.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeadlineIndex } from '../../../src/engine/redis/deadline-index.ts';
import type { Touch } from '../../../src/engine/redis/deadline-index.ts';

type Step =
  | { readonly kind: 'set'; readonly ms: number; readonly succeeds: boolean }
  | { readonly kind: 'clear'; readonly succeeds: boolean }
  | { readonly kind: 'remove'; readonly ms: number }
  | { readonly kind: 'answer' };

const ms = fc.integer({ min: 1, max: 20 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('set' as const), ms, succeeds: fc.boolean() }),
    },
    fc.record({ kind: fc.constant('clear' as const), succeeds: fc.boolean() }),
    fc.record({ kind: fc.constant('remove' as const), ms }),
    { weight: 4, arbitrary: fc.constant({ kind: 'answer' as const }) },
  ),
  { maxLength: 60 },
);

/** The key as Redis has it behind each command that is not answered, and behind the last that is. */
class Model {
  readonly index = new DeadlineIndex();
  readonly points: number[] = [Infinity];
  readonly #answers: { readonly touch: Touch | undefined; readonly outcome: number | undefined }[] =
    [];

  take(step: Step): void {
    const now = this.points.at(-1) ?? Infinity;
    switch (step.kind) {
      case 'set': {
        const touch = this.index.lower(0, 'k', step.ms);
        this.#sent(touch, step.succeeds ? step.ms : undefined);
        break;
      }
      case 'clear':
        this.#sent(this.index.touch(0, 'k'), step.succeeds ? Infinity : undefined);
        break;
      case 'remove':
        if (!this.index.needsRemoval(0, 'k', step.ms)) break;
        this.#sent(this.index.removalSent(0, 'k', step.ms), now <= step.ms ? Infinity : now);
        assert.equal(this.index.needsRemoval(0, 'k', step.ms), false);
        break;
      case 'answer':
        this.answer();
    }
  }

  /** False: nothing is in flight. */
  answer(): boolean {
    const next = this.#answers.shift();
    if (next === undefined) return false;
    this.points.shift();
    if (next.touch !== undefined) this.index.settle(next.touch, next.outcome);
    return true;
  }

  check(): void {
    const bound = this.index.boundMs(0, 'k') ?? Infinity;
    assert.ok(bound <= Math.min(...this.points), `bound ${bound} of ${this.points.join()}`);
    assert.equal(this.index.earliestMs(0) ?? Infinity, bound);
    assert.equal(this.index.isEmpty(0), bound === Infinity);
  }

  #sent(touch: Touch | undefined, outcome: number | undefined): void {
    this.points.push(outcome ?? this.points.at(-1) ?? Infinity);
    this.#answers.push({ touch, outcome });
  }
}

test('a bound is never above a deadline that the key has at any point in flight', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const model = new Model();
      for (const step of all) {
        model.take(step);
        model.check();
      }
      while (model.answer()) model.check();
    }),
    { numRuns: 3000 },
  );
});

test('once a command that tells is answered and nothing else is in flight, the bound is exact', () => {
  fc.assert(
    fc.property(steps, ms, fc.boolean(), (all, last, isSet) => {
      const model = new Model();
      for (const step of all) model.take(step);
      model.take({ kind: 'set', ms: last, succeeds: true });
      if (!isSet) model.take({ kind: 'clear', succeeds: true });
      while (model.answer());
      assert.equal(model.index.boundMs(0, 'k'), isSet ? last : undefined);
    }),
    { numRuns: 1000 },
  );
});

test('the bound of a key that always has something in flight goes up', () => {
  const model = new Model();
  for (let at = 1; at <= 1000; at += 1) {
    model.take({ kind: 'set', ms: 100 + at, succeeds: true });
    if (at > 10) model.take({ kind: 'answer' });
    model.check();
  }
  assert.ok((model.index.boundMs(0, 'k') ?? 0) > 1000);
});

test('a command that gave no deadline leaves nothing behind', () => {
  const index = new DeadlineIndex();
  index.settle(index.lower(0, 'k', 5), undefined);
  assert.equal(index.isEmpty(0), true);
});

test('databases that change places, and such that are flushed, take their keys with them', () => {
  const index = new DeadlineIndex();
  const late = index.lower(1, 'k', 5);
  index.lower(2, 'k', 7);
  index.swap(1, 3);
  assert.equal(index.boundMs(1, 'k'), undefined);
  assert.equal(index.boundMs(3, 'k'), 5);
  index.settle(late, 9);
  assert.equal(index.boundMs(3, 'k'), 9);
  assert.equal(index.nextDeadlineMs(), 7);
  index.flush(2);
  assert.equal(index.nextDeadlineMs(), 9);
  index.flush(undefined);
  assert.equal(index.nextDeadlineMs(), undefined);
  index.settle(late, 4);
  assert.equal(index.isEmpty(3), true);
});

test('due keys are told up to a number, and not again while their removal is on its way', () => {
  const index = new DeadlineIndex();
  for (let key = 0; key < 10; key += 1) index.lower(0, `k${key}`, key);
  const due = index.due(0, 5, 4);
  assert.equal(due.length, 4);
  for (const key of due) index.removalSent(0, key, 5);
  const rest = index.due(0, 5, 4);
  assert.deepEqual([...due, ...rest].sort(), ['k0', 'k1', 'k2', 'k3', 'k4', 'k5']);
  assert.equal(index.due(0, 6, 99).length, 7);
});
