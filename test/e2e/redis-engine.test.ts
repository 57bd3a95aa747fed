/**
 * Goal: with engine redis, whatever happens to the Redis of one node, clients of all nodes see a pause and no error, nothing that was acknowledged is
 * missing or there twice, and the three Redis end equal.
 * Method: `outrigger dev --engine redis`; a client at each node that adds to a list and to a counter without a break; accidents to each Redis in turn.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAlive, startDev } from '../support/dev-process.ts';
import { ErrorReply, RawClient, type Reply } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const timeout = 180_000;
const deadlineMs = 30_000;
const redisOffset = 4_000;

async function ask(port: number, ...args: readonly string[]): Promise<Reply> {
  const client = await RawClient.connect(port);
  try {
    return await client.call(...args);
  } finally {
    client.close();
  }
}

const pidOf = async (port: number): Promise<number> =>
  Number(/process_id:(\d+)/.exec(String(await ask(port, 'INFO', 'server')))?.[1]);

/** Adds tokens of its own until it is told to stop; gives back those that were acknowledged. */
function writer(port: number, name: string): { stop: () => Promise<readonly string[]> } {
  const stopping = new AbortController();
  const work = async (): Promise<readonly string[]> => {
    const client = await RawClient.connect(port);
    const done: string[] = [];
    for (let n = 0; !stopping.signal.aborted; n += 1) {
      const token = `${name}-${n}`;
      const replies = await client.pipeline([
        ['RPUSH', 'list', token],
        ['INCR', 'count'],
        ['SET', `lock-${name}`, token, 'PX', '50'],
      ]);
      for (const reply of replies) assert.ok(!(reply instanceof ErrorReply), String(reply));
      done.push(token);
    }
    client.close();
    return done;
  };
  const working = work();
  // Awaited in `stop`; a failure before that must not end the process unseen.
  working.catch(() => undefined);
  return {
    stop: () => {
      stopping.abort();
      return working;
    },
  };
}

test('accidents of the Redis of any node cost a pause', { timeout }, async (t) => {
  const dev = await startDev(t, { flags: ['--engine', 'redis'] });
  await dev.printed(/^ready/m);
  const ports = [0, 1, 2].map((at) => dev.port + at);
  const writers = ports.map((port, at) => writer(port, `w${at}`));
  const progress = async (): Promise<void> => {
    const before = Number(await ask(dev.port, 'GET', 'count'));
    await until('writes go on', deadlineMs, async () => {
      return Number(await ask(dev.port, 'GET', 'count')) > before + 30;
    });
  };
  const isWell = async (port: number): Promise<void> => {
    await until('the node is ready again', deadlineMs, async () => {
      return (await fetch(`http://127.0.0.1:${port + 3_000}/readyz`)).ok;
    });
  };
  for (const port of ports) {
    const redis = port + redisOffset;
    await progress();
    const pid = await pidOf(redis);
    process.kill(pid, 'SIGKILL');
    await progress();
    await until('the redis-server is back', deadlineMs, async () => (await pidOf(redis)) !== pid);
    await isWell(port);
    await ask(redis, 'FLUSHALL');
    await progress();
    await isWell(port);
    await ask(redis, 'SET', 'stranger', '7');
    await progress();
    await isWell(port);
    const hung = await pidOf(redis);
    process.kill(hung, 'SIGSTOP');
    await progress();
    process.kill(hung, 'SIGCONT');
    await isWell(port);
  }
  const acknowledged = (await Promise.all(writers.map((one) => one.stop()))).flat();
  const list = await ask(dev.port, 'LRANGE', 'list', '0', '-1');
  assert.ok(Array.isArray(list));
  assert.deepEqual(list.map(String).sort(), [...acknowledged].sort());
  assert.equal(await ask(dev.port, 'GET', 'count'), String(acknowledged.length));
  for (const port of ports) {
    await until('the Redis has the whole list', deadlineMs, async () => {
      const own = await ask(port + redisOffset, 'LRANGE', 'list', '0', '-1');
      return JSON.stringify(own) === JSON.stringify(list);
    });
    assert.equal(await ask(port + redisOffset, 'GET', 'count'), String(acknowledged.length));
  }
  const servers = await Promise.all(ports.map((port) => pidOf(port + redisOffset)));
  dev.kill('SIGTERM');
  assert.equal((await dev.ended()).code, 0, dev.text());
  assert.deepEqual(servers.filter(isAlive), []);
});
