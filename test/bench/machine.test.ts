import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storageOf } from '../../bench/machine.ts';

const mounts = `/dev/vda / ext4 rw 0 0
proc /proc proc rw 0 0
tmpfs /tmp/fast tmpfs rw 0 0
/dev/vdb /data xfs rw 0 0
`;

test('data lies on the filesystem with the longest mount point above it', () => {
  assert.equal(storageOf('/tmp', mounts), '/tmp on ext4 (/dev/vda)');
  assert.equal(storageOf('/tmp/fast', mounts), '/tmp/fast on tmpfs (tmpfs)');
  assert.equal(storageOf('/tmp/fast/a', mounts), '/tmp/fast/a on tmpfs (tmpfs)');
  assert.equal(storageOf('/tmp/faster', mounts), '/tmp/faster on ext4 (/dev/vda)');
  assert.equal(storageOf('/data/b', mounts), '/data/b on xfs (/dev/vdb)');
});
