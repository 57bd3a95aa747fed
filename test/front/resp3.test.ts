import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { lookupCommand } from '../../src/command/table.ts';
import { shapeOf } from '../../src/front/resp3-shapes.ts';
import { toResp3 } from '../../src/front/resp3.ts';
import { allCases } from '../differential/cases.ts';
import { compareSequence, sequenceOf } from '../differential/sequence.ts';
import { compareCase } from '../differential/suite.ts';
import { connectTarget } from '../differential/target.ts';
import type { Target } from '../differential/target.ts';
import { anyCommand } from '../differential/typed-generator.ts';
import { exchange } from '../support/exchange.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { startFront } from '../support/test-front.ts';

/** How many random ones are run. */
const sequences = 100;

/** The reply of RESP2 to a command, in RESP3. */
function inResp3(args: readonly string[], reply: string): string {
  const container = lookupCommand(args[0] ?? '');
  const spec = container?.subcommands?.get((args[1] ?? '').toLowerCase()) ?? container;
  const argLatin1 = (at: number): string => args[at] ?? '';
  return toResp3(shapeOf(spec?.name ?? '', { argc: args.length, argLatin1 }), reply);
}

const converted = (line: string, reply: string): string => inResp3(line.split(' '), reply);

describe('a reply in RESP3', () => {
  test('has one form of null, also inside arrays', () => {
    assert.equal(converted('get a', '$-1\r\n'), '_\r\n');
    assert.equal(converted('randomkey', '*-1\r\n'), '_\r\n');
    assert.equal(converted('mget a b', '*2\r\n$-1\r\n$1\r\na\r\n'), '*2\r\n_\r\n$1\r\na\r\n');
  });

  test('leaves values that look like nulls alone', () => {
    assert.equal(converted('get a', '$5\r\n$-1\r\n\r\n'), '$5\r\n$-1\r\n\r\n');
    const values = '*2\r\n$5\r\n$-1\r\n\r\n$-1\r\n';
    assert.equal(converted('mget a b', values), '*2\r\n$5\r\n$-1\r\n\r\n_\r\n');
  });

  test('is a map where names and values alternate', () => {
    const pairs = '*2\r\n$4\r\nsave\r\n$0\r\n\r\n';
    assert.equal(converted('config get save', pairs), '%1\r\n$4\r\nsave\r\n$0\r\n\r\n');
    const found = '*2\r\n$3\r\nlen\r\n:0\r\n';
    assert.equal(converted('lcs a b idx', found), '%1\r\n$3\r\nlen\r\n:0\r\n');
    assert.equal(converted('lcs a b', '$2\r\nab\r\n'), '$2\r\nab\r\n');
  });

  test('is a verbatim string where the text is for people', () => {
    assert.equal(converted('info', '$4\r\n# Ab\r\n'), '=8\r\ntxt:# Ab\r\n');
  });

  test('leaves errors as they are', () => {
    for (const line of ['info', 'config get a', 'zscore z a', 'xread streams a 0']) {
      assert.equal(converted(line, '-ERR no\r\n'), '-ERR no\r\n');
    }
  });

  test('does not take a key, a member or a value for an option', () => {
    const flat = '*2\r\n$1\r\na\r\n$1\r\n1\r\n';
    for (const line of [
      'zunion 2 withscores withscores',
      'zrange withscores 0 1',
      'hrandfield withvalues 2',
    ]) {
      assert.equal(converted(line, flat), flat, line);
    }
  });
});

/** A redis-server that speaks RESP2, its replies put into RESP3. */
function convertingTarget(target: Target): Target {
  return {
    async execute(args) {
      const reply = (await target.execute(args)).toString('latin1');
      const latin1 = args.map((arg) => arg.toString('latin1'));
      return Buffer.from(inResp3(latin1, reply), 'latin1');
    },
    close: () => target.close(),
  };
}

describe('replies of RESP2 become those that Redis gives in RESP3', () => {
  let servers: RedisServer[] = [];
  let targets: { readonly ours: Target; readonly theirs: Target };

  before(async () => {
    const [first, second] = await Promise.all([startRedis(), startRedis()]);
    servers = [first, second];
    const ours = convertingTarget(await connectTarget(first.port));
    targets = { ours, theirs: await connectTarget(second.port, 3) };
  });

  after(async () => {
    await Promise.all([targets.ours.close(), targets.theirs.close()]);
    await Promise.all(servers.map((server) => server.stop()));
  });

  for (const [name, lines] of Object.entries(allCases)) {
    test(name, () => compareCase(lines, targets));
  }

  test('after any sequence of commands', async (t) => {
    const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    await fc.assert(
      fc.asyncProperty(sequenceOf(anyCommand), (commands) =>
        compareSequence(commands, targets, 'redis'),
      ),
      { seed, numRuns: sequences },
    );
  });
});

/** Values that differ from server to server, and what COMMAND tells of a command beside its table row. */
const withoutOwnValues = (text: string): string =>
  text.replaceAll(/(\$2\r\nid\r\n):\d+/g, '$1:ID').replaceAll(/=\d+\r\ntxt:[^\r]*\r\n/g, '=TEXT');

test('types are those of a real Redis, from HELLO 3 to RESET', async () => {
  const redis = await startRedis();
  await using front = await startFront(new FakeCluster());
  const said = [
    'HELLO 3',
    'GET none',
    'MGET none none',
    'CONFIG GET maxmemory-policy',
    'CLIENT GETNAME',
    'CLIENT INFO',
    'CLIENT LIST',
    'COMMAND INFO nosuch',
    'COMMAND DOCS nosuch',
    'HELLO',
    'HELLO 2',
    'GET none',
    'HELLO 3',
    'RESET',
    'GET none',
    'QUIT',
  ];
  const bytes = Buffer.from(said.map((line) => `${line}\r\n`).join(''));
  try {
    const [theirs, ours] = await Promise.all([
      exchange(redis.port, bytes),
      exchange(front.port, bytes),
    ]);
    assert.equal(withoutOwnValues(ours), withoutOwnValues(theirs));
  } finally {
    await redis.stop();
  }
});

test('COMMAND INFO has sets and maps where a real Redis has them', async () => {
  await using front = await startFront(new FakeCluster());
  const bytes = Buffer.from('HELLO 3\r\nCOMMAND INFO get\r\nQUIT\r\n');
  const reply = await exchange(front.port, bytes);
  const all = await exchange(front.port, 'HELLO 3\r\nCOMMAND\r\nQUIT\r\n');
  const [, info = ''] = reply.split('modules\r\n*0\r\n');
  assert.match(
    info,
    /^\*1\r\n\*10\r\n\$3\r\nget\r\n:2\r\n~2\r\n\+readonly\r\n\+fast\r\n:1\r\n:1\r\n:1\r\n~/,
  );
  assert.match(info, /~1\r\n%3\r\n\$5\r\nflags\r\n~1\r\n\+RO\r\n\$12\r\nbegin_search\r\n%2\r\n/);
  const get = info.slice('*1\r\n'.length, info.indexOf('+OK\r\n'));
  assert.ok(all.includes(get), 'COMMAND tells the same of it');
});
