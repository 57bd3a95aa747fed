import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { NodeError } from '../../../src/base/errors.ts';
import { Memo } from '../../../src/engine/redis/memo.ts';
import { temporaryDirectory } from './harness.ts';

async function emptyDirectory(t: TestContext): Promise<string> {
  const { path, remove } = await temporaryDirectory();
  t.after(remove);
  return path;
}

test('a generation is remembered by the directory, and by nothing else', async (t) => {
  const path = await emptyDirectory(t);
  const memo = await Memo.open(path);
  assert.equal(memo.generation, undefined);
  await memo.save('00000000000000aa');
  assert.equal(memo.generation, '00000000000000aa');
  assert.equal((await Memo.open(path)).generation, '00000000000000aa');
  const forgetful = await Memo.open(undefined);
  await forgetful.save('00000000000000aa');
  assert.equal(forgetful.generation, '00000000000000aa');
  assert.equal((await Memo.open(undefined)).generation, undefined);
});

test('of generations that are written at once, the last stays', async (t) => {
  const path = await emptyDirectory(t);
  const memo = await Memo.open(path);
  const names = Array.from({ length: 20 }, (_, n) => n.toString(16).padStart(16, '0'));
  await Promise.all(names.map((name) => memo.save(name)));
  assert.equal((await Memo.open(path)).generation, names.at(-1));
});

test('a file that is none of ours is damage', async (t) => {
  const path = await emptyDirectory(t);
  await (await Memo.open(path)).save('00000000000000aa');
  const file = join(path, 'redis-engine');
  const text = await readFile(file, 'latin1');
  for (const other of ['', text.slice(0, -2), text.replace('engine 1', 'engine 2')]) {
    await writeFile(file, other);
    await assert.rejects(Memo.open(path), (error) => {
      return error instanceof NodeError && error.code === 'damaged';
    });
  }
});

test('a directory that cannot be written stops the node', async (t) => {
  const path = await emptyDirectory(t);
  const memo = await Memo.open(path);
  await mkdir(join(path, 'redis-engine.new'));
  await assert.rejects(memo.save('00000000000000aa'), (error) => {
    return error instanceof NodeError && error.code === 'storage-failed';
  });
});
