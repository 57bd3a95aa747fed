/**
 * The memory engine under the contract suite, and what is its own: slices, cursors, bounds, damaged entries.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AssertionError } from '../../../src/base/assert.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { latin1Slice } from '../../../src/command/latin1.ts';
import { allCommands } from '../../../src/command/table.ts';
import { createMemoryEngine, reclaimedPerEntry } from '../../../src/engine/memory/memory-engine.ts';
import { keysSliceItems, scanVisitsMax } from '../../../src/engine/memory/walk.ts';
import { engineContract } from '../../contract/engine.ts';
import { EngineDriver, commandOf, elementsOf, walkOf } from '../../support/engine-driver.ts';
import { manualTimers } from '../../support/manual-timers.ts';

engineContract('the memory engine', () => {
  const timers = manualTimers();
  return Promise.resolve(
    createMemoryEngine({
      random: seededRandom(1),
      timers: { ...timers, soon: (call) => void setImmediate(call) },
      latin1Slice,
    }),
  );
});

function create(seed = 1): { engine: EngineDriver; timers: ReturnType<typeof manualTimers> } {
  const timers = manualTimers();
  const random = seededRandom(seed);
  return { engine: new EngineDriver(createMemoryEngine({ random, timers, latin1Slice })), timers };
}

const sets = (count: number, more = ''): string[] =>
  Array.from({ length: count }, (_, key) => `SET k${key} v${more}`);

describe('long work goes in slices', () => {
  test('KEYS matches a bounded number of keys a slice and lets others run between', async () => {
    const { engine, timers } = create();
    await engine.apply(1000, ...sets(3 * keysSliceItems + 1));
    let replies: readonly string[] | undefined;
    void engine.read(1000, 'KEYS *', 'GET k1').then((found) => (replies = found));
    for (let slice = 2; slice <= 4; slice += 1) {
      await Promise.resolve();
      assert.equal(replies, undefined);
      assert.equal(timers.waiting, 1);
      timers.runOnce();
    }
    await Promise.resolve();
    assert.equal(elementsOf(replies?.[0]).length, 3 * keysSliceItems + 1);
    assert.equal(replies?.[1], '$1\r\nv\r\n');
  });

  test('a KEYS in slices does not see what later entries expire, rename or delete', async () => {
    const { engine, timers } = create();
    const count = keysSliceItems + 10;
    await engine.apply(1000, ...sets(count, ' PX 500'), 'SET due v PX 1');
    const keys = engine.apply(1001, 'KEYS *');
    const later = engine.apply(
      9000,
      'DEL k1',
      'SET k2 new',
      'RENAME k2 other',
      'SET k3 v',
      'DBSIZE',
    );
    timers.runAll();
    assert.equal(elementsOf((await keys)[0]).length, count);
    assert.equal((await later).at(-1), ':2\r\n');
  });

  test('one SCAN visits a bounded number of keys whatever its COUNT', async () => {
    const { engine } = create();
    await engine.apply(1000, ...sets(scanVisitsMax + 5));
    const [reply = ''] = await engine.read(1000, 'SCAN 0 COUNT 1000000');
    assert.equal(walkOf(reply).keys.length, scanVisitsMax);
  });

  test('an entry reclaims a bounded number of due keys', async () => {
    const { engine } = create();
    await engine.apply(1000, ...sets(reclaimedPerEntry + 5, ' PX 1'));
    await engine.apply(2000);
    assert.equal(engine.engine.statistics().databases[0]?.keys, 5);
    assert.deepEqual(await engine.read(2000, 'DBSIZE'), [':0\r\n']);
  });
});

describe("SCAN's cursor", () => {
  const cursorOf = (reply = ''): number => Number(walkOf(reply).cursor);

  test('leaves room for the number of a shard', async () => {
    for (let seed = 1; seed < 50; seed += 1) {
      const { engine } = create(seed);
      await engine.apply(1000, ...sets(12));
      const [reply] = await engine.read(1000, 'SCAN 0');
      assert.ok(cursorOf(reply) >= 2 ** 31 && cursorOf(reply) < 2 ** 47);
    }
  });

  test('of another run starts the walk again', async () => {
    const [one, two] = [create(1).engine, create(2).engine];
    await one.apply(1000, ...sets(12));
    await two.apply(1000, ...sets(12));
    const [first] = await one.read(1000, 'SCAN 0');
    const [again] = await two.read(1000, `SCAN ${cursorOf(first)}`);
    assert.deepEqual(walkOf(again).keys, walkOf(first).keys);
    const [rest] = await one.read(1000, `SCAN ${cursorOf(first)}`);
    assert.equal(cursorOf(rest), 0);
    assert.equal(walkOf(rest).keys.length, 2);
  });

  test('beyond what is left goes on with what is left', async () => {
    const { engine } = create();
    await engine.apply(1000, ...sets(100));
    const [first] = await engine.read(1000, 'SCAN 0 COUNT 50');
    await engine.apply(1000, 'FLUSHALL', 'SET a 1');
    const [rest] = await engine.read(1000, `SCAN ${cursorOf(first)}`);
    assert.deepEqual(walkOf(rest), { cursor: '0', keys: ['a'] });
  });
});

describe('what the engine must never do', () => {
  test('an index or a time that goes back stops the replica', () => {
    const { engine } = create();
    const apply = (index: number, timeMs: number): void =>
      engine.engine.apply({ index, term: 1, timeMs, commands: [] }, () => undefined);
    apply(5, 1000);
    assert.throws(() => apply(5, 1000), AssertionError);
    assert.throws(() => apply(6, 999), AssertionError);
    assert.throws(
      () => engine.engine.read({ timeMs: 999, commands: [] }, () => undefined),
      AssertionError,
    );
  });

  test('a command that cannot be read stops the replica', () => {
    const damaged = ['', '*1\r\n', 'GET a\r\n', '*1\r\n$3\r\nGET', '*2\r\n$3\r\nGET\r\n', '*0\r\n'];
    const unknown = ['*1\r\n$3\r\nFOO\r\n', '*1\r\n$-1\r\n', '*1\r\n$3\r\nGET\r\nX', '*x\r\n'];
    for (const text of [...damaged, ...unknown]) {
      const { engine } = create();
      const commands = [{ database: 0, bytes: Buffer.from(text) }];
      const entry = { index: 1, term: 1, timeMs: 1, commands };
      assert.throws(() => engine.engine.apply(entry, () => undefined), AssertionError, text);
    }
  });

  test('a write is not run as a read', () => {
    const { engine } = create();
    const read = { timeMs: 1, commands: [commandOf('SET a 1')] };
    assert.throws(() => engine.engine.read(read, () => undefined), AssertionError);
  });

  test('a value longer than the longest string is refused by every replica alike', async () => {
    const { engine } = create();
    const half = `SETRANGE a ${2 ** 28} x`;
    await engine.apply(1000, half);
    const replies = await engine.apply(1000, 'COPY a b', 'MGET a b a', 'SETRANGE a 536870000 x');
    assert.equal(replies[1], '-ERR reply exceeds 512 MB\r\n');
    assert.match(replies[2] ?? '', /^-ERR string exceeds maximum allowed size/);
  });
});

test('the engine has a function of the right kind for every supported read and write', () => {
  const timers = manualTimers();
  for (const spec of allCommands()) {
    if ((spec.kind !== 'read' && spec.kind !== 'write') || spec.engines !== 'all') continue;
    const engine = createMemoryEngine({ random: seededRandom(1), timers, latin1Slice });
    const args = [spec.name, ...Array.from({ length: Math.abs(spec.arity) }, () => '1')];
    const bytes = Buffer.from(
      `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`,
    );
    const read = { timeMs: 1, commands: [{ database: 0, bytes }] };
    const run = (): void => engine.read(read, () => undefined);
    if (spec.kind === 'read') assert.doesNotThrow(run, spec.name);
    else assert.throws(run, AssertionError, spec.name);
    engine.apply({ index: 1, term: 1, ...read }, () => undefined);
  }
});
