/**
 * Goal: the examples do what they show, as a user runs them.
 * Method: each is a process of its own, started as its header says; what it prints is compared.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The lines it prints; rejects where it fails, with what it said. */
async function linesOf(name: string): Promise<string[]> {
  const words = ['--conditions=outrigger-source', join('examples', name)];
  const { stdout } = await run(process.execPath, words, { cwd: root, timeout: 60_000 });
  return stdout.trim().split('\n');
}

test('01-embedded: put, read, expire and delete inside a process, and again after a restart', async () => {
  const lines = await linesOf('01-embedded.ts');
  assert.deepEqual(lines.slice(0, 5), [
    'consistent read: hello',
    'local read: hello',
    'deleted: true false',
    'after a restart: 1234',
    'invalidated: nothing',
  ]);
  assert.match(lines[5] ?? '', /^shard 0: leader, \d+ entries applied$/u);
});

test('02-three-nodes: two client libraries at two nodes see one Redis', async () => {
  assert.deepEqual(await linesOf('02-three-nodes.ts'), [
    'ioredis at node 1 sets: OK',
    'node-redis at node 2 gets: hello',
    'node-redis counts: 1',
    'ioredis counts: 2',
    'done',
  ]);
});
