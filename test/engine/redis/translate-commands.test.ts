/**
 * Single rules of translation: what is passed as it is, what is hidden, how far deadlines go, and that a due key is gone before
 * any command meets it.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { seededRandom } from '../../../src/base/random.ts';
import { latin1Slice } from '../../../src/command/latin1.ts';
import { CommandText } from '../../../src/engine/redis/command-text.ts';
import { shiftMs } from '../../../src/engine/redis/shift.ts';
import { Translator } from '../../../src/engine/redis/translate.ts';
import type { TranslatorOptions } from '../../../src/engine/redis/job.ts';
import {
  commandOf,
  elementsOf,
  EngineDriver,
  textOf,
  walkOf,
} from '../../support/engine-driver.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { Line, reservedKey, TranslatedRedis } from './translated-redis.ts';

const timeMs = 1000;

let server: RedisServer;

before(async () => {
  server = await startRedis();
});

after(async () => {
  await server.stop();
});

const translator = (): Translator =>
  new Translator({ ownsKey: undefined, reservedKeys: [], random: seededRandom(1), latin1Slice });

const open = async (options: Partial<TranslatorOptions> = {}): Promise<EngineDriver> =>
  EngineDriver.open(await TranslatedRedis.create(server.port, options));

function argumentsOf(request: string): string[] {
  const command = new CommandText();
  command.parse(request);
  return command.args();
}

const text = (line: string): string => Buffer.from(commandOf(line).bytes).toString('latin1');

describe('what is sent', () => {
  const asItIs = [
    'GET a',
    'set a v',
    'SET a v KEEPTTL',
    'GETEX a',
    'LPUSH l a b',
    'XADD s 5-1 f v',
    'XREADGROUP GROUP g c NOACK STREAMS s >',
    'PFCOUNT a',
    'INCRBYFLOAT a 0.1',
    'XCLAIM s g c 0 1-0 TIME 5',
    'SORT l BY w_* GET #',
    'OBJECT ENCODING a',
  ];
  for (const line of asItIs) {
    test(`${line} is passed as it is`, () => {
      const { commands, reply } = translator().write(commandOf(line), { timeMs });
      assert.deepEqual(commands, [text(line)]);
      assert.equal(reply(['$1\r\nx\r\n']), '$1\r\nx\r\n');
    });
  }

  /** Options that a later Redis has, and what goes instead. */
  const later: readonly (readonly [string, string])[] = [
    ['XADD s KEEPREF * f v', 'XADD s x * f v'],
    ['XADD s MAXLEN ~ 5 IDMPAUTO p * f v', 'XADD s MAXLEN ~ 5 x p * f v'],
    ['XREADGROUP GROUP g c CLAIM 5 STREAMS s >', 'XREADGROUP GROUP g c x 5 STREAMS s >'],
    ['RESTORE a 5 dump LATER', 'RESTORE a 5 dump x'],
  ];
  for (const [line, sent] of later) {
    test(`${line} is refused by every Redis`, () => {
      assert.deepEqual(translator().write(commandOf(line), { timeMs }).commands, [text(sent)]);
    });
  }

  test('SET and GETEX with options of a later Redis are syntax errors', () => {
    for (const line of ['SET a v IFEQ w EX 5', 'GETEX a IFEQ w EX 5']) {
      const { commands, reply } = translator().write(commandOf(line), { timeMs });
      assert.deepEqual([commands, reply([])], [[], '-ERR syntax error\r\n']);
    }
  });

  test('a script names the keys that it changes', () => {
    const one = translator();
    one.add(3, 'due', shiftMs + 1);
    const [removal] = one.reclaim(timeMs, 10);
    const sent = [
      ...(removal?.commands ?? []),
      ...one.write(commandOf('XADD s * f v'), { timeMs }).commands,
      ...one.write(commandOf('XREADGROUP GROUP g c STREAMS s t > 0'), { timeMs }).commands,
    ];
    const named = sent.map((request) => {
      const [name, , count, ...rest] = argumentsOf(request);
      assert.equal(name, 'EVAL');
      return rest.slice(0, Number(count));
    });
    assert.deepEqual(named, [['due'], ['s'], ['s', 't']]);
  });

  test('a command on other keys than those with deadlines is passed as it is', () => {
    const one = translator();
    one.add(0, 'due', shiftMs + 1);
    assert.deepEqual(one.write(commandOf('GET a'), { timeMs }).commands, [text('GET a')]);
    assert.equal(one.write(commandOf('GET due'), { timeMs }).commands.length, 2);
    assert.deepEqual(one.write(commandOf('[1] GET due'), { timeMs }).commands, [text('GET due')]);
  });

  test('a removal is not sent again for the same time, and is for a later one', () => {
    const one = translator();
    one.add(0, 'due', shiftMs + 1);
    const sent = (at: number): number =>
      one.write(commandOf('GET due'), { timeMs: at }).commands.length;
    assert.deepEqual([sent(timeMs), sent(timeMs), sent(timeMs + 1)], [2, 1, 2]);
  });

  test('what a read needs removed first is asked for once; a second read of the same goes by the log', () => {
    const one = translator();
    one.add(0, 'due', shiftMs + 1);
    const read = (): unknown =>
      one.read(commandOf('GET due'), { timeMs: timeMs + 5, appliedTimeMs: timeMs });
    assert.equal((read() as { kind: string }).kind, 'first');
    assert.equal(read(), 'due');
  });

  test('a read while a flush or a swap is on its way goes by the log', () => {
    for (const line of ['FLUSHALL', 'SWAPDB 0 1']) {
      const one = translator();
      const at = { timeMs, appliedTimeMs: timeMs };
      const upheaval = one.write(commandOf(line), { timeMs });
      assert.equal(one.read(commandOf('GET a'), at), 'due');
      assert.equal(upheaval.reply(['+OK\r\n']), '+OK\r\n');
      assert.notEqual(one.read(commandOf('GET a'), at), 'due');
    }
  });
});

describe('due keys', () => {
  test('a key that is set past its deadline is due at once, also behind a removal for that time', async () => {
    const engine = await open();
    await engine.apply(timeMs, 'SET a old PX 5');
    const lines = [
      'GET a',
      'SET a new PXAT 1005',
      'GET a',
      'SET a new',
      'EXPIREAT a 1',
      'EXISTS a',
    ];
    const replies = await engine.apply(timeMs + 5, ...lines);
    const none = '$-1\r\n';
    assert.deepEqual(replies, [none, '+OK\r\n', none, '+OK\r\n', ':1\r\n', ':0\r\n']);
    await engine.engine.close();
  });

  test('a due key of another database does not stop COPY and MOVE', async () => {
    const engine = await open();
    await engine.apply(timeMs, 'SET a v', 'SET b v', '[1] SET a old PX 5', '[1] SET b old PX 5');
    const replies = await engine.apply(
      timeMs + 5,
      'COPY a a DB 1',
      'MOVE b 1',
      '[1] TTL a',
      '[1] GET b',
    );
    assert.deepEqual(replies, [':1\r\n', ':1\r\n', ':-1\r\n', '$1\r\nv\r\n']);
    await engine.engine.close();
  });

  /** A command that would find the key `due`, and what it answers where there is none. */
  const meeting: readonly (readonly [string, string])[] = [
    ['RENAME due x', '-ERR no such key\r\n'],
    ['LPUSH due v', ':1\r\n'],
    ['SUNIONSTORE x due', ':0\r\n'],
    ['ZUNIONSTORE x 1 due', ':0\r\n'],
    ['ZINTERCARD 1 due', ':0\r\n'],
    ['SORT x STORE due', ':0\r\n'],
    ['XREAD STREAMS due 0', '*-1\r\n'],
    ['XINFO STREAM due', '-ERR no such key\r\n'],
    ['OBJECT ENCODING due', '$-1\r\n'],
    ['BITOP NOT x due', ':0\r\n'],
    ['MSETNX x 1 due 2', ':1\r\n'],
    ['LMPOP 1 due LEFT', '*-1\r\n'],
  ];
  for (const [line, expected] of meeting) {
    test(`${line} does not meet it`, async () => {
      const engine = await open();
      await engine.apply(timeMs, 'SET due v PX 5');
      assert.deepEqual(await engine.apply(timeMs + 5, line), [expected]);
      await engine.engine.close();
    });
  }

  test('SORT by patterns meets no due key that it was not told of', async () => {
    const engine = await open();
    await engine.apply(timeMs, 'RPUSH l 1 2', 'MSET w_1 5 w_2 4', 'SET g_1 v PX 5');
    await engine.apply(timeMs, 'PEXPIRE w_1 5');
    const [reply] = await engine.apply(timeMs + 5, 'SORT l BY w_* GET # GET g_*');
    assert.equal(reply, '*4\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n$-1\r\n');
    const [read] = await engine.read(timeMs + 5, 'SORT_RO l BY w_* GET g_*');
    assert.equal(read, '*2\r\n$-1\r\n$-1\r\n');
    await engine.engine.close();
  });

  test('reclaiming removes at most so many, and says how many were', async () => {
    const redis = await TranslatedRedis.create(server.port, { reclaimed: 3 });
    const engine = await EngineDriver.open(redis);
    const sets = Array.from({ length: 10 }, (_, key) => `[${key % 3}] SET k${key} v PX 5`);
    await engine.apply(timeMs, ...sets);
    const expired: number[] = [];
    for (let at = 0; at < 5; at += 1) {
      await engine.apply(timeMs + 5 + at);
      expired.push(redis.translator.expired);
    }
    assert.deepEqual(expired, [3, 6, 9, 10, 10]);
    assert.equal(redis.nextDeadlineMs(), undefined);
    await engine.engine.close();
  });
});

test('what is flushed is not waited for any more', () => {
  const one = translator();
  one.add(0, 'a', shiftMs + 2000);
  one.add(1, 'b', shiftMs + 3000);
  one.write(commandOf('FLUSHDB'), { timeMs });
  assert.equal(one.nextDeadlineMs(), 3000);
  one.write(commandOf('FLUSHALL ASYNC'), { timeMs });
  assert.equal(one.nextDeadlineMs(), undefined);
});

describe('how far deadlines go', () => {
  const last = 2n ** 63n - 1n - BigInt(shiftMs);

  test('the last deadline that Redis can store, shifted, is kept to the millisecond', async () => {
    const engine = await open();
    const lines = [
      `SET a v PXAT ${last}`,
      'PEXPIRETIME a',
      'GETEX a PERSIST',
      `PEXPIREAT a ${last}`,
    ];
    const replies = await engine.apply(timeMs, ...lines, 'PEXPIRETIME a');
    assert.deepEqual(replies, ['+OK\r\n', `:${last}\r\n`, '$1\r\nv\r\n', ':1\r\n', `:${last}\r\n`]);
    await engine.engine.close();
  });

  test('a later one is an invalid expire time, and nothing happens', async () => {
    const engine = await open();
    await engine.apply(timeMs, 'SET a v', 'LPUSH l v');
    const dump = 'x';
    const lines: readonly (readonly [string, string])[] = [
      [`SET a w PXAT ${last + 1n}`, "-ERR invalid expire time in 'set' command\r\n"],
      [`SET a w PX ${last}`, "-ERR invalid expire time in 'set' command\r\n"],
      [`PSETEX a ${last} w`, "-ERR invalid expire time in 'psetex' command\r\n"],
      [`GETEX a PXAT ${last + 1n}`, "-ERR invalid expire time in 'getex' command\r\n"],
      [`GETEX none PXAT ${last + 1n}`, '$-1\r\n'],
      [
        `GETEX l PX ${last}`,
        '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n',
      ],
      [`PEXPIREAT a ${last + 1n}`, "-ERR invalid expire time in 'pexpireat' command\r\n"],
      [`PEXPIRE a ${last}`, "-ERR invalid expire time in 'pexpire' command\r\n"],
      [`RESTORE b ${last} ${dump}`, '-ERR Invalid TTL value, must be >= 0\r\n'],
      [`RESTORE a ${last} ${dump}`, '-BUSYKEY Target key name already exists.\r\n'],
      ['TTL a', ':-1\r\n'],
      ['GET a', '$1\r\nv\r\n'],
    ];
    const replies = await engine.apply(timeMs, ...lines.map(([line]) => line));
    assert.deepEqual(
      replies,
      lines.map(([, reply]) => reply),
    );
    await engine.engine.close();
  });

  test('RESTORE counts its TTL from the entry, or takes it as given', async () => {
    const engine = await open();
    const direct = await Line.open(server.port);
    await engine.apply(timeMs, 'SET a v');
    const dump = JSON.stringify(textOf(await direct.ask('DUMP', 'a')));
    const lines = [
      `RESTORE b 500 ${dump}`,
      `RESTORE c 5000 ${dump} ABSTTL`,
      `RESTORE d 0 ${dump}`,
      `RESTORE e 900 ${dump} absttl FREQ 5`,
      `RESTORE b 700 ${dump}`,
      `RESTORE b 700 ${dump} REPLACE IDLETIME 3`,
    ];
    const ok = '+OK\r\n';
    const busy = '-BUSYKEY Target key name already exists.\r\n';
    assert.deepEqual(await engine.apply(timeMs, ...lines), [ok, ok, ok, ok, busy, ok]);
    const times = await engine.apply(
      timeMs,
      ...['b', 'c', 'd', 'e'].map((key) => `PEXPIRETIME ${key}`),
    );
    assert.deepEqual(times, [':1700\r\n', ':5000\r\n', ':-1\r\n', ':-2\r\n']);
    assert.deepEqual(await engine.apply(1700, `RESTORE b 0 ${dump}`), [ok]);
    direct.close();
    await engine.engine.close();
  });
});

describe('what is hidden', () => {
  test('no walk shows a key of ours', async () => {
    const engine = await open();
    assert.deepEqual(
      await engine.apply(timeMs, 'DBSIZE', 'RANDOMKEY', 'KEYS *', 'SCAN 0', 'SCAN "" COUNT 10'),
      [':0\r\n', '$-1\r\n', '*0\r\n', '*2\r\n$1\r\n0\r\n*0\r\n', '*2\r\n$1\r\n0\r\n*0\r\n'],
    );
    await engine.apply(timeMs, 'SET a v', 'SWAPDB 0 1');
    const direct = await Line.open(server.port);
    await direct.ask('SET', reservedKey, 'x');
    const lines = ['DBSIZE', 'RANDOMKEY', 'KEYS *', '[1] DBSIZE', '[1] RANDOMKEY', '[1] KEYS *'];
    assert.deepEqual(await engine.read(timeMs, ...lines), [
      ':0\r\n',
      '$-1\r\n',
      '*0\r\n',
      ':1\r\n',
      '$1\r\na\r\n',
      '*1\r\n$1\r\na\r\n',
    ]);
    direct.close();
    await engine.engine.close();
  });

  test('RANDOMKEY finds the one key among many of ours', async () => {
    const engine = await open();
    const direct = await Line.open(server.port);
    for (let key = 0; key < 500; key += 1) await direct.ask('SET', `outrigger:${key}`, 'x');
    await engine.apply(timeMs, 'SET a v');
    for (let times = 0; times < 20; times += 1)
      assert.deepEqual(await engine.read(timeMs, 'RANDOMKEY'), ['$1\r\na\r\n']);
    direct.close();
    await engine.engine.close();
  });

  test('a shard shows its own keys only', async () => {
    const engine = await open({ ownsKey: (key) => key.startsWith('mine') });
    const direct = await Line.open(server.port);
    await direct.ask('MSET', 'theirs1', '1', 'theirs2', '2');
    const lines = ['DBSIZE', 'RANDOMKEY', 'KEYS *', 'SCAN 0 COUNT 1000'];
    const empty = [':0\r\n', '$-1\r\n', '*0\r\n', '*2\r\n$1\r\n0\r\n*0\r\n'];
    assert.deepEqual(await engine.read(timeMs, ...lines), empty);
    await engine.apply(timeMs, 'MSET mine1 1 mine2 2');
    const [size, some, keys, walk] = await engine.read(timeMs, ...lines);
    assert.equal(size, ':2\r\n');
    assert.match(some ?? '', /mine[12]/u);
    assert.deepEqual(elementsOf(keys), ['mine1', 'mine2']);
    assert.deepEqual(walkOf(walk), { cursor: '0', keys: ['mine1', 'mine2'] });
    direct.close();
    await engine.engine.close();
  });
});

describe('cursors', () => {
  const many = (command: string, count = 600): string =>
    `${command} ${Array.from({ length: count }, (_, at) => `m${at} ${at}`).join(' ')}`;

  test('walks of keys and of large collections end with everything seen, below 2^47', async () => {
    const engine = await open();
    await engine.apply(timeMs, many('HSET h'), many('SADD s'), many('MSET'));
    for (const [first, next, count] of [
      ['SCAN', 'SCAN', 602],
      ['HSCAN h', 'HSCAN h', 1200],
      ['SSCAN s', 'SSCAN s', 1200],
    ] as const) {
      const seen = new Set<string>();
      let elements = 0;
      let cursor = '0';
      do {
        const [reply] = await engine.read(timeMs, `${cursor === '0' ? first : next} ${cursor}`);
        const walk = walkOf(reply);
        cursor = walk.cursor;
        assert.ok(Number(cursor) < 2 ** 47);
        elements += walk.keys.length;
        for (const key of walk.keys) seen.add(key);
      } while (cursor !== '0');
      assert.ok(elements >= count);
      assert.equal(seen.size, count);
    }
    await engine.engine.close();
  });

  test('a cursor of another life starts the walk again', async () => {
    const redis = await TranslatedRedis.create(server.port);
    const engine = await EngineDriver.open(redis);
    await engine.apply(timeMs, many('MSET'));
    const [first] = await engine.read(timeMs, 'SCAN 0');
    const { cursor } = walkOf(first);
    const [second] = await engine.read(timeMs, `SCAN ${cursor}`);
    assert.notEqual(second, first);
    redis.translator.reset();
    const [again] = await engine.read(timeMs, `SCAN ${cursor}`);
    assert.deepEqual(walkOf(again).keys, walkOf(first).keys);
    await engine.engine.close();
  });
});
