import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.ts';
import { shardId } from '../../src/base/ids.ts';
import { OrderQueue, type Slot } from '../../src/front/order-queue.ts';
import { ShardOrder } from '../../src/front/shard-order.ts';

const slot = (isSilent = false): Slot => ({
  reply: undefined,
  isSilent,
  resp3Shape: undefined,
  next: undefined,
});

describe('the order queue', () => {
  test('lets replies leave in order, however they come', () => {
    const orders = fc.nat({ max: 20 }).chain((count) => {
      const places = Array.from({ length: count }, (_, place) => place);
      return fc.shuffledSubarray(places, { minLength: count });
    });
    fc.assert(
      fc.property(orders, (order) => {
        const queue = new OrderQueue();
        const slots = order.map(() => slot());
        for (const each of slots) queue.add(each);
        let left = '';
        for (const [step, place] of order.entries()) {
          left += queue.settle(slots[place]!, `<${place}>`);
          const whole = order.map((_, i) => `<${i}>`).join('');
          assert.ok(whole.startsWith(left));
          assert.equal(
            queue.heldBytes + left.length,
            order
              .slice(0, step + 1)
              .map((i) => `<${i}>`)
              .join('').length,
          );
        }
        assert.equal(left, order.map((_, place) => `<${place}>`).join(''));
        assert.equal(queue.length, 0);
        assert.equal(queue.heldBytes, 0);
      }),
    );
  });

  test('keeps the place of a silent command and says nothing for it', () => {
    const queue = new OrderQueue();
    const [first, silent, last] = [slot(), slot(true), slot()];
    for (const each of [first, silent, last]) queue.add(each);
    assert.equal(queue.settle(silent, '+OK\r\n'), '');
    assert.equal(queue.settle(last, ':2\r\n'), '');
    assert.equal(queue.settle(first, ':1\r\n'), ':1\r\n:2\r\n');
  });

  test('joins small replies, but not without end', () => {
    const queue = new OrderQueue();
    const first = slot();
    queue.add(first);
    const reply = 'x'.repeat(100_000);
    const rest = Array.from({ length: 10 }, () => slot());
    for (const each of rest) queue.add(each);
    for (const each of rest) queue.settle(each, reply);
    const pieces = [queue.settle(first, '+OK\r\n')];
    while (pieces.at(-1) !== '') pieces.push(queue.take());
    assert.deepEqual(
      pieces.map((piece) => piece.length),
      [200_005, 200_000, 200_000, 200_000, 200_000, 0],
    );
    assert.equal(queue.length, 0);
    assert.equal(queue.heldBytes, 0);
  });

  test('takes no second reply', () => {
    const queue = new OrderQueue();
    const [first, second] = [slot(), slot()];
    queue.add(first);
    queue.add(second);
    queue.settle(second, '+OK\r\n');
    assert.throws(() => queue.settle(second, '+OK\r\n'), AssertionError);
  });
});

describe('the order on a shard', () => {
  const [shard, other] = [shardId(3), shardId(4)];

  test('a read goes off the log unless something of the connection is in it', () => {
    const order = new ShardOrder();
    assert.equal(order.followsLog(shard), false);
    order.begin(shard, 'log');
    assert.equal(order.followsLog(shard), true);
    assert.equal(order.followsLog(other), false);
    assert.equal(order.end(shard, 'log', 1), false);
    assert.equal(order.followsLog(shard), false);
  });

  test('a write waits for quick reads on its shard alone, until the last of them', () => {
    const order = new ShardOrder();
    order.begin(shard, 'read');
    order.begin(shard, 'local');
    order.begin(shard, 'read');
    assert.equal(order.mayBegin(shard, true), false);
    assert.equal(order.mayBegin(shard, false), true);
    assert.equal(order.mayBegin(other, true), true);
    assert.equal(order.end(shard, 'read', 1), false);
    assert.equal(order.end(shard, 'read', 1), false);
    assert.equal(order.asksLeader(shard), false, 'the one that is left is local');
    assert.equal(order.end(shard, 'local', 1), true);
    assert.equal(order.mayBegin(shard, true), true);
  });

  test('the newest state that was seen is remembered, shard by shard', () => {
    const order = new ShardOrder();
    for (const index of [7, 9, 8, 0]) {
      order.begin(shard, 'log');
      order.end(shard, 'log', index);
    }
    assert.deepEqual([order.seen(shard), order.seen(other)], [9, 0]);
  });

  test('both kinds at once are a bug, as is an end without a beginning', () => {
    for (const path of ['read', 'local'] as const) {
      const order = new ShardOrder();
      order.begin(shard, path);
      assert.throws(() => order.begin(shard, 'log'), AssertionError);
      assert.throws(() => order.end(shard, 'log', 1), AssertionError);
    }
    const order = new ShardOrder();
    order.begin(shard, 'log');
    assert.throws(() => order.begin(shard, 'local'), AssertionError);
  });
});
