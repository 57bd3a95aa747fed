import assert from 'node:assert/strict';
import { test } from 'node:test';
import { index } from '../../src/base/ids.ts';
import { Rest } from '../../src/replica/rest.ts';

const electionTicks = 10;

/** Which of the ticks `from`…`to` are skipped while the log ends at `lastIndex`. */
function skipped(rest: Rest, ticks: { from: number; to: number }, lastIndex: number): number[] {
  const found: number[] = [];
  for (let tick = ticks.from; tick <= ticks.to; tick += 1) {
    if (rest.isAt(tick, index(lastIndex))) found.push(tick);
  }
  return found;
}

test('heartbeats skip odd ticks once nothing was logged for an election timeout', () => {
  const rest = new Rest({ electionTicks });
  assert.deepEqual(skipped(rest, { from: 1, to: 18 }, 5), [13, 15, 17]);
});

test('groups that began to rest at different ticks skip the same ones', () => {
  const first = new Rest({ electionTicks });
  const second = new Rest({ electionTicks });
  skipped(first, { from: 1, to: 3 }, 5);
  const ticks = { from: 4, to: 40 };
  const later = skipped(second, ticks, 7).slice(-5);
  assert.deepEqual(skipped(first, ticks, 5).slice(-5), later);
});

test('an entry ends the rest, and another election timeout begins', () => {
  const rest = new Rest({ electionTicks });
  skipped(rest, { from: 1, to: 20 }, 5);
  assert.deepEqual(skipped(rest, { from: 21, to: 35 }, 6), [33, 35]);
});

test('where an election timeout has few heartbeats, none is skipped', () => {
  const rest = new Rest({ electionTicks: 7 });
  assert.deepEqual(skipped(rest, { from: 1, to: 40 }, 5), []);
});
