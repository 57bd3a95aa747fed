import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { crc32 } from 'node:zlib';

import { ClassicLevel } from 'classic-level';

import { NodeError, type ErrorCode } from '../../src/base/errors.ts';
import { index, nodeId } from '../../src/base/ids.ts';
import { entryKey, formatKey, hardStateKey, baseKey, identityKey } from '../../src/log/keys.ts';
import { openLevelLog, type LevelDatabase } from '../../src/log/level-log.ts';
import { encodeFormat } from '../../src/log/record.ts';
import {
  agreedIdentity,
  created,
  describeLog,
  hardState,
  newIdentity,
  one,
  run,
  two,
  type LogPlace,
} from '../contract/log.ts';

const self = nodeId(1);

const makeDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'outrigger-log-'));

const place = async (tailBytesMax?: number): Promise<LogPlace> => {
  const directory = await makeDirectory();
  const options = { directory, nodeId: self };
  return {
    open: () => openLevelLog(tailBytesMax === undefined ? options : { ...options, tailBytesMax }),
    remove: () => rm(directory, { recursive: true }),
  };
};

describeLog('the LevelDB log', () => place());
describeLog('the LevelDB log that keeps no tail', () => place(0));
describeLog('the LevelDB log that keeps a short tail', () => place(10_000));

const bytes = { keyEncoding: 'view', valueEncoding: 'view' } as const;

let directory: string;
beforeEach(async () => {
  directory = await makeDirectory();
});
afterEach(() => rm(directory, { recursive: true }));

/** Two groups, one of them with something committed, and an identity. */
async function fill(): Promise<void> {
  const log = await openLevelLog({ directory, nodeId: self });
  await log.saveIdentity(agreedIdentity);
  await log.write([
    { ...created(one, run(1, 9)), hardState: hardState(9, 2, 4) },
    created(two, run(1, 3)),
  ]);
  await log.close();
}

/** Changes the closed database behind the log's back. */
async function tamper(change: (database: LevelDatabase) => Promise<void>): Promise<void> {
  const database: LevelDatabase = new ClassicLevel(join(directory, 'log'), bytes);
  await database.open();
  await change(database);
  await database.close();
}

async function valueOf(database: LevelDatabase, key: Uint8Array): Promise<Uint8Array> {
  const value = await database.get(key);
  assert(value !== undefined);
  return value;
}

/** Opening is refused with this code and a message that has all these parts, and the directory is released. */
async function assertRefused(code: ErrorCode, ...parts: readonly string[]): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await assert.rejects(openLevelLog({ directory, nodeId: self }), (error: unknown) => {
      assert(error instanceof NodeError);
      assert.equal(error.code, code, error.message);
      assert(!error.message.includes('\n'));
      for (const part of [directory, ...parts]) assert(error.message.includes(part), error.message);
      return true;
    });
  }
}

describe('damage of a LevelDB log', () => {
  for (const [what, key] of [
    ['the format record', formatKey()],
    ['the identity record', identityKey()],
    ['the base record of group 2', baseKey(two)],
    ['the hard state record of group 1', hardStateKey(one)],
    ['entry 7 of group 1', entryKey(one, index(7))],
  ] as const) {
    test(`a flipped bit anywhere in ${what} is found at open`, async () => {
      await fill();
      let whole: Uint8Array = new Uint8Array(0);
      await tamper(async (database) => {
        whole = await valueOf(database, key);
      });
      for (const at of whole.keys()) {
        const flipped = Uint8Array.from(whole);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        await tamper((database) => database.put(key, flipped, { sync: false }));
        await assertRefused('damaged', what, 'CRC', 'replace this member');
      }
    });

    test(`a cut value of ${what} is found at open`, async () => {
      await fill();
      for (const left of [0, 1, 5]) {
        await tamper(async (database) =>
          database.put(key, (await valueOf(database, key)).subarray(0, left)),
        );
        await assertRefused('damaged', what);
      }
    });
  }

  test('a deleted entry in the middle is found at open', async () => {
    await fill();
    await tamper((database) => database.del(entryKey(one, index(6))));
    await assertRefused('damaged', 'entry 7 of group 1', 'follows entry 5');
  });

  test('a deleted first entry is found at open', async () => {
    await fill();
    await tamper((database) => database.del(entryKey(two, index(1))));
    await assertRefused('damaged', 'entry 2 of group 2', 'follows entry 0');
  });

  test('the loss of entries that are known to be committed is found at open', async () => {
    await fill();
    await tamper(async (database) => {
      for (let at = 4; at <= 9; at += 1) await database.del(entryKey(one, index(at)));
    });
    await assertRefused('damaged', 'group 1', 'committed 4, last 3');
  });

  test('a lost hard state is found at open by the terms of the entries', async () => {
    await fill();
    await tamper((database) => database.del(hardStateKey(two)));
    await assertRefused('damaged', 'hard state of group 2', 'last entry of term 1');
  });

  test('a whole record under a key that is not its own is found at open', async () => {
    await fill();
    await tamper(async (database) =>
      database.put(entryKey(one, index(10)), await valueOf(database, entryKey(one, index(9)))),
    );
    await assertRefused('damaged', 'entry 10 of group 1', 'CRC');
  });

  test('a lost base record and a lost format record are found at open', async () => {
    await fill();
    await tamper((database) => database.del(baseKey(two)));
    await assertRefused('damaged', 'hard state record of group 2', 'without a base record');
    await tamper((database) => database.del(formatKey()));
    await assertRefused('damaged', 'identity record', 'without a format record');
  });

  test('a key that is not ours is found at open', async () => {
    await fill();
    await tamper((database) => database.put(Uint8Array.of(9, 1), Uint8Array.of(1)));
    await assertRefused('damaged', '0x0901');
  });

  test('a directory whose CURRENT is gone is not taken for an empty one', async () => {
    await fill();
    const current = join(directory, 'log', 'CURRENT');
    const content = await readFile(current);
    await rm(current);
    await assertRefused('damaged', 'CURRENT');
    await writeFile(current, content);
    const log = await openLevelLog({ directory, nodeId: self });
    assert.equal(log.storage(one).lastIndex(), 9);
    await log.close();
  });

  test('a table file that is gone is found at open', async () => {
    await fill();
    await (await openLevelLog({ directory, nodeId: self })).close();
    const names = await readdir(join(directory, 'log'));
    const tables = names.filter((name) => name.endsWith('.ldb'));
    assert(tables.length > 0);
    for (const name of tables) await rm(join(directory, 'log', name));
    await assertRefused('damaged', 'missing files');
  });

  test('a record that went bad after opening is found when it is read back', async () => {
    let database: LevelDatabase | undefined;
    const createDatabase = (location: string): LevelDatabase =>
      (database = new ClassicLevel(location, bytes));
    const log = await openLevelLog({ directory, nodeId: self, tailBytesMax: 0, createDatabase });
    await log.write([created(one, run(1, 3))]);
    const read = (): unknown => log.storage(one).entries(index(1), index(4), 1000);
    assert(Array.isArray(read()));
    const key = entryKey(one, index(2));
    assert(database !== undefined);
    const value = await valueOf(database, key);
    await database.put(key, value.with(0, 9));
    assert.throws(read, { code: 'damaged', message: /entry 2 of group 1 does not match its CRC/u });
    await database.del(key);
    assert.throws(read, { code: 'damaged', message: /entry 2 of group 1 is missing/u });
    await log.close();
    assert.throws(read, { code: 'closing' });
  });
});

describe('opening a LevelDB log', () => {
  test('a log says that it is durable', async () => {
    const log = await openLevelLog({ directory, nodeId: self });
    assert.equal(log.isDurable, true);
    await log.close();
  });

  test('a directory that is in use is locked until it is closed', async () => {
    const log = await openLevelLog({ directory, nodeId: self });
    await assertRefused('locked', 'used by another process');
    await log.close();
    await (await openLevelLog({ directory, nodeId: self })).close();
  });

  test('missing parents of the directory are created', async () => {
    const deep = join(directory, 'a', 'b');
    await (await openLevelLog({ directory: deep, nodeId: self })).close();
    assert((await readdir(join(deep, 'log'))).includes('CURRENT'));
  });

  test('a directory that cannot be created or written is a fault of the configuration', async () => {
    await writeFile(join(directory, 'file'), '');
    for (const path of [
      join(directory, 'file'),
      join(directory, 'file', 'data'),
      '/proc/outrigger/data',
      '/dev/null/data',
    ]) {
      await assert.rejects(openLevelLog({ directory: path, nodeId: self }), {
        code: 'config-invalid',
        message: new RegExp(`${path}.*name one that can be written`, 'u'),
      });
    }
  });

  test('a directory in which LevelDB may not write is a fault of the configuration', async () => {
    // Nobody may make files there, not even the superuser.
    const createDatabase = (): LevelDatabase => new ClassicLevel('/sys', bytes);
    await assert.rejects(openLevelLog({ directory, nodeId: self, createDatabase }), {
      code: 'config-invalid',
      message: new RegExp(`${directory}.*cannot be written.*make it writable`, 'u'),
    });
  });

  test('a directory of another node is refused, naming both nodes', async () => {
    await fill();
    await assert.rejects(openLevelLog({ directory, nodeId: nodeId(2) }), {
      code: 'config-invalid',
      message: /belongs to node 1, but this node is configured as node 2/u,
    });
    await (await openLevelLog({ directory, nodeId: self })).close();
  });

  test('a directory in a newer format is refused as newer and not as damaged', async () => {
    await fill();
    const key = formatKey();
    await tamper((database) => database.put(key, encodeFormat(key, 2)));
    await assertRefused('config-invalid', 'newer Outrigger', 'format version 2');
  });

  test('a whole record of a newer version is refused as newer and not as damaged', async () => {
    await fill();
    const key = entryKey(one, index(9));
    await tamper(async (database) => {
      const value = Buffer.from(await valueOf(database, key));
      value[0] = 2;
      const end = value.length - 4;
      value.writeUInt32BE(crc32(value.subarray(0, end), crc32(key)), end);
      await database.put(key, value);
    });
    await assertRefused('config-invalid', 'newer Outrigger', 'entry 9 of group 1');
  });

  test('records behind the base do not exist', async () => {
    const base = {
      index: index(5),
      term: run(1, 1)[0]!.term,
      confState: created(one, []).base!.confState,
    };
    const log = await openLevelLog({ directory, nodeId: self });
    await log.write([created(one, run(6, 7), base), created(two, run(1, 5))]);
    await log.close();
    await tamper(async (database) => {
      await database.del(baseKey(two));
      await database.del(hardStateKey(two));
      for (let at = 1; at <= 5; at += 1) {
        const moved = Buffer.from(await valueOf(database, entryKey(two, index(at))));
        const end = moved.length - 4;
        const key = entryKey(one, index(at));
        moved.writeUInt32BE(crc32(moved.subarray(0, end), crc32(key)), end);
        await database.put(key, moved);
        await database.del(entryKey(two, index(at)));
      }
    });
    const reopened = await openLevelLog({ directory, nodeId: self });
    assert.deepEqual(reopened.groups(), [one]);
    assert.equal(reopened.storage(one).firstIndex(), 6);
    assert.equal(reopened.storage(one).lastIndex(), 7);
    assert.equal(reopened.storage(one).term(index(4)), 'compacted');
    await reopened.close();
  });

  test('a log longer than its tail is opened again whole', async () => {
    const options = { directory, nodeId: self, tailBytesMax: 20_000 };
    const log = await openLevelLog(options);
    await log.write([created(one, []), created(two, [])]);
    for (let from = 1; from <= 2000; from += 500) {
      await log.write([
        { group: one, entries: run(from, from + 499) },
        { group: two, entries: run(from, from + 499, 2) },
      ]);
    }
    await log.close();
    const reopened = await openLevelLog(options);
    for (const [group, termOfEntries] of [
      [one, 1],
      [two, 2],
    ] as const) {
      const found = reopened
        .storage(group)
        .entries(index(1), index(2001), Number.POSITIVE_INFINITY);
      assert.deepEqual(found, run(1, 2000, termOfEntries));
    }
    await reopened.close();
  });
});

describe('a LevelDB log whose disk fails', () => {
  /** A database whose batches fail once it is told so; `batches` are the options and sizes of all. */
  class FailingLevel extends ClassicLevel<Uint8Array, Uint8Array> {
    readonly batches: { readonly size: number; readonly options: unknown }[] = [];
    failure: Error | undefined;

    // The type of the overloaded method cannot be written down, so it is replaced on the object.
    static create(location: string): FailingLevel {
      const level = new FailingLevel(location, bytes);
      const write = level.batch.bind(level) as (...given: readonly unknown[]) => Promise<void>;
      const failing = (operations: readonly unknown[], options: unknown): Promise<void> => {
        level.batches.push({ size: operations.length, options });
        return level.failure === undefined
          ? write(operations, options)
          : Promise.reject(level.failure);
      };
      Object.defineProperty(level, 'batch', { value: failing });
      return level;
    }
  }

  async function openFailing(): Promise<{
    log: Awaited<ReturnType<typeof openLevelLog>>;
    level: FailingLevel;
  }> {
    let level: FailingLevel | undefined;
    const createDatabase = (location: string): LevelDatabase =>
      (level = FailingLevel.create(location));
    const log = await openLevelLog({ directory, nodeId: self, createDatabase });
    assert(level !== undefined);
    return { log, level };
  }

  test('a failed write is reported, shows nothing and is never tried again', async () => {
    const { log, level } = await openFailing();
    await log.write([created(one, run(1, 2))]);
    const cause = new Error('IO error: No space left on device');
    level.failure = cause;
    const before = level.batches.length;
    const write = [{ group: one, entries: run(3, 3) }, created(two, [])];
    await assert.rejects(log.write(write), {
      code: 'storage-failed',
      retry: 'never',
      cause,
      message: /No space left/u,
    });
    level.failure = undefined;
    await assert.rejects(log.write(write), { code: 'storage-failed', cause });
    await assert.rejects(log.saveIdentity(newIdentity), { code: 'storage-failed', cause });
    await assert.rejects(log.write([]), { code: 'storage-failed', cause });
    assert.equal(level.batches.length, before + 1);
    assert.equal(log.storage(one).lastIndex(), 2);
    assert.deepEqual(log.groups(), [one]);
    await log.close();
    const reopened = await openLevelLog({ directory, nodeId: self });
    assert.equal(reopened.storage(one).lastIndex(), 2);
    await reopened.close();
  });

  test('a failed identity is reported and not shown', async () => {
    const { log, level } = await openFailing();
    level.failure = new Error('IO error: Input/output error');
    await assert.rejects(log.saveIdentity(newIdentity), { code: 'storage-failed' });
    assert.equal(log.identity, undefined);
    await assert.rejects(log.write([created(one, [])]), { code: 'storage-failed' });
    await log.close();
  });

  test('a database that is closed underneath fails the write', async () => {
    const { log, level } = await openFailing();
    await level.close();
    await assert.rejects(log.write([created(one, [])]), { code: 'storage-failed' });
    await log.close();
  });

  test('every write, however many groups it has, is one batch with one sync', async () => {
    const { log, level } = await openFailing();
    await log.saveIdentity(newIdentity);
    await log.write([created(one, run(1, 9)), created(two, run(1, 2))]);
    await log.write([{ group: one, entries: run(4, 5, 2), hardState: hardState(9, 0, 0) }]);
    await log.write([{ group: one, entries: [], hardState: hardState(9, 0, 0) }]);
    // The format, the identity, 2 bases + 2 hard states + 11 entries, 2 entries + 4 deletions; nothing for no change.
    assert.deepEqual(
      level.batches.map((batch) => batch.size),
      [1, 1, 15, 6],
    );
    for (const batch of level.batches) assert.deepEqual(batch.options, { sync: true });
    await log.close();
  });
});
