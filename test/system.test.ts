import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineSystem } from '../src/system.ts';

const { timers, clock } = machineSystem(0);

test('what is asked for the end of a turn runs behind what was asked for soon, in the same turn', async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    timers.endOfTurn(() => order.push('end'));
    timers.soon(() => {
      order.push('soon');
      timers.endOfTurn(() => order.push('end asked for by soon'));
      timers.soon(() => {
        order.push('next turn');
        resolve();
      });
    });
  });
  assert.deepEqual(order, ['soon', 'end', 'end asked for by soon', 'next turn']);
});

test('what the end of a turn asks for soon comes in a turn of its own', async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    timers.endOfTurn(() => {
      order.push('end');
      timers.soon(() => {
        order.push('soon');
        resolve();
      });
      timers.endOfTurn(() => order.push('still the end'));
    });
  });
  assert.deepEqual(order, ['end', 'still the end', 'soon']);
});

test('a wall clock that is shifted leaves the monotonic clock alone', () => {
  const shifted = machineSystem(60_000).clock;
  assert.ok(Math.abs(shifted.wallMs() - clock.wallMs() - 60_000) < 1_000);
  assert.ok(Math.abs(shifted.monotonicMs() - clock.monotonicMs()) < 1_000);
});
