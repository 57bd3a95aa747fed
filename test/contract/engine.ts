/**
 * The contract of the engine port (`src/engine/engine.ts`), run against every implementation.
 *
 * Each test gets an empty engine. Times are small numbers of milliseconds, given with every entry and read.
 *
 * An engine whose data is `apart`, in another process, has statistics that come late, and what that process takes from its own chance, clock and
 * history is its own: which key is a random one, how long a key was idle, what it counts as a hit.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { seededRandom, randomInteger } from '../../src/base/random.ts';
import type { Engine, EngineStatistics } from '../../src/engine/engine.ts';
import { EngineDriver, elementsOf, textOf, walkOf } from '../support/engine-driver.ts';
import { until } from '../support/until.ts';

const ok = '+OK\r\n';
const none = '$-1\r\n';

export type DataPlace = 'here' | 'apart';

const lateMs = 5_000;

export function engineContract(
  name: string,
  create: () => Promise<Engine>,
  place: DataPlace = 'here',
): void {
  describe(`${name} keeps the engine contract`, () => {
    let engine: EngineDriver;

    beforeEach(async () => {
      engine = await EngineDriver.open(await create());
    });

    afterEach(async () => {
      await engine.engine.close();
    });

    positionTests(() => engine);
    deadlineTests(() => engine);
    dueReadTests(() => engine, place);
    walkTests(() => engine);
    digestTests(() => engine);
    statisticsTests(() => engine, place);

    test('two engines given the same entries give the same replies and hold the same data', async (t) => {
      const seed = 20_240_607;
      t.diagnostic(`seed ${seed}`);
      const other = await EngineDriver.open(await create());
      const random = seededRandom(seed);
      let timeMs = 1000;
      for (let entry = 0; entry < 300; entry += 1) {
        timeMs += randomInteger(random, 0, 3);
        const lines = Array.from({ length: 8 }, () => randomLine(random, place));
        const replies = await engine.apply(timeMs, ...lines);
        // A read in between, on one of them only, must not make a difference.
        await engine.read(timeMs + 5, 'GET a', 'TTL b', 'RANDOMKEY', 'TOUCH c', 'KEYS *');
        assert.deepEqual(await other.apply(timeMs, ...lines), replies, lines.join('; '));
        assert.equal(await other.engine.digest(), await engine.engine.digest());
      }
      await other.engine.close();
    });
  });
}

/** Commands whose deadlines fall on the times of the entries that follow. */
function randomLine(random: ReturnType<typeof seededRandom>, place: DataPlace): string {
  const pick = (list: readonly string[]): string =>
    list[randomInteger(random, 0, list.length - 1)] ?? '';
  const key = pick(['a', 'b', 'c', 'd']);
  const ttl = randomInteger(random, 1, 4);
  return pick([
    `SET ${key} ${ttl} PX ${ttl}`,
    `SET ${key} 1 PX ${ttl} NX`,
    `SET ${key} 7 KEEPTTL`,
    `INCR ${key}`,
    `INCRBYFLOAT ${key} 0.1`,
    `APPEND ${key} 1`,
    `GET ${key}`,
    `GETEX ${key} PX ${ttl}`,
    `PEXPIRE ${key} ${ttl} GT`,
    `PEXPIRE ${key} ${ttl}`,
    `PERSIST ${key}`,
    `PTTL ${key}`,
    `RENAME ${key} ${pick(['a', 'b', 'c', 'd'])}`,
    `COPY ${key} ${pick(['a', 'b', 'c', 'd'])} REPLACE`,
    `MOVE ${key} 1`,
    `[1] MOVE ${key} 0`,
    `DEL ${key}`,
    ...(place === 'here' ? ['RANDOMKEY', 'KEYS *'] : []),
    'DBSIZE',
    'SWAPDB 0 1',
  ]);
}

function positionTests(driver: () => EngineDriver): void {
  test('an empty engine has no deadline, and a command stays what it is until it is in an entry', async () => {
    assert.equal(driver().engine.nextDeadlineMs(), undefined);
    const before = await driver().engine.digest();
    await driver().resolve(1000, 'SET a 1');
    assert.equal(await driver().engine.digest(), before);
  });

  test('an entry without commands has no replies', async () => {
    await driver().apply(1000, 'SET a 1');
    assert.deepEqual(await driver().apply(1005), []);
    assert.deepEqual(await driver().read(1005, 'GET a'), ['$1\r\n1\r\n']);
  });

  test('replies stand in the order of the commands, and entries answer in their order', async () => {
    const answered: string[] = [];
    const entries = [
      driver().apply(1000, 'SET a 1', 'GET a', 'KEYS *', 'INCR a'),
      driver().apply(1000, 'GET a', 'DEL a'),
      driver().apply(1000, 'GET a'),
    ].map(async (replies) => answered.push(...(await replies)));
    await Promise.all(entries);
    assert.deepEqual(answered, [
      ok,
      '$1\r\n1\r\n',
      '*1\r\n$1\r\na\r\n',
      ':2\r\n',
      '$1\r\n2\r\n',
      ':1\r\n',
      none,
    ]);
  });

  test('a read sees the entries before it', async () => {
    await driver().apply(1000, 'SET a 1');
    assert.deepEqual(await driver().read(1000, 'GET a', 'EXISTS a b'), ['$1\r\n1\r\n', ':1\r\n']);
  });

  test('databases are apart', async () => {
    await driver().apply(1000, 'SET a 0', '[15] SET a 15');
    assert.deepEqual(await driver().read(1000, 'GET a', '[15] GET a', '[1] GET a'), [
      '$1\r\n0\r\n',
      '$2\r\n15\r\n',
      none,
    ]);
  });

  test('a mistake of a client is a reply, and the entry goes on', async () => {
    const replies = await driver().apply(1000, 'SET a x', 'INCR a', 'SET a 1 FOO', 'SET a 2');
    assert.deepEqual(replies, [
      ok,
      '-ERR value is not an integer or out of range\r\n',
      '-ERR syntax error\r\n',
      ok,
    ]);
  });
}

function deadlineTests(driver: () => EngineDriver): void {
  test('a key is absent from its deadline on, to the millisecond', async () => {
    await driver().apply(1000, 'SET a 1 PX 500', 'SET b 1 EX 1', 'SET c 1 PXAT 1500');
    assert.deepEqual(await driver().apply(1499, 'EXISTS a b c', 'PTTL a'), [':3\r\n', ':1\r\n']);
    assert.deepEqual(await driver().apply(1500, 'EXISTS a b c', 'PTTL a', 'GET c'), [
      ':1\r\n',
      ':-2\r\n',
      none,
    ]);
    assert.deepEqual(await driver().apply(2000, 'EXISTS a b c'), [':0\r\n']);
  });

  test('a counter starts anew at its deadline, without one', async () => {
    await driver().apply(1000, 'SET n 41 PX 500');
    assert.deepEqual(await driver().apply(1499, 'INCR n'), [':42\r\n']);
    assert.deepEqual(await driver().apply(1500, 'INCR n', 'TTL n'), [':1\r\n', ':-1\r\n']);
  });

  test('a lock can be taken from its deadline on, and not before', async () => {
    await driver().apply(1000, 'SET lock one PX 3000 NX');
    assert.deepEqual(await driver().apply(3999, 'SET lock two PX 3000 NX'), [none]);
    assert.deepEqual(await driver().apply(4000, 'SET lock two PX 3000 NX'), [ok]);
    assert.deepEqual(await driver().apply(4000, 'GET lock', 'PTTL lock'), [
      '$3\r\ntwo\r\n',
      ':3000\r\n',
    ]);
  });

  test('nothing brings a key back whose deadline has passed', async () => {
    const lines = [
      'PERSIST a',
      'EXPIRE a 100',
      'RENAME a b',
      'COPY a b',
      'MOVE a 1',
      'GETEX a PERSIST',
    ];
    for (const [place, line] of lines.entries()) {
      const timeMs = 1000 * (place + 1);
      await driver().apply(timeMs, 'SET a 1 PX 10');
      await driver().apply(timeMs + 10, line);
      const replies = await driver().apply(timeMs + 10, 'EXISTS a b', '[1] EXISTS a', 'DBSIZE');
      assert.deepEqual(replies, [':0\r\n', ':0\r\n', ':0\r\n'], line);
    }
  });

  test('a deadline that is not after its entry removes the key', async () => {
    const lines = ['PEXPIREAT a 1000', 'PEXPIRE a 0', 'SET a 1 PXAT 1000', 'GETEX a PXAT 999'];
    for (const line of lines) {
      const replies = await driver().apply(1000, 'SET a 1', line, 'EXISTS a', 'DBSIZE');
      assert.deepEqual(replies.slice(2), [':0\r\n', ':0\r\n'], line);
    }
    assert.equal(driver().engine.nextDeadlineMs(), undefined);
  });

  test('the next deadline is the earliest of all databases', async () => {
    await driver().apply(1000, 'SET a 1 PX 500', '[3] SET b 1 PX 200', 'SET c 1');
    assert.equal(driver().engine.nextDeadlineMs(), 1200);
    await driver().apply(1000, '[3] PERSIST b');
    assert.equal(driver().engine.nextDeadlineMs(), 1500);
    await driver().apply(1000, 'PEXPIRE a 9000', 'SET c 1 PX 8000');
    assert.equal(driver().engine.nextDeadlineMs(), 9000);
    await driver().apply(1000, 'FLUSHALL');
    assert.equal(driver().engine.nextDeadlineMs(), undefined);
  });
}

function dueReadTests(driver: () => EngineDriver, place: DataPlace): void {
  test('a read that meets a key due at its own time only is due', async () => {
    await driver().apply(1000, 'SET a 1 PX 500', 'SET b 1');
    const replies = await driver().read(1500, 'GET a', 'GET b', 'TTL a', 'MGET b a', 'EXISTS b');
    assert.deepEqual(replies, ['due', '$1\r\n1\r\n', 'due', 'due', ':1\r\n']);
    assert.deepEqual(await driver().read(1499, 'GET a'), ['$1\r\n1\r\n']);
  });

  test('once the expiry is in the log, the read has its reply', async () => {
    await driver().apply(1000, 'SET a 1 PX 500');
    await driver().apply(1500);
    assert.deepEqual(await driver().read(2000, 'GET a', 'DBSIZE', 'RANDOMKEY', 'KEYS *'), [
      none,
      ':0\r\n',
      none,
      '*0\r\n',
    ]);
  });

  test('a read of all keys is due where any of them is', async () => {
    await driver().apply(1000, 'SET a 1 PX 500', '[1] SET b 1');
    assert.deepEqual(await driver().read(1500, 'DBSIZE', 'KEYS *', 'SCAN 0', '[1] DBSIZE'), [
      'due',
      'due',
      'due',
      ':1\r\n',
    ]);
  });

  test('reads change nothing', async () => {
    await driver().apply(1000, 'SET a 1 PX 500', 'SET b 2');
    const before = await driver().engine.digest();
    await driver().read(9000, 'GET a', 'TOUCH b', 'EXISTS a', 'KEYS *', 'RANDOMKEY');
    assert.equal(await driver().engine.digest(), before);
    assert.deepEqual(await driver().read(1000, 'GET a', 'DBSIZE'), ['$1\r\n1\r\n', ':2\r\n']);
    const idle = await driver().read(8000, 'OBJECT IDLETIME b');
    if (place === 'here') assert.deepEqual(idle, [':7\r\n']);
  });
}

function walkTests(driver: () => EngineDriver): void {
  test('counts and walks never show a due key', async () => {
    const gone = Array.from({ length: 300 }, (_, key) => `SET gone${key} 1 PX 500`);
    await driver().apply(1000, ...gone, 'SET stays 1', 'SET later 1 PX 501');
    const replies = await driver().apply(
      1500,
      'DBSIZE',
      'KEYS *',
      'SCAN 0 COUNT 1000',
      'RANDOMKEY',
    );
    assert.equal(replies[0], ':2\r\n');
    assert.deepEqual(elementsOf(replies[1]), ['later', 'stays']);
    assert.deepEqual(walkOf(replies[2]), { cursor: '0', keys: ['later', 'stays'] });
    assert.ok(['later', 'stays'].includes(textOf(replies[3]) ?? ''));
  });

  test('KEYS over many keys shows those of its own moment, and entries behind it answer after it', async () => {
    const count = 20_000;
    const lines = Array.from({ length: count }, (_, key) => `SET k${key} 1`);
    await driver().apply(1000, ...lines, 'SET due 1 PX 1');
    const order: string[] = [];
    const keys = driver().apply(1001, 'KEYS *');
    const later = driver().apply(1002, 'FLUSHALL', 'SET new 1');
    await Promise.all([keys.then(() => order.push('keys')), later.then(() => order.push('later'))]);
    const found = elementsOf((await keys)[0]);
    assert.equal(found.length, count);
    assert.ok(!found.includes('new') && !found.includes('due'));
    assert.deepEqual(order, ['keys', 'later']);
  });

  test('a walk shows every key that stays, whatever else comes and goes', async (t) => {
    const seed = 7;
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const stays = Array.from({ length: 200 }, (_, key) => `stays${key}`);
    const comes = Array.from({ length: 200 }, (_, key) => `SET goes${key} 1`);
    await driver().apply(1000, ...stays.map((key) => `SET ${key} 1`), ...comes);
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const [reply] = await driver().apply(1000, `SCAN ${cursor} COUNT 7`);
      const walk = walkOf(reply);
      cursor = walk.cursor;
      for (const key of walk.keys) seen.add(key);
      const churn = Array.from({ length: 5 }, () => {
        const key = randomInteger(random, 0, 250);
        return key % 2 === 0 ? `DEL goes${key}` : `SET goes${key} 1`;
      });
      const touched = `SET stays${randomInteger(random, 0, 199)} ${randomInteger(random, 0, 9)} PX 5000`;
      await driver().apply(1000, ...churn, touched);
    } while (cursor !== '0');
    assert.deepEqual(
      stays.filter((key) => !seen.has(key)),
      [],
    );
  });
}

function digestTests(driver: () => EngineDriver): void {
  test('the digest is the same for equal data whatever the history', async () => {
    await driver().apply(
      1000,
      'SET a 1',
      'SET b 2 PX 500',
      '[1] SET c 3',
      'SET d 4',
      'SET e 1 PX 1',
    );
    const first = await driver().engine.digest();
    await driver().apply(1001, 'FLUSHALL', 'SET d 4', '[1] SET c 3', 'SET b 2 PXAT 1500');
    assert.notEqual(await driver().engine.digest(), first);
    await driver().apply(1001, 'SET a 0', 'INCR a');
    const second = await driver().engine.digest();
    await driver().apply(1001, 'SET e 1 PX 1');
    assert.notEqual(await driver().engine.digest(), second);
    await driver().apply(1002);
    assert.equal(await driver().engine.digest(), second);
  });

  test('every part of the data counts in the digest', async () => {
    const seen = new Set<string>();
    const lines = [
      'SET a 1',
      'SET a 2',
      '[1] SET a 1',
      'SET b 1',
      'SET a 1 PX 5',
      'SET a 1 PX 6',
      'SET "" a1',
      'SET a1 ""',
    ];
    for (const line of lines) {
      await driver().apply(1000, 'FLUSHALL', line);
      seen.add(await driver().engine.digest());
    }
    await driver().apply(1000, 'FLUSHALL');
    seen.add(await driver().engine.digest());
    assert.equal(seen.size, lines.length + 1);
  });
}

function statisticsTests(driver: () => EngineDriver, place: DataPlace): void {
  const told = async (databases: EngineStatistics['databases']): Promise<EngineStatistics> => {
    const wanted = JSON.stringify(databases);
    return await until(`statistics tell ${wanted}`, lateMs, () => {
      const statistics = driver().engine.statistics();
      return JSON.stringify(statistics.databases) === wanted ? statistics : undefined;
    });
  };

  test('due keys go by themselves while entries come, and none is left', async () => {
    const lines = Array.from({ length: 1000 }, (_, key) => `SET ${key} 1 PX 500`);
    await driver().apply(1000, ...lines, 'SET stays 1');
    for (let entry = 0; entry < 20; entry += 1) await driver().apply(1500);
    const { expired } = await told([{ database: 0, keys: 1, expires: 0 }]);
    assert.equal(expired, 1000);
    assert.equal(driver().engine.nextDeadlineMs(), undefined);
  });

  test('statistics count keys, deadlines, bytes, hits and misses', async () => {
    await driver().apply(1000, 'SET a 1', 'SET b 2 PX 500', '[2] SET c 3', 'GET a', 'GET x');
    const full = await told([
      { database: 0, keys: 2, expires: 1 },
      { database: 2, keys: 1, expires: 0 },
    ]);
    if (place === 'here') assert.deepEqual([full.hits, full.misses], [1, 1]);
    assert.ok(full.bytes > 0);
    await driver().apply(1000, `SET a ${'x'.repeat(100_000)}`);
    await until('the bytes are counted', lateMs, () => {
      return driver().engine.statistics().bytes >= full.bytes + 99_999;
    });
    await driver().apply(1000, 'DEL a b', '[2] FLUSHDB');
    const empty = await told([]);
    if (place === 'here') assert.equal(empty.bytes, 0);
  });
}
