/**
 * Goal: what a node refuses before the log depends on its engine, on options and on keys, and all else goes to a shard.
 * Method: a cluster that says that it was given a command.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShardId } from '../../src/base/ids.ts';
import type { Submission } from '../../src/cluster/cluster.ts';
import { encode, words } from '../support/commands.ts';
import { exchange } from '../support/exchange.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { RawClient, startFront } from '../support/test-front.ts';

class TakingCluster extends FakeCluster {
  override submit(_shard: ShardId, submission: Submission): void {
    setImmediate(() => submission.settle('+taken\r\n', 0));
  }
}

async function repliesTo(
  lines: readonly string[],
  options: { readonly engineName: 'memory' | 'redis'; readonly shards?: number },
): Promise<string[]> {
  const { engineName, shards = 1 } = options;
  await using front = await startFront(new TakingCluster({ shards }), { engineName });
  await using client = await RawClient.connect(front.port);
  const replies: string[] = [];
  for (const line of lines) replies.push(await client.ask(encode(words(line))));
  return replies;
}

const taken = (lines: readonly unknown[]): string[] => lines.map(() => '+taken\r\n');

test('types that only a Redis holds are refused where the engine is the memory, whatever their arguments', async () => {
  const lines = ['HSET a f 1', 'zrange a 0 -1', 'XGROUP CREATE a g 0', 'HSET outrigger: f 1'];
  const names = ['hset', 'zrange', 'xgroup|create', 'hset'];
  assert.deepEqual(
    await repliesTo(lines, { engineName: 'memory' }),
    names.map((name) => `-ERR '${name}' is not supported yet by Outrigger's memory engine\r\n`),
  );
  assert.deepEqual(
    await repliesTo(lines.slice(0, 3), { engineName: 'redis' }),
    taken(lines.slice(0, 3)),
  );
});

test('keys that are ours are refused where a Redis is fronted, in any place and any database', async () => {
  const reserved = [
    'GET outrigger:',
    'SET outrigger:owner x',
    'MGET a b outrigger:x',
    'RENAME a outrigger:x',
    'OBJECT ENCODING outrigger:x',
    'ZUNIONSTORE outrigger:d 1 a',
    'ZUNION 2 a outrigger:{0}',
    'SORT a STORE outrigger:x',
    'XREAD STREAMS a outrigger:x 0 0',
  ];
  const error = "-ERR keys that begin with 'outrigger:' are reserved for Outrigger\r\n";
  const replies = await repliesTo(['SELECT 3', ...reserved], { engineName: 'redis' });
  assert.deepEqual(
    replies.slice(1),
    reserved.map(() => error),
  );
  const others = [
    'GET outrigger',
    'GET Outrigger:x',
    'GET o',
    'GET ""',
    'SET a outrigger:x',
    'MGET a outriggers',
    'KEYS outrigger:*',
    'SORT a LIMIT 0 1 STORE b',
    'XREAD STREAMS a outrigger:x',
  ];
  assert.deepEqual(await repliesTo(others, { engineName: 'redis' }), taken(others));
  assert.deepEqual(await repliesTo(['GET outrigger:x'], { engineName: 'memory' }), taken(['GET']));
});

test('what would block, and patterns over several shards, are refused', async () => {
  const lines = ['XREAD BLOCK 0 STREAMS a $', 'SORT a BY w_*'];
  const [block, sort] = await repliesTo(lines, { engineName: 'redis', shards: 4 });
  assert.equal(
    block,
    "-ERR 'xread' with BLOCK is not supported yet by Outrigger; ask again without it\r\n",
  );
  assert.match(sort ?? '', /^-ERR BY and GET patterns of SORT .* \(shards: 1\)\r\n$/);
  const one = await repliesTo(lines, { engineName: 'redis' });
  assert.deepEqual(one, [block, '+taken\r\n']);
});

test('nothing behind a line of HTTP is taken', async () => {
  const cluster = new FakeCluster({ mode: 'manual' });
  await using front = await startFront(cluster);
  for (const line of ['POST / HTTP/1.1', 'Host: x']) {
    assert.equal(await exchange(front.port, `${line}\r\nSET a 1\r\n\r\nSET b 2\r\n`), '');
  }
  assert.deepEqual(cluster.submitted, []);
});

test('keys that a count tells must lie in one shard', async () => {
  const lines = [
    'ZUNION 2 {t}a {t}b',
    'ZUNION 2 foo bar',
    'ZUNION 3 foo bar',
    'SORT foo STORE bar',
  ];
  const replies = await repliesTo(lines, { engineName: 'redis', shards: 64 });
  const crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
  assert.deepEqual(replies, ['+taken\r\n', crossSlot, '+taken\r\n', crossSlot]);
});

test('COMMAND tells of what the engine answers', async () => {
  const lines = ['COMMAND INFO hset', 'COMMAND GETKEYS ZUNION 1 a', 'COMMAND GETKEYS ZUNION x a'];
  const [memory] = await repliesTo(lines, { engineName: 'memory' });
  assert.equal(memory, '*1\r\n$-1\r\n');
  const [redis, keys, invalid] = await repliesTo(lines, { engineName: 'redis' });
  assert.match(redis ?? '', /^\*1\r\n\*10\r\n\$4\r\nhset\r\n:-4\r\n/);
  assert.equal(keys, '*1\r\n$1\r\na\r\n');
  assert.equal(invalid, '-ERR Invalid arguments specified for command\r\n');
});
