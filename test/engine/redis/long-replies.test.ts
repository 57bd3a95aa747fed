/**
 * Goal: a reply that no string can hold ends no process: a read is answered an error, and an entry whose batch has run is not run again.
 * Method: a real Redis answers one value of 60 MB nine times at once.
 */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { replyTooLong } from '../../../src/engine/replies.ts';
import { startRedis } from '../../support/redis-server.ts';
import { commandsOf, joinRedis, temporaryDirectory, type Join } from './harness.ts';

async function joinWithLongValue(t: TestContext): Promise<Join['host']> {
  const redis = await startRedis();
  const directory = await temporaryDirectory();
  const joined = await joinRedis({
    url: `redis://127.0.0.1:${redis.port}`,
    directory: directory.path,
    replyTimeoutMs: 20_000,
  });
  t.after(async () => {
    joined.close();
    await redis.stop();
    await directory.remove();
  });
  joined.host.append(commandsOf('SETRANGE a 60000000 x'));
  await joined.host.settled();
  return joined.host;
}

test('a read whose reply is too long is answered an error, and those beside it as ever', async (t) => {
  const host = await joinWithLongValue(t);
  const replies = await host.read(commandsOf('STRLEN a', `MGET${' a'.repeat(9)}`, 'STRLEN a'));
  assert.deepEqual(replies, [':60000001\r\n', replyTooLong, ':60000001\r\n']);
  assert.equal(host.joins.length, 1);
});

test('an entry whose replies are too long together takes effect once', async (t) => {
  const host = await joinWithLongValue(t);
  const looks = Array<string>(9).fill('GETEX a PERSIST');
  host.append(commandsOf('INCR n', ...looks));
  await host.settled();
  host.append(commandsOf('INCR n'));
  await host.settled();
  assert.deepEqual(await host.read(commandsOf('GET n')), ['$1\r\n2\r\n']);
  // Its replies could not come, and the data was not in doubt.
  assert.equal(host.joins.length, 2);
  assert.ok((host.joins[1]?.index ?? 0) > 0);
});
