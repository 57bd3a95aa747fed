/**
 * The redis engine under the contract suite, over a real redis-server, and what is its own: flushes, swaps, and keys that clients do not see.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { connectTarget, type Target } from '../../differential/target.ts';
import { engineContract } from '../../contract/engine.ts';
import { words } from '../../support/commands.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';
import { commandsOf, countedEntry, createEngines, joinRedis, type Join } from './harness.ts';

engineContract(
  'the redis engine',
  async () => {
    const redis = await startRedis();
    const url = `redis://127.0.0.1:${redis.port}`;
    const { engines, server } = await createEngines({ url, directory: undefined });
    const [engine] = engines;
    assert.ok(engine);
    const close = async (): Promise<void> => {
      server.close();
      await redis.stop();
    };
    // The suite closes what it drives, and its Redis ends with it.
    return Object.assign(engine, { close });
  },
  'apart',
);

describe('several shards in one Redis', () => {
  let redis: RedisServer;
  let direct: Target;
  let joined: Join;

  const run = async (line: string): Promise<string> =>
    (await direct.execute(words(line))).toString('latin1');
  const repliesOf = (shard: number, index: number): readonly string[] | undefined =>
    joined.hosts[shard]?.replies.get(index)?.at(-1);
  const host = (shard: number) => {
    const found = joined.hosts[shard];
    assert.ok(found);
    return found;
  };

  beforeEach(async () => {
    redis = await startRedis();
    direct = await connectTarget(redis.port);
    const url = `redis://127.0.0.1:${redis.port}`;
    joined = await joinRedis({ url, directory: undefined, shards: 2 });
  });

  afterEach(async () => {
    joined.close();
    await direct.close();
    await redis.stop();
  });

  test('a flush removes the keys of its shard only, those of its own entry included', async () => {
    const keys = Array.from({ length: 1_500 }, (_, n) => n);
    for (const shard of [0, 1])
      host(shard).append(
        commandsOf(...keys.map((n) => `SET ${shard}:${n} 1`), `[4] SET ${shard} 1`),
      );
    await Promise.all(joined.hosts.map((one) => one.settled()));
    host(0).append(
      commandsOf(
        'SET 0:before 1',
        'EXISTS 0:7',
        'FLUSHALL',
        'EXISTS 0:7 0:before',
        'SET 0:after 1',
      ),
    );
    host(0).append(commandsOf('EXISTS 0:after', '[4] EXISTS 0', 'DBSIZE'));
    host(1).append(commandsOf('SET 1:more 1'));
    await Promise.all(joined.hosts.map((one) => one.settled()));
    assert.deepEqual(repliesOf(0, 2), ['+OK\r\n', ':1\r\n', '+OK\r\n', ':0\r\n', '+OK\r\n']);
    assert.deepEqual(repliesOf(0, 3), [':1\r\n', ':0\r\n', ':1\r\n']);
    host(1).append(commandsOf('DBSIZE', '[4] DBSIZE'));
    await host(1).settled();
    assert.deepEqual(repliesOf(1, 3), [':1501\r\n', ':1\r\n']);
    assert.deepEqual(
      joined.hosts.map(({ joins }) => joins.length),
      [1, 1],
    );
  });

  test('a wrong command in front of a flush has its reply', async () => {
    host(0).append(commandsOf('SET 0:a 1 NX XX', 'FLUSHALL', 'SET 0:a 1 NX XX'));
    await host(0).settled();
    const wrong = '-ERR syntax error\r\n';
    assert.deepEqual(repliesOf(0, 1), [wrong, '+OK\r\n', wrong]);
  });

  test('a flush of one database leaves the shard its other databases', async () => {
    host(0).append(commandsOf('SET 0:a 1', '[4] SET 0:a 1'));
    host(0).append(commandsOf('[4] FLUSHDB'));
    host(0).append(commandsOf('EXISTS 0:a', '[4] EXISTS 0:a'));
    await host(0).settled();
    assert.deepEqual(repliesOf(0, 3), [':1\r\n', ':0\r\n']);
  });

  test('a Redis that dies within a flush is made anew, and the flush takes place once', async () => {
    const keys = Array.from({ length: 3_000 }, (_, n) => n);
    for (const shard of [0, 1])
      host(shard).append(commandsOf(...keys.map((n) => `SET ${shard}:${n} 1`)));
    await Promise.all(joined.hosts.map((one) => one.settled()));
    host(0).append(commandsOf('SET 0:before 1', 'FLUSHALL', 'SET 0:after 1'));
    await until('the flush is under way', 5_000, async () => {
      return (await run('EXISTS 0:before')) === ':1\r\n' || repliesOf(0, 2) !== undefined;
    });
    await run('CLIENT KILL TYPE normal');
    for (const shard of [0, 1]) host(shard).append(commandsOf('DBSIZE'));
    await Promise.all(joined.hosts.map((one) => one.settled()));
    assert.deepEqual(host(0).replies.get(3)?.at(-1), [':1\r\n']);
    assert.deepEqual(host(1).replies.get(2)?.at(-1), [':3000\r\n']);
  });
});

describe('one shard in a Redis', () => {
  let redis: RedisServer;
  let direct: Target;
  let joined: Join;

  const replies = (index: number): readonly string[] | undefined =>
    joined.host.replies.get(index)?.at(-1);

  beforeEach(async () => {
    redis = await startRedis();
    direct = await connectTarget(redis.port);
    joined = await joinRedis({ url: `redis://127.0.0.1:${redis.port}`, directory: undefined });
  });

  afterEach(async () => {
    joined.close();
    await direct.close();
    await redis.stop();
  });

  test('an entry that has nothing for Redis gets its replies', async () => {
    joined.host.append(commandsOf('OUTRIGGER.EFFECT "$-1\\r\\n"'));
    joined.host.append(commandsOf('INCR a'));
    await joined.host.settled();
    assert.deepEqual(replies(1), ['$-1\r\n']);
    assert.deepEqual(replies(2), [':1\r\n']);
  });

  test('flushes and swaps leave what is ours in its place, and are not taken for those of others', async () => {
    const lines = [
      'FLUSHALL',
      'FLUSHDB',
      '[3] FLUSHDB',
      '[3] FLUSHALL',
      'SWAPDB 0 3',
      '[5] SWAPDB 3 0',
      'SWAPDB 1 2',
      'SWAPDB 0 0',
    ];
    for (const line of lines) joined.host.append(commandsOf('SET a 1', line, 'SET b 1', line));
    await joined.host.settled();
    joined.host.append(commandsOf('FLUSHALL'));
    for (let n = joined.host.log.length; n < 40; n += 1) joined.host.append(countedEntry(n));
    await joined.host.settled();
    // Were one of them taken for another's, the data would be made anew within a moment.
    const told = await joined.host.read(commandsOf('DBSIZE', '[3] GET last', 'KEYS *'));
    assert.deepEqual(told?.slice(0, 2), [':2\r\n', '$2\r\n39\r\n']);
    assert.equal((await direct.execute(words('DBSIZE'))).toString(), ':5\r\n');
    assert.deepEqual(joined.host.joins.length, 1);
    assert.deepEqual(
      joined.logged.filter((line) => line.startsWith('error')),
      [],
    );
  });

  test('what our scripts change is not taken for a change by others, and what others do is', async () => {
    for (let n = 1; n <= 30; n += 1)
      joined.host.append(commandsOf(`SET k${n} 1 PX 5`, `XADD s * n ${n}`), 1_000 + n);
    joined.host.append(commandsOf('DBSIZE'), 2_000);
    await joined.host.settled();
    assert.deepEqual(replies(31), [':1\r\n']);
    const looked = joined.engines[0]?.statistics();
    // Two looks at its health later, everything that Redis had to tell has been told.
    await until('the statistics are fresh', 5_000, () => {
      const now = joined.engines[0]?.statistics();
      return now !== looked && now?.databases[0]?.keys === 1;
    });
    assert.equal(joined.host.joins.length, 1);
    await direct.execute(words('XADD s * n 0'));
    await joined.host.joined(2);
    await joined.host.settled();
    assert.deepEqual(await joined.host.read(commandsOf('XLEN s')), [':30\r\n']);
  });

  test('entries without commands are remembered over a lost connection, without being written', async () => {
    joined.host.append(commandsOf('SET a 1'));
    joined.host.append([]);
    joined.host.append([]);
    await joined.host.settled();
    const marker = (await direct.execute(words('GET outrigger:{0}:marker'))).toString();
    assert.match(marker, / 1 1 1000\r\n$/);
    await direct.execute(words('CLIENT KILL TYPE normal SKIPME yes'));
    await joined.host.joined(2);
    assert.equal(joined.host.joins.at(-1)?.index, 3);
  });
});
