/**
 * What a leader logs for SPOP, XCLAIM and XAUTOCLAIM, against a Redis that gets the commands themselves.
 *
 * Idle times are set by XCLAIM … IDLE, in steps so large that it does not matter how long a test takes. The cluster's time lies years before
 * the clock of the fronted Redis, which would find everything idle for years.
 */

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { examinedMax, resolveCommand } from '../../../src/engine/redis/effects.ts';
import { words } from '../../support/commands.ts';
import { commandOf, EngineDriver } from '../../support/engine-driver.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { Line, TranslatedRedis } from './translated-redis.ts';

const timeMs = 1_700_000_000_000;
const runs = 200;

let servers: readonly RedisServer[];
let engine: EngineDriver;
/** A second replica of the same log. */
let replica: EngineDriver;
let plain: Line;

before(async () => {
  servers = await Promise.all([startRedis(), startRedis(), startRedis()]);
});

beforeEach(() => open());

afterEach(() => close());

after(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

async function open(): Promise<void> {
  const [first = 0, second = 0, third = 0] = servers.map(({ port }) => port);
  engine = await EngineDriver.open(await TranslatedRedis.create(first));
  replica = await EngineDriver.open(await TranslatedRedis.create(second));
  plain = await Line.open(third);
  await plain.ask('FLUSHALL');
}

async function close(): Promise<void> {
  plain.close();
  await Promise.all([engine.engine.close(), replica.engine.close()]);
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const ask = (line: string): Promise<string> =>
  plain.ask(...words(line).map((word) => word.toString('latin1')));

/** Resolves a command, applies what that gives on both replicas, and gives the reply. */
async function execute(line: string, at = timeMs): Promise<string> {
  const logged = await engine.resolve(at, line);
  assert.ok(logged !== undefined);
  const entry = { index: (index += 1), term: 1, timeMs: at, commands: [logged] };
  const [reply = '', other] = await Promise.all(
    [engine, replica].map(
      (one) =>
        new Promise<string>((done) => one.engine.apply(entry, (replies) => done(replies[0] ?? ''))),
    ),
  );
  assert.equal(other, reply, line);
  return reply;
}

let index = 1_000_000;

async function applyAll(at: number, ...lines: readonly string[]): Promise<readonly string[]> {
  const entry = { index: (index += 1), term: 1, timeMs: at, commands: lines.map(commandOf) };
  await new Promise((done) => replica.engine.apply(entry, done));
  return new Promise((done) => engine.engine.apply(entry, done));
}

/** The same line here and there. */
async function assertAsPlain(line: string): Promise<void> {
  assert.equal(await execute(line), await ask(line), line);
}

/** Without idle times, which are Redis's own. */
const pending = (reply: string): string => reply.replaceAll(/:\d+\r\n(:\d+\r\n)/gu, '$1');

async function assertSameGroups(...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    for (const line of [`XPENDING ${key} g - + 100`, `XPENDING ${key} g`, `XINFO GROUPS ${key}`]) {
      const expected = pending(await ask(line));
      for (const one of [engine, replica]) {
        const [found = ''] = await one.read(timeMs, line);
        assert.equal(pending(found), expected, line);
      }
    }
  }
}

test('SPOP takes members that were there, the same on every replica', async () => {
  await applyAll(timeMs, 'SADD s a b c d e f "g\\u0000\\r\\n"');
  const one = await execute('SPOP s');
  const some = await execute('SPOP s 3');
  assert.match(some, /^\*3\r\n/u);
  const rest = await execute('SPOP s 99');
  assert.match(rest, /^\*3\r\n/u);
  const taken = `${one}${some.slice(4)}${rest.slice(4)}`;
  const members = ['a', 'b', 'c', 'd', 'e', 'f', 'g\0\r\n'];
  for (const member of members) {
    assert.ok(taken.includes(`$${member.length}\r\n${member}\r\n`), JSON.stringify(member));
  }
  assert.equal(
    taken.length,
    members.map((member) => member.length + 6).reduce((a, b) => a + b),
  );
  assert.deepEqual(await applyAll(timeMs, 'EXISTS s'), [':0\r\n']);
});

test('SPOP without an effect, and a wrong one, has Redis’s reply', async () => {
  await applyAll(timeMs, 'SET k v', 'SADD s a');
  for (const line of ['SET k v', 'SADD s a']) await ask(line);
  for (const line of [
    'SPOP missing',
    'SPOP missing 1',
    'SPOP missing x',
    'SPOP k',
    'SPOP k 2',
    'SPOP k -2',
    'SPOP s 0',
    'SPOP s -1',
    'SPOP s x',
    'SPOP s 1.5',
    'SPOP s 9223372036854775808',
    'SPOP s 1 2',
    'SPOP s 9223372036854775807',
    'SPOP s 1',
  ]) {
    await assertAsPlain(line);
  }
});

test('a set that is due is empty for SPOP, and a removed one stays removed', async () => {
  await applyAll(timeMs, 'SADD s a b', 'PEXPIRE s 10');
  assert.equal(await execute('SPOP s', timeMs + 10), '$-1\r\n');
  assert.deepEqual(await applyAll(timeMs + 10, 'EXISTS s'), [':0\r\n']);
});

test('an effect is what can be read back: the reply, then commands', async () => {
  await applyAll(timeMs, 'SADD s a');
  const logged = await engine.resolve(timeMs, 'SPOP s');
  assert.equal(
    text(logged?.bytes ?? new Uint8Array()),
    '*3\r\n$16\r\nOUTRIGGER.EFFECT\r\n$7\r\n$1\r\na\r\n\r\n$28\r\n*3\r\n$4\r\nSREM\r\n$1\r\ns\r\n$1\r\na\r\n\r\n',
  );
});

/** Five entries, of which 1 to 4 are pending: idle for 0, 50 s, 100 s (deleted), 100 s. */
const groupLines = [
  ...[1, 2, 3, 4, 5].map((id) => `XADD s ${id}-0 f v${id}`),
  'XGROUP CREATE s g 0',
];
const idleLines = [
  'XCLAIM s g c 0 2-0 IDLE 50000 JUSTID',
  'XCLAIM s g c 0 3-0 4-0 IDLE 100000 JUSTID',
];

async function build(): Promise<void> {
  const lines = [...groupLines, 'XREADGROUP GROUP g c COUNT 4 STREAMS s >'];
  for (const line of lines) await ask(line);
  await applyAll(timeMs, ...lines);
  for (const line of idleLines) await assertAsPlain(line);
  await ask('XDEL s 3-0');
  await applyAll(timeMs, 'XDEL s 3-0');
}

test('XCLAIM and XAUTOCLAIM claim what was idle long enough on the cluster’s clock', async () => {
  const claims = [
    'XCLAIM s g d 75000 1-0 2-0 3-0 4-0 5-0',
    'XCLAIM s g d 25000 1 2 4 JUSTID',
    'XCLAIM s g d 25000 5-0 1-0 FORCE',
    'XCLAIM s g d 25000 4-0 4-0 4-0 IDLE 60000',
    'XCLAIM s g d 25000 5-0 5-0 FORCE RETRYCOUNT 7',
    'XAUTOCLAIM s g d 75000 -',
    'XAUTOCLAIM s g d 25000 0 COUNT 1',
    'XAUTOCLAIM s g d 25000 (1-0 COUNT 2 JUSTID',
    'XAUTOCLAIM s g d 1000000 0',
    'XAUTOCLAIM s g d -5 3-0',
    'XAUTOCLAIM s g d 0 +',
  ];
  for (const line of claims) {
    await build();
    await assertAsPlain(line);
    await assertSameGroups('s');
    await applyAll(timeMs, 'DEL s');
    await ask('DEL s');
  }
});

test('XCLAIM and XAUTOCLAIM have Redis’s errors', async () => {
  await build();
  await applyAll(timeMs, 'SET k v');
  await ask('SET k v');
  for (const line of [
    'XCLAIM missing g d 10 1-0',
    'XCLAIM k g d 10 1-0',
    'XCLAIM s nogroup d 10 1-0',
    'XCLAIM s g d x 1-0',
    'XCLAIM s g d 10 1-0 nonsense',
    'XCLAIM s g d 10 1-0 IDLE',
    'XCLAIM s g d 10 1-0 IDLE x',
    'XCLAIM s g d 10 1-0 TIME 1.5',
    'XCLAIM s g d 10 1-0 RETRYCOUNT x',
    'XCLAIM s g d 10 1-0 LASTID x',
    'XCLAIM s g d 10 1-0-0',
    'XCLAIM s g d 1000000 +1-0',
    'XCLAIM s g d 0 +1-0',
    'XCLAIM s g d 10 FORCE',
    'XCLAIM s g d 1000000 1-0 LASTID 9-0',
    'XAUTOCLAIM missing g d 10 0',
    'XAUTOCLAIM k g d 10 0',
    'XAUTOCLAIM s nogroup d 10 0',
    'XAUTOCLAIM s g d x 0',
    'XAUTOCLAIM s g d 10 x',
    'XAUTOCLAIM s g d 10 IDLE',
    'XAUTOCLAIM s g d 10 (18446744073709551615-18446744073709551615',
    'XAUTOCLAIM s g d 10 0 COUNT 0',
    'XAUTOCLAIM s g d 10 0 COUNT',
    'XAUTOCLAIM s g d 10 0 nonsense',
  ]) {
    await assertAsPlain(line);
  }
  await assertSameGroups('s');
});

const id = fc.integer({ min: 1, max: 8 }).map((number) => `${number}-0`);
const ids = fc.array(id, { minLength: 1, maxLength: 6 }).map((some) => some.join(' '));
const minIdle = fc.constantFrom('0', '25000', '75000', '200000');
const consumer = fc.constantFrom('c', 'd', 'e');
const flags = fc
  .subarray([
    'FORCE',
    'JUSTID',
    'IDLE 50000',
    'IDLE 100000',
    'RETRYCOUNT 3',
    'LASTID 7-0',
    'TIME 1000',
  ])
  .map((some) => some.join(' '));
const anyClaim = fc.oneof(
  fc
    .tuple(consumer, minIdle, ids, flags)
    .map(([who, ms, some, more]) => `XCLAIM s g ${who} ${ms} ${some} ${more}`.trim()),
  fc
    .tuple(
      consumer,
      minIdle,
      fc.oneof(id, fc.constant('0')),
      fc.constantFrom('', ' COUNT 1', ' COUNT 3', ' JUSTID', ' COUNT 2 JUSTID'),
    )
    .map(([who, ms, start, more]) => `XAUTOCLAIM s g ${who} ${ms} ${start}${more}`),
);
const anyLine = fc.oneof(
  { weight: 3, arbitrary: anyClaim },
  {
    weight: 1,
    arbitrary: fc
      .tuple(consumer, fc.integer({ min: 1, max: 3 }))
      .map(([who, count]) => `XREADGROUP GROUP g ${who} COUNT ${count} STREAMS s >`),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      id.map((one) => `XDEL s ${one}`),
      id.map((one) => `XACK s g ${one}`),
    ),
  },
);

test('any sequence of claims ends as with a Redis that gets them itself', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyLine, { minLength: 1, maxLength: 12 }), async (lines) => {
      const setUp = [
        ...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => `XADD s ${number}-0 f v`),
        'XGROUP CREATE s g 0',
      ];
      await applyAll(timeMs, 'DEL s', ...setUp);
      await ask('DEL s');
      for (const line of setUp) await ask(line);
      for (const line of lines) await assertAsPlain(line);
      await assertSameGroups('s');
    }),
    { numRuns: runs },
  );
});

test('an XAUTOCLAIM that would look at very many entries leads on by its cursor', async () => {
  const count = examinedMax + 5;
  const adds = Array.from({ length: count }, (_, place) => `XADD s ${place + 1}-0 f v`);
  await applyAll(timeMs, ...adds, 'XGROUP CREATE s g 0', 'XREADGROUP GROUP g c STREAMS s >');
  const first = await execute('XAUTOCLAIM s g d 0 0 COUNT 1000000 JUSTID', timeMs);
  const cursor = `${examinedMax + 1}-0`;
  assert.ok(first.startsWith(`*3\r\n$6\r\n${cursor}\r\n*${examinedMax}\r\n`));
  const second = await execute(`XAUTOCLAIM s g d 0 ${cursor} COUNT 1000000 JUSTID`, timeMs);
  assert.ok(second.startsWith('*3\r\n$3\r\n0-0\r\n*5\r\n'));
});

test('where the Redis cannot be asked, nothing is logged', () => {
  const logged: unknown[] = [];
  const lines = ['SPOP s', 'XCLAIM s g c 1 1-0', 'XAUTOCLAIM s g c 1 0'];
  for (const line of lines) {
    resolveCommand(
      commandOf(line),
      timeMs,
      (_database, _commands, done) => done(undefined),
      (found) => logged.push(found),
    );
  }
  assert.deepEqual(logged, [undefined, undefined, undefined]);
});

test('what would take more than an entry should hold is answered with an error, and takes nothing', () => {
  const member = `$41943041\r\n${'x'.repeat(41_943_041)}\r\n`;
  const tooMuch = `*2\r\n${member}${member}`;
  for (const drawn of [tooMuch, '-ERR reply exceeds 512 MB\r\n']) {
    let logged = '';
    resolveCommand(
      commandOf('SPOP big 2'),
      timeMs,
      (_database, _commands, done) => done([':-1\r\n', drawn]),
      (command) => (logged = text(command?.bytes ?? new Uint8Array(0))),
    );
    assert.match(
      logged,
      /^\*2\r\n\$16\r\nOUTRIGGER.EFFECT\r\n\$\d+\r\n-ERR what this command would take/,
    );
  }
});
