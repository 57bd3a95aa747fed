/**
 * Where keys stand: by position, and, for commands whose arguments say it, beside the COMMAND GETKEYS of a real redis-server.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { keyIndexes } from '../../src/command/keys.ts';
import { allCommands, fitsArity, lookupCommand } from '../../src/command/table.ts';
import { elementsOf, bulkOf } from '../../src/resp/reply-framer.ts';
import { connectTarget } from '../differential/target.ts';
import type { Target } from '../differential/target.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';

function positions(args: readonly string[]): readonly number[] {
  const container = lookupCommand(args[0] ?? '');
  const spec = container?.subcommands?.get(args[1] ?? '') ?? container;
  assert.ok(spec);
  const argLatin1 = (at: number): string => args[at] ?? '';
  return keyIndexes(spec, { argc: args.length, argLatin1 });
}

const keysOf = (line: string): string[] => {
  const args = line.split(' ');
  return positions(args).map((at) => args[at] ?? '');
};

test('keys stand where the row says', () => {
  assert.deepEqual(keysOf('get a'), ['a']);
  assert.deepEqual(keysOf('set a 1 EX 2 NX'), ['a']);
  assert.deepEqual(keysOf('mget a b c'), ['a', 'b', 'c']);
  assert.deepEqual(keysOf('mset a 1 b 2'), ['a', 'b']);
  assert.deepEqual(keysOf('rename a b'), ['a', 'b']);
  assert.deepEqual(keysOf('copy a b DB 1 REPLACE'), ['a', 'b']);
  assert.deepEqual(keysOf('object encoding a'), ['a']);
  assert.deepEqual(keysOf('memory usage a SAMPLES 5'), ['a']);
  assert.deepEqual(keysOf('xgroup create a g 0'), ['a']);
  assert.deepEqual(keysOf('bitop and d a b'), ['d', 'a', 'b']);
});

test('commands without keys have none', () => {
  for (const name of ['ping', 'dbsize', 'keys', 'scan', 'flushall', 'swapdb']) {
    assert.deepEqual(keysOf(`${name} x`), [], name);
  }
  assert.deepEqual(keysOf('object help'), []);
});

test('a single key costs no allocation', () => {
  assert.equal(positions(['get', 'a']), positions(['set', 'b', 'c']));
});

test('MSET without its last value still shows all its keys', () => {
  assert.deepEqual(keysOf('mset a 1 b'), ['a', 'b']);
});

test('a count that is none, or more than there are, leaves no keys', () => {
  for (const count of ['0', '-1', '3', 'x', '', '1.5', '99999999999', '01']) {
    assert.deepEqual(keysOf(`zunion ${count} a b`), [], count);
    assert.deepEqual(keysOf(`zunionstore d ${count} a b`), [], count);
  }
});

test('options that Redis refuses leave no streams', () => {
  const lines = ['xread streams a', 'xread foo a 0', 'xread streams', 'xread count streams'];
  for (const line of [...lines, 'xread streams a b 0']) assert.deepEqual(keysOf(line), [], line);
});

test('options of newer servers do not hide streams', () => {
  assert.deepEqual(keysOf('xread maxcount 5 maxsize 9 streams a b 0 0'), ['a', 'b']);
});

test('the last target of an option counts, and a value is never taken for an option', () => {
  assert.deepEqual(keysOf('sort a STORE b STORE c'), ['a', 'c']);
  assert.deepEqual(keysOf('sort a BY store GET store LIMIT store 1'), ['a']);
  assert.deepEqual(keysOf('sort a STORE by STORE c'), ['a', 'c']);
  assert.deepEqual(keysOf('sort a STORE'), ['a']);
  assert.deepEqual(keysOf('georadius a 1 2 3 m STORE b STOREDIST c'), ['a', 'c']);
  assert.deepEqual(keysOf('georadiusbymember a store 3 m'), ['a']);
});

/*
 * Commands as Redis would run them. GETKEYS looks at words, not at what they are to the command: so no key is a word that could be an
 * option, and an option with a target comes once.
 */

type Args = fc.Arbitrary<readonly string[]>;
const key = fc.constantFrom('a', 'b', 'c', '', 'k{t}', '\0\xff', '1', '2');
const keys = fc.array(key, { minLength: 1, maxLength: 4 });
const count = fc.constantFrom('0', '1', '3');
const counted: Args = keys.map((found) => [String(found.length), ...found]);
const spelled = (...names: string[]): fc.Arbitrary<string> =>
  fc.constantFrom(...names.flatMap((name) => [name, name.toLowerCase()]));
const words = (...parts: (Args | fc.Arbitrary<string>)[]): Args =>
  fc.tuple(...parts).map((found) => found.flat());
const maybe = (options: Args): Args => fc.oneof(fc.constant([]), options);
const some = (...options: Args[]): Args =>
  fc.array(fc.oneof(...options), { maxLength: 4 }).map((found) => found.flat());
const aggregate = maybe(words(spelled('AGGREGATE'), fc.constantFrom('sum', 'min', 'max')));
const weights = (least: Args): Args => words(least, aggregate, maybe(fc.constant(['WITHSCORES'])));
const options = some(
  words(spelled('COUNT'), count),
  words(spelled('WITHDIST', 'ASC', 'WITHCOORD')),
);
const storing = words(options, maybe(words(spelled('STORE', 'STOREDIST'), key)), options);
const sorting = some(
  words(spelled('BY', 'GET'), fc.constantFrom('w_*', '#', 'nosort')),
  words(spelled('LIMIT'), count, count),
  words(spelled('ASC', 'DESC', 'ALPHA')),
);
const streams = keys.map((found) => ['streams', ...found, ...found.map(() => '0')]);
const target = words(key, counted);

const movable: Readonly<Record<string, Args>> = {
  georadius: words(key, fc.constant(['1', '2', '3', 'km']), storing),
  georadiusbymember: words(key, fc.constant(['m', '3', 'km']), storing),
  lmpop: words(counted, spelled('LEFT', 'RIGHT'), maybe(words(spelled('COUNT'), count))),
  sintercard: words(counted, maybe(words(spelled('LIMIT'), count))),
  sort: words(key, sorting, maybe(words(spelled('STORE'), key)), sorting),
  xread: words(maybe(words(spelled('COUNT'), count)), streams),
  xreadgroup: words(
    fc.constant(['GROUP', 'g', 'c']),
    maybe(words(spelled('COUNT'), count)),
    maybe(words(spelled('NOACK'))),
    streams,
  ),
  zdiff: words(counted, maybe(fc.constant(['WITHSCORES']))),
  zdiffstore: target,
  zinter: weights(counted),
  zintercard: words(counted, maybe(words(spelled('LIMIT'), count))),
  zinterstore: words(target, aggregate),
  zmpop: words(counted, spelled('MIN', 'MAX'), maybe(words(spelled('COUNT'), count))),
  zunion: weights(counted),
  zunionstore: words(target, aggregate),
};

describe('keys that other arguments tell', () => {
  let redis: RedisServer;
  let target: Target;

  before(async () => {
    redis = await startRedis();
    target = await connectTarget(redis.port);
  });

  after(async () => {
    await target.close();
    await redis.stop();
  });

  test('every row with such keys has combinations here', () => {
    const names = allCommands().flatMap((spec) => (spec.movableKeys ? [spec.name] : []));
    assert.deepEqual(names, Object.keys(movable));
  });

  test('a target given twice is the one that Redis writes to', async () => {
    const lines = ['RPUSH a 1', 'GEOADD g 1 1 m', 'SORT a STORE b STORE c'];
    const more = ['GEORADIUSBYMEMBER g m 1 km STORE d STOREDIST e', 'EXISTS b d', 'EXISTS c e'];
    let reply = '';
    for (const line of [...lines, ...more]) {
      reply += String(await target.execute(line.split(' ').map((word) => Buffer.from(word))));
    }
    assert.ok(reply.endsWith(':0\r\n:2\r\n'), reply);
  });

  for (const [name, args] of Object.entries(movable)) {
    test(`${name}: those of COMMAND GETKEYS`, async (t) => {
      const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);
      t.diagnostic(`seed ${seed}`);
      await fc.assert(
        fc.asyncProperty(args, async (found) => {
          const command = [name, ...found];
          const spec = lookupCommand(name);
          assert.ok(spec && fitsArity(spec, command.length));
          const asked = ['COMMAND', 'GETKEYS', ...command];
          const reply = await target.execute(asked.map((word) => Buffer.from(word, 'latin1')));
          const theirs = (elementsOf(reply.toString('latin1')) ?? []).map(bulkOf);
          const ours = positions(command).map((at) => command[at]);
          assert.deepEqual(ours, theirs, `${command.join(' ')}: ${String(reply)}`);
        }),
        { seed, numRuns: 100 },
      );
    });
  }
});
