/**
 * Whose data a Redis holds, and what a node does about it when it joins.
 */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
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
  type JoinOptions,
} from './harness.ts';

describe('a node that joins with a Redis', () => {
  let redis: RedisServer;
  let direct: Target;
  let directory: { path: string; remove: () => Promise<void> };
  const joins: Join[] = [];

  const begin = async (options: Partial<JoinOptions> = {}): Promise<Join> => {
    const url = `redis://127.0.0.1:${redis.port}`;
    const joined = await joinRedis({ url, directory: directory.path, ...options });
    joins.push(joined);
    return joined;
  };
  const run = async (line: string): Promise<string> =>
    (await direct.execute(words(line))).toString('latin1');

  beforeEach(async () => {
    redis = await startRedis();
    direct = await connectTarget(redis.port);
    directory = await temporaryDirectory();
  });

  afterEach(async () => {
    for (const joined of joins.splice(0)) joined.close();
    await direct.close();
    await redis.stop();
    await directory.remove();
  });

  test('claims an empty one, and stands before the first entry', async () => {
    const { host } = await begin();
    for (let n = 1; n <= 20; n += 1) host.append(countedEntry(n));
    await host.settled();
    await assertCounted(host);
    assert.deepEqual(host.joins, [{ index: 0, term: 0, timeMs: 0 }]);
  });

  test('goes on where its data stands, after a restart of the node', async () => {
    const first = await begin();
    for (let n = 1; n <= 20; n += 1) first.host.append(countedEntry(n), 1_000 + n);
    await first.host.settled();
    first.close();
    const { host } = await begin({ after: first });
    await host.joined(1);
    assert.deepEqual(host.joins, [{ index: 20, term: 1, timeMs: 1_020 }]);
    host.append(countedEntry(21));
    await host.settled();
    await assertCounted(host);
  });

  test('refuses data that it never wrote, and leaves it alone', async () => {
    await run('SET theirs 1');
    const { host } = await begin();
    const { code, message } = await host.failed();
    assert.equal(code, 'redis-refused');
    assert.match(message, /holds 1 keys that this node never wrote.*--wipe.*--adopt/);
    assert.equal(await run('GET theirs'), '$1\r\n1\r\n');
    assert.equal(await run('DBSIZE'), ':1\r\n');
  });

  test('clears data that it never wrote where it is told to, once', async () => {
    await run('SET theirs 1');
    const { host } = await begin({ mayWipe: true });
    host.append(countedEntry(1));
    await host.settled();
    await assertCounted(host);
    assert.equal(await run('EXISTS theirs'), ':0\r\n');
    // Whoever takes it over afterwards keeps it.
    await run('CLIENT SETNAME outrigger:bb:apply');
    await run('SET outrigger:owner "1 aa bb"');
    assert.match((await host.failed()).message, /member bb of cluster aa/);
  });

  test('refuses the Redis of another node', async () => {
    const first = await begin();
    first.host.append(countedEntry(1));
    await first.host.settled();
    const second = await begin({ member: 'ffffffffffffffff', directory: undefined });
    assert.match((await second.host.failed()).message, /a Redis serves one sidecar.*--wipe/);
    first.host.append(countedEntry(2));
    await first.host.settled();
    await assertCounted(first.host);
  });

  test('saves what it finds where its mark should be, and makes the data anew', async () => {
    const first = await begin();
    for (let n = 1; n <= 5; n += 1) first.host.append(countedEntry(n));
    await first.host.settled();
    first.close();
    await run('FLUSHALL');
    await run('SET "theirs\\u0000" 1');
    const { host, logged } = await begin({ after: first });
    await host.settled();
    await assertCounted(host);
    assert.equal(await run('EXISTS "theirs\\u0000"'), ':0\r\n');
    assert.ok(logged.some((line) => line.startsWith('error') && line.includes('made anew')));
    const names = await readdir(directory.path);
    const rescued = names.find((name) => name.startsWith('rescued-from-redis-'));
    const [line] = (await readFile(join(directory.path, rescued ?? ''), 'utf8')).split('\n');
    const { key, dump } = JSON.parse(line ?? '') as { key: string; dump: string };
    assert.equal(Buffer.from(key, 'base64').toString(), 'theirs\0');
    assert.equal(await run('DEL back'), ':0\r\n');
    const restore = [Buffer.from('RESTORE'), Buffer.from('back'), Buffer.from('0')];
    await direct.execute([...restore, Buffer.from(dump, 'base64')]);
    assert.equal(await run('GET back'), '$1\r\n1\r\n');
  });

  const doubts: Readonly<Record<string, readonly string[]>> = {
    'its marker is gone': ['DEL outrigger:{0}:marker'],
    'a batch is missing': ['DECR outrigger:{0}:batches'],
    'it stands within an entry': ['APPEND outrigger:{0}:marker " part"'],
    'its marker is none': ['SET outrigger:{0}:marker what'],
  };
  for (const [what, lines] of Object.entries(doubts))
    test(`makes its data anew where ${what}`, async () => {
      const first = await begin();
      for (let n = 1; n <= 5; n += 1) first.host.append(countedEntry(n));
      await first.host.settled();
      first.close();
      for (const line of [...lines, 'RPUSH list x']) await run(line);
      const { host } = await begin({ after: first });
      await host.settled();
      assert.deepEqual(host.joins, [{ index: 0, term: 0, timeMs: 0 }]);
      await assertCounted(host);
    });

  test('makes its data anew where that stands at entries which the log does not have', async () => {
    const first = await begin();
    for (let n = 1; n <= 5; n += 1) first.host.append(countedEntry(n));
    await first.host.settled();
    first.close();
    first.host.log.length = 3;
    const { host } = await begin({ after: first });
    await host.settled();
    assert.deepEqual(host.joins, [{ index: 0, term: 0, timeMs: 0 }]);
    await assertCounted(host);
  });

  test('makes its data anew where the data directory knows of later data', async () => {
    const first = await begin();
    first.host.append(countedEntry(1));
    await first.host.settled();
    first.close();
    const file = join(directory.path, 'redis-engine');
    const text = await readFile(file, 'utf8');
    const { writeFile } = await import('node:fs/promises');
    await writeFile(file, text.replace(/[0-9a-f]{16}/, '00000000000000aa'));
    const { host } = await begin({ after: first });
    await host.settled();
    assert.deepEqual(host.joins, [{ index: 0, term: 0, timeMs: 0 }]);
  });

  test('kills what an earlier life of it left connected, before it looks', async () => {
    const old = await connectTarget(redis.port);
    await old.execute(words('CLIENT SETNAME outrigger:0123456789abcdef:apply'));
    const lost = assert.rejects(old.execute(words('BLPOP nothing 0')), /closed the connection/);
    const { host } = await begin();
    await host.joined(1);
    await lost;
  });

  test('keeps a foreign connection with a name of its own', async () => {
    await run('CLIENT SETNAME outrigger:ffffffffffffffff:apply');
    const { host } = await begin();
    await host.joined(1);
    assert.equal(await run('PING'), '+PONG\r\n');
  });

  test('sets the options that the data depends on, and sets them back', async () => {
    await run('CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lru stream-node-max-entries 7');
    const { host, logged } = await begin();
    await host.joined(1);
    assert.match(await run('CONFIG GET maxmemory'), /\$1\r\n0\r\n$/);
    assert.match(await run('CONFIG GET maxmemory-policy'), /noeviction/);
    assert.match(await run('CONFIG GET stream-node-max-entries'), /100\r\n$/);
    assert.match(await run('CONFIG GET sanitize-dump-payload'), /yes\r\n$/);
    assert.ok(logged.some((line) => line.includes('maxmemory 104857600')));
    await run('CONFIG SET maxmemory 200mb');
    await until('maxmemory is set back', 5_000, async () =>
      (await run('CONFIG GET maxmemory')).endsWith('$1\r\n0\r\n'),
    );
  });

  test('refuses a Redis in which CONFIG is not allowed', async () => {
    await run('ACL SETUSER sidecar on >secret ~* &* +@all -config');
    const { host } = await begin({ user: 'sidecar', password: 'secret' });
    assert.match((await host.failed()).message, /refuses CONFIG GET/);
  });

  test('waits where it is not let in, and says why', async () => {
    await run('CONFIG SET requirepass first');
    const { host } = await begin({ password: 'second' });
    await until('the reason is told', 5_000, () => host.reasons[0]);
    assert.match(host.reasons[0] ?? '', /refuses the login: WRONGPASS/);
    await run('AUTH first');
    await run('CONFIG SET requirepass second');
    await host.joined(1);
  });
});

test('a Redis that is not there is waited for', async () => {
  const redis = await startRedis();
  await redis.kill();
  const url = `redis://127.0.0.1:${redis.port}`;
  const joined = await joinRedis({ url, directory: undefined });
  try {
    await until('the reason is told', 5_000, () => joined.host.reasons[0]);
    assert.match(joined.host.reasons[0] ?? '', /ECONNREFUSED/);
    const again = await startRedis({ after: redis });
    try {
      joined.host.append(countedEntry(1));
      await joined.host.settled();
      await assertCounted(joined.host);
    } finally {
      await again.stop();
    }
  } finally {
    joined.close();
    await redis.stop();
  }
});

test('a Redis is reached by a unix socket, too', async () => {
  const directory = await temporaryDirectory();
  const path = join(directory.path, 'redis.sock');
  const redis = await startRedis({ args: ['--unixsocket', path] });
  const joined = await joinRedis({ url: `unix:${path}`, directory: undefined });
  try {
    joined.host.append(commandsOf('SET a 1'));
    await joined.host.settled();
    assert.deepEqual(await joined.host.read(commandsOf('GET a')), ['$1\r\n1\r\n']);
  } finally {
    joined.close();
    await redis.stop();
    await directory.remove();
  }
});
