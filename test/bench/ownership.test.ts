import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ownership } from '../../bench/ownership.ts';

test('everything owned is ended once, the youngest first', async () => {
  const ended: string[] = [];
  const thing = (name: string) => ({
    stop: async () => {
      await Promise.resolve();
      ended.push(name);
    },
  });
  const ownership = new Ownership();
  await ownership.own(Promise.resolve(thing('first')));
  await ownership.own(Promise.resolve(thing('second')));
  await ownership.release();
  await ownership.release();
  assert.deepEqual(ended, ['second', 'first']);
  assert.equal(ownership.signal.aborted, false);
});

test('what is only starting when everything ends is waited for and ended', async () => {
  const ownership = new Ownership();
  const { promise, resolve } = Promise.withResolvers<{ stop(): Promise<void> }>();
  const owned = ownership.own(promise);
  let isStopped = false;
  const ending = ownership.end();
  assert.equal(ownership.signal.aborted, true);
  resolve({
    stop: () => {
      isStopped = true;
      return Promise.resolve();
    },
  });
  await ending;
  await owned;
  assert.equal(isStopped, true);
});

test('what did not start has no end', async () => {
  const ownership = new Ownership();
  await assert.rejects(ownership.own(Promise.reject(new Error('no port'))), /no port/);
  await ownership.end();
});
