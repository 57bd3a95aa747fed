import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nodeId } from '../../src/base/ids.ts';
import { createMemoryLog, MemoryDisk } from '../../src/log/memory-log.ts';
import { created, describeLog, newIdentity, one, run } from '../contract/log.ts';

const self = nodeId(1);

describeLog('the memory log', () => {
  const disk = new MemoryDisk();
  return Promise.resolve({
    open: () => Promise.resolve(createMemoryLog({ nodeId: self, disk })),
    remove: () => Promise.resolve(),
  });
});

test('a memory log says that it is not durable', () => {
  assert.equal(createMemoryLog({ nodeId: self }).isDurable, false);
});

test('a crash keeps what was written to its end and loses what was under way', async () => {
  const disk = new MemoryDisk();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let isSlow = false;
  const settle = (): Promise<undefined> => (isSlow ? promise : Promise.resolve(undefined));
  const before = createMemoryLog({ nodeId: self, disk, settle });
  await before.write([created(one, run(1, 2))]);
  isSlow = true;
  const writing = before.write([{ group: one, entries: run(3, 4) }]);
  disk.crash();
  const after = createMemoryLog({ nodeId: self, disk });
  resolve(undefined);
  await assert.rejects(writing, { code: 'storage-failed' });
  assert.equal(after.storage(one).lastIndex(), 2);
  await assert.rejects(before.write([]), { code: 'storage-failed' });
});

test('a write that fails rejects, shows nothing, and so does every later one', async () => {
  const cause = new Error('no space left');
  let isBroken = false;
  const settle = (): Promise<void> => (isBroken ? Promise.reject(cause) : Promise.resolve());
  const log = createMemoryLog({ nodeId: self, settle });
  await log.write([created(one, run(1, 2))]);
  isBroken = true;
  await assert.rejects(log.write([{ group: one, entries: run(3, 3) }]), {
    code: 'storage-failed',
    cause,
  });
  isBroken = false;
  await assert.rejects(log.write([{ group: one, entries: run(3, 3) }]), {
    code: 'storage-failed',
    cause,
  });
  await assert.rejects(log.saveIdentity(newIdentity), { code: 'storage-failed', cause });
  assert.equal(log.storage(one).lastIndex(), 2);
  assert.equal(log.identity, undefined);
});

test('a memory disk is used by one log at a time and by one node only', async () => {
  const disk = new MemoryDisk();
  const log = createMemoryLog({ nodeId: self, disk });
  assert.throws(() => createMemoryLog({ nodeId: self, disk }), { code: 'locked' });
  await log.saveIdentity(newIdentity);
  await log.close();
  assert.throws(() => createMemoryLog({ nodeId: nodeId(2), disk }), { code: 'config-invalid' });
  createMemoryLog({ nodeId: self, disk });
});
