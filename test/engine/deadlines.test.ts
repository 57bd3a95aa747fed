import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomInteger, seededRandom } from '../../src/base/random.ts';
import { Deadlines } from '../../src/engine/deadlines.ts';
import type { Deadline } from '../../src/engine/deadlines.ts';
import type { Int64 } from '../../src/engine/int64.ts';

test('the earliest deadline comes first, after any changes and removals', (t) => {
  const seed = 11;
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const heap = new Deadlines<number>();
  const nodes: Deadline<number>[] = [];
  for (let step = 0; step < 5000; step += 1) {
    const atMs = randomInteger(random, 0, 200);
    const place = randomInteger(random, 0, Math.max(nodes.length - 1, 0));
    const node = nodes[place];
    const action = random.next();
    if (node === undefined || action < 0.4) {
      nodes.push(heap.add(step, atMs));
    } else if (action < 0.7) {
      heap.change(node, atMs);
    } else {
      heap.remove(node);
      nodes.splice(place, 1);
    }
    const times = nodes.map((kept) => Number(kept.atMs)).sort((a, b) => a - b);
    assert.equal(heap.size, times.length);
    assert.equal(heap.earliest()?.atMs, times[0]);
    assert.equal(heap.countUntil(atMs), times.filter((time) => time <= atMs).length);
  }
});

test('deadlines beyond safe integers keep their order', () => {
  const heap = new Deadlines<string>();
  const far: Int64 = 2n ** 63n - 1n;
  heap.add('last', far);
  heap.add('first', 5);
  heap.add('middle', far - 1n);
  const order: string[] = [];
  for (let next = heap.earliest(); next !== undefined; next = heap.earliest()) {
    order.push(next.owner);
    heap.remove(next);
  }
  assert.deepEqual(order, ['first', 'middle', 'last']);
});
