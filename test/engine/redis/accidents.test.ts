/**
 * What may happen to a Redis under a node, while entries are under way: in each case every entry takes effect exactly once, in order.
 */

import assert from 'node:assert/strict';
import { copyFile, truncate, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { connectTarget, type Target } from '../../differential/target.ts';
import { words } from '../../support/commands.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';
import {
  assertCounted,
  commandsOf,
  countedEntry,
  joinRedis,
  temporaryDirectory,
  type Join,
} from './harness.ts';

describe('an accident of the Redis costs no entry and repeats none', () => {
  let redis: RedisServer;
  let direct: Target;
  let joined: Join;
  let directory: { path: string; remove: () => Promise<void> };

  const run = async (line: string): Promise<string> =>
    (await direct.execute(words(line))).toString('latin1');
  const append = (count: number): void => {
    for (let n = 0; n < count; n += 1) joined.host.append(countedEntry(joined.host.log.length + 1));
  };
  /** The Redis again, at the same place, with what its directory holds. */
  const startAgain = async (...args: readonly string[]): Promise<void> => {
    redis = await startRedis({ after: redis, args });
    direct = await connectTarget(redis.port);
  };
  const begin = async (...args: readonly string[]): Promise<void> => {
    redis = await startRedis({ args });
    direct = await connectTarget(redis.port);
    const url = `redis://127.0.0.1:${redis.port}`;
    joined = await joinRedis({ url, directory: directory.path });
    append(50);
    await joined.host.settled();
  };
  const joinedAgain = (): Promise<void> => joined.host.joined(2);
  const stands = (): number => joined.host.joins.at(-1)?.index ?? -1;

  beforeEach(async () => {
    directory = await temporaryDirectory();
  });

  afterEach(async () => {
    joined.close();
    await direct.close();
    await redis.stop();
    await directory.remove();
  });

  test('killed, and empty again', async () => {
    await begin();
    append(50);
    await redis.kill();
    append(50);
    await startAgain();
    await joined.host.settled();
    assert.equal(stands(), 0);
    await assertCounted(joined.host);
    append(10);
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('killed, and back with an old RDB', async () => {
    await begin();
    await run('SAVE');
    const snapshot = join(redis.directory, 'dump.rdb');
    await copyFile(snapshot, `${snapshot}.old`);
    append(70);
    await joined.host.settled();
    await redis.kill();
    await copyFile(`${snapshot}.old`, snapshot);
    await startAgain();
    await joinedAgain();
    assert.equal(stands(), 50);
    append(10);
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('killed, and back with an AOF that lost its tail', async (t) => {
    const cuts = [1, 40, 333, 1_000];
    for (const bytes of cuts) {
      t.diagnostic(`the AOF lost ${bytes} bytes`);
      await begin('--appendonly', 'yes', '--appendfsync', 'always');
      append(50);
      await joined.host.settled();
      await redis.kill();
      const files = join(redis.directory, 'appendonlydir');
      const tail = (await readdir(files)).find((name) => name.endsWith('.incr.aof'));
      const path = join(files, tail ?? '');
      await truncate(path, (await stat(path)).size - bytes);
      await startAgain('--appendonly', 'yes');
      await joinedAgain();
      assert.ok(stands() > 80 && stands() < 100, String(stands()));
      append(10);
      await joined.host.settled();
      await assertCounted(joined.host);
      if (bytes === cuts.at(-1)) break;
      joined.close();
      await direct.close();
      await redis.stop();
      await directory.remove();
      directory = await temporaryDirectory();
    }
  });

  test('back with an old RDB of data that was given up', async () => {
    await begin();
    await run('RPUSH list damaged');
    await run('SAVE');
    await joinedAgain();
    const snapshot = join(redis.directory, 'dump.rdb');
    await copyFile(snapshot, `${snapshot}.old`);
    await redis.kill();
    await copyFile(`${snapshot}.old`, snapshot);
    await startAgain();
    await joined.host.joined(3);
    assert.equal(stands(), 0);
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('flushed by somebody else, with nothing under way', async () => {
    await begin();
    await run('FLUSHALL');
    await joinedAgain();
    await joined.host.settled();
    assert.equal(stands(), 0);
    await assertCounted(joined.host);
    assert.ok(joined.logged.some((line) => line.startsWith('error')));
  });

  test('one database flushed by somebody else', async () => {
    await begin();
    await run('SELECT 3');
    await run('FLUSHDB');
    await joinedAgain();
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('flushed by somebody else, between entries that are under way', async () => {
    await begin();
    append(200);
    const flushed = run('FLUSHALL');
    append(200);
    await flushed;
    append(10);
    await joinedAgain();
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('flushed by somebody else, and the node dies before it knows', async () => {
    await begin();
    const before = joined;
    // The node hears of nothing, but what it sent still runs.
    process.kill(redis.pid, 'SIGSTOP');
    const flushed = run('FLUSHALL');
    await new Promise((resolve) => setImmediate(resolve));
    append(3);
    await new Promise((resolve) => setImmediate(resolve));
    before.close();
    process.kill(redis.pid, 'SIGCONT');
    await flushed;
    const url = `redis://127.0.0.1:${redis.port}`;
    joined = await joinRedis({ url, directory: directory.path, after: before });
    await joined.host.settled();
    assert.equal(stands(), 0);
    await assertCounted(joined.host);
  });

  test('a key changed by somebody else', async () => {
    await begin();
    await run('INCR number');
    await joinedAgain();
    await joined.host.settled();
    assert.equal(stands(), 0);
    await assertCounted(joined.host);
  });

  test('hung, for longer than the node waits', async () => {
    await begin();
    process.kill(redis.pid, 'SIGSTOP');
    append(50);
    await until('the node gives the Redis up', 5_000, () => !joined.host.isWell);
    assert.match(joined.host.reasons.at(-1) ?? '', /no reply for 1000 ms/);
    append(50);
    process.kill(redis.pid, 'SIGCONT');
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('hung, with nothing under way', async () => {
    await begin();
    process.kill(redis.pid, 'SIGSTOP');
    await until('the node gives the Redis up', 5_000, () => !joined.host.isWell);
    process.kill(redis.pid, 'SIGCONT');
    await joinedAgain();
    await assertCounted(joined.host);
  });

  test('without room for data', async () => {
    await begin();
    const full = run('CONFIG SET maxmemory 1');
    append(50);
    await full;
    append(50);
    await joinedAgain();
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('saving fails, so that it takes no writes', async () => {
    await begin('--enable-protected-configs', 'yes');
    await run('CONFIG SET dir /proc');
    await run('CONFIG SET save "1 1"');
    await run('CONFIG SET stop-writes-on-bgsave-error yes');
    await run('BGSAVE');
    await until('saving has failed', 5_000, async () =>
      (await run('INFO persistence')).includes('rdb_last_bgsave_status:err'),
    );
    append(5);
    await until('the node gives the Redis up', 5_000, () => !joined.host.isWell);
    assert.match(joined.host.reasons.at(-1) ?? '', /MISCONF/);
    await run('CONFIG SET stop-writes-on-bgsave-error no');
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('turned into a replica, and a master again', async () => {
    await begin();
    const other = await startRedis();
    try {
      await run(`REPLICAOF 127.0.0.1 ${other.port}`);
      append(20);
      await until('the node gives the Redis up', 5_000, () => !joined.host.isWell);
      await until('it has copied the other', 10_000, async () =>
        (await run('INFO replication')).includes('master_link_status:up'),
      );
      append(20);
      await run('REPLICAOF NO ONE');
      await joined.host.settled();
      await assertCounted(joined.host);
    } finally {
      await other.stop();
    }
  });

  test("turned into a replica of another node's Redis, and a master again", async () => {
    await begin();
    const other = await startRedis();
    const url = `redis://127.0.0.1:${other.port}`;
    const neighbour = await joinRedis({ url, directory: undefined, member: 'ffffffffffffffff' });
    try {
      neighbour.host.append(commandsOf('SET theirs 1'));
      await neighbour.host.settled();
      await run(`REPLICAOF 127.0.0.1 ${other.port}`);
      await until('the node gives the Redis up', 5_000, () => !joined.host.isWell);
      await until('it has copied the other', 10_000, async () =>
        (await run('GET theirs')).includes('1'),
      );
      await run('REPLICAOF NO ONE');
      await joined.host.settled();
      await assertCounted(joined.host);
      assert.equal(await run('GET theirs'), '$-1\r\n');
    } finally {
      neighbour.close();
      await other.stop();
    }
  });

  test('its password changed: what is connected stays, and what is not is told', async () => {
    await begin();
    await run('CONFIG SET requirepass changed');
    append(20);
    await joined.host.settled();
    assert.equal(joined.host.joins.length, 1);
    await run('CLIENT KILL TYPE normal');
    await until('the reason is told', 5_000, () =>
      joined.host.reasons.some((reason) => reason.includes('NOAUTH')),
    );
    append(20);
    await run('CONFIG SET requirepass ""');
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('a batch that it refuses while it runs the next one is seen, and neither is lost', async () => {
    redis = await startRedis();
    direct = await connectTarget(redis.port);
    await run('ACL SETUSER sidecar on >secret ~* &* +@all -append');
    const url = `redis://sidecar:secret@127.0.0.1:${redis.port}`;
    joined = await joinRedis({ url, directory: directory.path });
    append(5);
    await joined.host.settled();
    joined.host.append([...countedEntry(6), ...commandsOf('[5] APPEND text x')]);
    append(5);
    await until('the reason is told', 5_000, () =>
      joined.host.reasons.some((reason) => reason.includes('NOPERM')),
    );
    await run('ACL SETUSER sidecar +append');
    await joined.host.settled();
    await assertCounted(joined.host);
    assert.deepEqual(await joined.host.read(commandsOf('[5] GET text')), ['$1\r\nx\r\n']);
    assert.ok(joined.logged.some((line) => line.includes('a batch of shard 0 is missing')));
  });

  test('its connections killed again and again', async () => {
    await begin();
    for (let round = 0; round < 5; round += 1) {
      append(30);
      await run('CLIENT KILL TYPE normal');
      append(30);
      await joined.host.settled();
    }
    await assertCounted(joined.host);
  });

  test('the node is killed with entries under way', async () => {
    await begin();
    for (let life = 0; life < 5; life += 1) {
      append(40);
      await new Promise((resolve) => setImmediate(resolve));
      joined.close();
      const url = `redis://127.0.0.1:${redis.port}`;
      joined = await joinRedis({ url, directory: directory.path, after: joined });
      await joined.host.joined(1);
    }
    await joined.host.settled();
    await assertCounted(joined.host);
  });

  test('commands that the Redis was told not to know are answered with an error, and cost the others nothing', async () => {
    await begin('--rename-command', 'APPEND', '');
    joined.host.append(commandsOf('SET a 1', 'APPEND a 2', 'INCR a'));
    await joined.host.settled();
    const [replies] = joined.host.replies.get(51) ?? [];
    const error = "-ERR the fronted Redis does not know the command 'append'\r\n";
    assert.deepEqual(replies, ['+OK\r\n', error, ':2\r\n']);
  });
});
