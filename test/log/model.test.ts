/**
 * Random turns against a plain array of entries a group: whatever is written, cut, merged and restarted,
 * the log shows what the array holds. Goal: the merge of several writes, the deletions and the tail.
 */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { groupId, index, nodeId } from '../../src/base/ids.ts';
import { randomInteger, seededRandom, type Random } from '../../src/base/random.ts';
import { openLevelLog } from '../../src/log/level-log.ts';
import type { GroupWrite, Log } from '../../src/log/log.ts';
import { createMemoryLog, MemoryDisk } from '../../src/log/memory-log.ts';
import type { Entry, HardState } from '../../src/raft/message.ts';
import { created, entry, hardState } from '../contract/log.ts';

/** What a group ought to hold. */
interface Model {
  entries: Entry[];
  state: HardState;
}

/** The next write of a group: entries behind what is committed, with the model moved along. */
function draw(random: Random, group: number, model: Model): GroupWrite {
  const newTerm = model.state.term + randomInteger(random, 0, 1);
  const first = randomInteger(random, model.state.commit + 1, model.entries.length + 1);
  const count = randomInteger(random, 0, 6);
  const entries = Array.from({ length: count }, (_, place) =>
    entry(first + place, newTerm, 'd'.repeat(randomInteger(random, 0, 400))),
  );
  if (count > 0) model.entries = [...model.entries.slice(0, first - 1), ...entries];
  const commit = randomInteger(random, model.state.commit, model.entries.length);
  const slow = randomInteger(random, 0, 3) === 0 ? commit : model.state.commit;
  model.state = hardState(newTerm, newTerm === model.state.term ? model.state.vote : 2, slow);
  return { group: groupId(group), entries, hardState: model.state };
}

function check(random: Random, log: Log, models: readonly Model[]): void {
  for (const [group, { entries, state }] of models.entries()) {
    const storage = log.storage(groupId(group));
    assert.equal(storage.lastIndex(), entries.length);
    assert.deepEqual(storage.initialState().hardState, state);
    const low = randomInteger(random, 1, entries.length + 1);
    const high = randomInteger(random, low, entries.length + 1);
    const found = storage.entries(index(low), index(high), Number.POSITIVE_INFINITY);
    assert.deepEqual(found, entries.slice(low - 1, high - 1));
    for (const each of entries) assert.equal(storage.term(each.index), each.term);
    assert.equal(storage.term(index(entries.length + 1)), 'unavailable');
  }
}

async function play(seed: number, turns: number, open: () => Promise<Log>): Promise<void> {
  const random = seededRandom(seed);
  const models: Model[] = [0, 1, 2].map(() => ({ entries: [], state: hardState(9, 0, 0) }));
  let log = await open();
  await log.write(models.map((_, group) => created(groupId(group), [])));
  for (let turn = 0; turn < turns; turn += 1) {
    const writes = Array.from({ length: randomInteger(random, 1, 5) }, () => {
      const group = randomInteger(random, 0, 2);
      const model = models[group];
      assert(model !== undefined);
      return draw(random, group, model);
    });
    await log.write(writes);
    check(random, log, models);
    if (randomInteger(random, 0, 9) > 0) continue;
    await log.close();
    log = await open();
    check(random, log, models);
  }
  await log.close();
}

const seeds = [1, 2, 20_250_711];

for (const seed of seeds) {
  test(`random turns leave the LevelDB log as the model says, seed ${String(seed)}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'outrigger-log-'));
    try {
      await play(seed, 80, () =>
        openLevelLog({ directory, nodeId: nodeId(1), tailBytesMax: 3000 }),
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test(`random turns leave the memory log as the model says, seed ${String(seed)}`, async () => {
    const disk = new MemoryDisk();
    await play(seed, 400, () => Promise.resolve(createMemoryLog({ nodeId: nodeId(1), disk })));
  });
}
