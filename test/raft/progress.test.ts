import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { index, nodeId } from '../../src/base/ids.ts';
import { Inflights, Progress } from '../../src/raft/progress.ts';

const seed = Number(process.env['RAFT_FIRST_SEED'] ?? 20_261_121);

test('a window holds what a list of appends would', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ add: fc.nat(9) }),
      fc.record({ free: fc.nat(12) }),
      fc.constant({ clear: true }),
    ),
    { maxLength: 120 },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 60 }),
      steps,
      (messagesMax, bytesMax, given) => {
        const window = new Inflights({ messagesMax, bytesMax });
        let model: { last: number; bytes: number }[] = [];
        let last = 0;
        for (const step of given) {
          if ('add' in step) {
            if (window.isFull) continue;
            last += 1;
            window.add(index(last), step.add);
            model.push({ last, bytes: step.add });
          } else if ('free' in step) {
            const to = (model[0]?.last ?? 0) + step.free - 3;
            window.freeTo(index(to));
            model = model.filter((each) => each.last > to);
          } else {
            window.clear();
            model = [];
          }
          const bytes = model.reduce((sum, each) => sum + each.bytes, 0);
          assert.equal(window.count, model.length);
          assert.equal(window.isFull, model.length >= messagesMax || bytes >= bytesMax);
        }
      },
    ),
    { seed, numRuns: 300 },
  );
});

const fresh = (): Progress =>
  new Progress({
    id: nodeId(2),
    next: index(5),
    inflights: new Inflights({ messagesMax: 2, bytesMax: Infinity }),
  });

test('a probed peer gets one append with entries, then nothing until it answers', () => {
  const progress = fresh();
  progress.sentEntries(1, 10);
  assert.equal(progress.isPaused, true);
  assert.equal(progress.next, 5, 'what is probed is not taken for received');
  assert.equal(progress.maybeUpdate(index(5)), true);
  assert.equal(progress.isPaused, false);
});

test('a replicating peer pauses when its window is full, and goes on when it is not', () => {
  const progress = fresh();
  progress.maybeUpdate(index(4));
  progress.becomeReplicate();
  progress.sentEntries(3, 1);
  assert.equal(progress.next, 8);
  assert.equal(progress.isPaused, false);
  progress.sentEntries(1, 1);
  assert.equal(progress.isPaused, true);
  progress.maybeUpdate(index(7));
  progress.inflights.freeTo(index(7));
  assert.equal(progress.isPaused, false);
});

test('rejections that are stale change nothing', () => {
  const progress = fresh();
  assert.equal(progress.maybeDecrease(index(9), index(1)), false, 'not what was probed');
  assert.equal(progress.maybeDecrease(index(4), index(2)), true);
  assert.equal(progress.next, 3);
  progress.maybeUpdate(index(6));
  progress.becomeReplicate();
  assert.equal(progress.maybeDecrease(index(6), index(2)), false, 'acknowledged since');
});

test('a peer that got a snapshot is probed behind it', () => {
  const progress = fresh();
  progress.becomeSnapshot(index(20));
  assert.equal(progress.isPaused, true);
  progress.becomeProbe();
  assert.equal(progress.next, 21);
});
