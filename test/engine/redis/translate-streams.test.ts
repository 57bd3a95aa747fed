/**
 * Streams through translation: ids and delivery times are the entry's, and everything else is as with a Redis of the same version that
 * gets the commands themselves.
 */

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { scriptArgumentsMax } from '../../../src/engine/redis/scripts.ts';
import { words } from '../../support/commands.ts';
import { EngineDriver, textOf } from '../../support/engine-driver.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { Line, TranslatedRedis } from './translated-redis.ts';

const timeMs = 1_700_000_000_000;
const highest = '18446744073709551615';

let servers: readonly RedisServer[];
let engine: EngineDriver;
/** On the same server, for what an engine does not read. */
let direct: Line;
/** Gets commands as they are. */
let plain: Line;

before(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
});

beforeEach(async () => {
  const [ours, theirs] = servers.map(({ port }) => port);
  engine = await EngineDriver.open(await TranslatedRedis.create(ours ?? 0));
  direct = await Line.open(ours ?? 0);
  plain = await Line.open(theirs ?? 0);
  await plain.ask('FLUSHALL');
});

afterEach(async () => {
  await engine.engine.close();
  direct.close();
  plain.close();
});

after(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

const args = (line: string): string[] => words(line).map((word) => word.toString('latin1'));

async function apply(at: number, ...lines: readonly string[]): Promise<(string | undefined)[]> {
  return (await engine.apply(at, ...lines)).map(textOf);
}

/** Applies entries of one command, and compares each reply with that of the plain server. */
async function assertAsPlain(...lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const expected = await plain.ask(...args(line));
    assert.deepEqual(await engine.apply(timeMs, line), [expected], line);
  }
}

test('XADD * has the ids of the entry’s time', async () => {
  assert.deepEqual(
    await apply(timeMs, 'XADD s * f 1', 'XADD s * f 2', 'xadd s MAXLEN ~ 10 * f 3'),
    [`${timeMs}-0`, `${timeMs}-1`, `${timeMs}-2`],
  );
  assert.deepEqual(await apply(timeMs + 1, 'XADD s NOMKSTREAM MAXLEN = 10 * f 4'), [
    `${timeMs + 1}-0`,
  ]);
  assert.deepEqual(await apply(timeMs + 1, 'XADD s MINID 5 * f 4'), [`${timeMs + 1}-1`]);
  assert.deepEqual(await apply(timeMs + 1, 'XADD t NOMKSTREAM * f 4', 'EXISTS t'), [
    '$-1\r\n',
    ':0\r\n',
  ]);
});

test('XADD * goes on behind a stream’s last id where that is ahead of the time', async () => {
  const cases: readonly (readonly [last: string, next: string])[] = [
    [`${timeMs}-5`, `${timeMs}-6`],
    [`${timeMs + 1}-0`, `${timeMs + 1}-1`],
    [`${timeMs}-${highest}`, `${timeMs + 1}-0`],
    [`1999999999999-${highest}`, '2000000000000-0'],
    [`9999999999999-${highest}`, '10000000000000-0'],
    ['9007199254740993-7', '9007199254740993-8'],
    [`9007199254740993-${highest}`, '9007199254740994-0'],
    [`18446744073709551614-${highest}`, `${highest}-0`],
    [`${timeMs - 1}-${highest}`, `${timeMs}-0`],
  ];
  for (const [place, [last, next]] of cases.entries()) {
    const key = `s${place}`;
    const added = await apply(timeMs, `XADD ${key} ${last} f v`, `XADD ${key} * f w`);
    assert.deepEqual(added, [last, next]);
  }
});

test('XADD gets Redis’s own errors', async () => {
  await assertAsPlain(
    'SET k v',
    'XADD k * f v',
    'XADD s * f v g',
    'XADD s MAXLEN x * f v',
    'XADD s MAXLEN -1 * f v',
    'XADD s MAXLEN * f v',
    'XADD s MAXLEN ~ * f v',
    'XADD s LIMIT 5 * f v',
    'XADD s MAXLEN 5 MINID 1 * f v',
    'XADD s nonsense * f v',
    'XADD s 5 f v',
    'XADD s 5 f v',
    'XADD s 5-* f v',
    'XADD s 0-0 f v',
    `XADD s ${highest}-${highest} f v`,
    'XADD s * f v',
    'XADD s * f v g',
  );
});

test('an XADD * that no script can take is an error, and with an id it is none', async () => {
  const fields = Array.from({ length: scriptArgumentsMax / 2 }, () => 'f v').join(' ');
  const [refused] = await apply(timeMs, `XADD s * ${fields}`);
  assert.match(refused ?? '', /^-ERR 'xadd' with '\*' takes at most 7000 arguments/u);
  assert.deepEqual(await apply(timeMs, `XADD s 5-0 ${fields}`), ['5-0']);
  const most = Array.from({ length: (scriptArgumentsMax - 4) / 2 }, () => 'f v').join(' ');
  assert.deepEqual(await apply(timeMs, `XADD s * ${most}`), [`${timeMs}-0`]);
});

/** Of a group's entries: id, consumer, delivery time, count. */
async function pendingOf(line: Line, key: string): Promise<(readonly string[])[]> {
  const script = `local r={} for _,g in ipairs(redis.call('xinfo','stream',KEYS[1],'full')[18]) do
    for _,p in ipairs(g[12]) do r[#r+1]=p[1]..' '..p[2]..' '..string.format('%d',p[3])..' '..p[4] end end
    return table.concat(r,',')`;
  const text = textOf(await line.ask('EVAL', script, '1', key)) ?? '';
  return text.split(',').map((one) => one.split(' '));
}

test('XREADGROUP notes the entry’s time as that of delivery', async () => {
  await apply(timeMs, 'XADD s 1-0 f a', 'XADD s 2-0 f b', 'XGROUP CREATE s g 0');
  await apply(timeMs + 5, 'XREADGROUP GROUP g c COUNT 1 STREAMS s >');
  await apply(timeMs + 7, 'XREADGROUP GROUP g c STREAMS s >');
  const first = [
    ['1-0', 'c', String(timeMs + 5), '1'],
    ['2-0', 'c', String(timeMs + 7), '1'],
  ];
  assert.deepEqual(await pendingOf(direct, 's'), first);
  await apply(timeMs + 9, 'XREADGROUP GROUP g c COUNT 1 STREAMS s 1');
  assert.deepEqual(await pendingOf(direct, 's'), [first[0], ['2-0', 'c', String(timeMs + 9), '2']]);
  await apply(timeMs + 11, 'XREADGROUP GROUP g c NOACK STREAMS s 0');
  const all = await pendingOf(direct, 's');
  assert.deepEqual(
    all.map(([, , at]) => at),
    [String(timeMs + 11), String(timeMs + 11)],
  );
});

test('XREADGROUP delivers more than one script’s arguments can name', async () => {
  const many = Array.from({ length: 2500 }, (_, id) => `XADD s ${id + 1}-0 f v`);
  await apply(timeMs, ...many, 'XGROUP CREATE s g 0');
  await apply(timeMs, 'XREADGROUP GROUP g c STREAMS s >');
  const pending = await pendingOf(direct, 's');
  // XINFO shows no more than its COUNT of 10.
  assert.equal(
    pending.every(([, , at]) => at === String(timeMs)),
    true,
  );
  assert.equal(
    await direct.ask('XPENDING', 's', 'g'),
    '*4\r\n:2500\r\n$3\r\n1-0\r\n$6\r\n2500-0\r\n*1\r\n*2\r\n$1\r\nc\r\n$4\r\n2500\r\n',
  );
});

test('XREADGROUP replies and leaves groups as Redis does', async () => {
  await assertAsPlain(
    'SET k v',
    'XREADGROUP GROUP g c STREAMS s >',
    'XREADGROUP GROUP g c STREAMS k >',
    'XADD s 1-1 f a',
    'XADD s 1-2 f b "g\\u0000\\u00ff" "$-1\\r\\n"',
    'XADD s 1-3 f c',
    'XADD t 5-0 f d',
    'XREADGROUP GROUP g c STREAMS s >',
    'XGROUP CREATE s g 0',
    'XGROUP CREATE t g 0',
    'XGROUP CREATE s h 1-1',
    'XREADGROUP GROUP g c COUNT 1 STREAMS s >',
    'XREADGROUP GROUP g c COUNT 0 STREAMS s t > >',
    'XREADGROUP GROUP g c STREAMS s t > >',
    'XREADGROUP GROUP g c STREAMS s t 0 0',
    'XREADGROUP GROUP g c STREAMS s s 0 >',
    'XREADGROUP GROUP g d STREAMS s 0',
    'XREADGROUP GROUP g d NOACK STREAMS s 0',
    'XREADGROUP GROUP h d NOACK STREAMS s >',
    'XREADGROUP GROUP h d NOACK STREAMS s >',
    'XREADGROUP GROUP h d NOACK COUNT 5 STREAMS s s > 0',
    'XPENDING s h',
    'XDEL s 1-2',
    'XREADGROUP GROUP g c STREAMS s 0',
    'XREADGROUP GROUP g c STREAMS s 1-1',
    'XREADGROUP GROUP g c STREAMS s 9',
    'XPENDING s g',
    'XACK s g 1-1 1-3',
    'XREADGROUP GROUP g c STREAMS s 0',
    'XGROUP SETID s g 0',
    'XREADGROUP GROUP g e STREAMS s >',
    'XPENDING s g',
    'XREADGROUP GROUP g c STREAMS s t >',
    'XREADGROUP GROUP g c STREAMS s x',
    'XREADGROUP GROUP g c STREAMS s $',
    'XREADGROUP GROUP g c COUNT x STREAMS s >',
    'XREADGROUP COUNT 2 NOACK GROUP g c STREAMS s >',
    'XREADGROUP COUNT 2 GROUP g c STREAMS missing >',
    'XREADGROUP GROUP nogroup c STREAMS s >',
    'XREADGROUP GROUP "g\\u0000" c STREAMS s >',
    'XINFO GROUPS s',
  );
});

test('a stream that is due is gone before XADD * and XREADGROUP meet it', async () => {
  await apply(timeMs, 'XADD s 5-0 f v', 'XGROUP CREATE s g 0', 'PEXPIRE s 10');
  const found = await apply(
    timeMs + 10,
    'XREADGROUP GROUP g c STREAMS s >',
    'XADD s * f w',
    'TTL s',
  );
  assert.match(found[0] ?? '', /^-NOGROUP/u);
  assert.deepEqual(found.slice(1), [`${timeMs + 10}-0`, ':-1\r\n']);
});
