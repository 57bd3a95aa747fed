import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  initialShardMap,
  shardMapFromJson,
  shardMapToJson,
  shardOfSlot,
} from '../../src/shard/shard-map.ts';

test('a fresh map gives slot mod shards', () => {
  for (const shards of [1, 2, 3, 16, 64]) {
    const map = initialShardMap(shards);
    for (let slot = 0; slot < 1024; slot += 1) assert.equal(shardOfSlot(map, slot), slot % shards);
  }
});

test('a map has 1 to 64 shards', () => {
  for (const shards of [0, 65, 1.5, -1, Number.NaN]) {
    assert.throws(() => initialShardMap(shards), RangeError);
  }
});

test('there is no slot beyond 1023', () => {
  assert.throws(() => shardOfSlot(initialShardMap(2), 1024), RangeError);
});

test('a map goes through JSON unchanged', () => {
  for (const shards of [1, 3, 64]) {
    const map = initialShardMap(shards);
    assert.deepEqual(shardMapFromJson(JSON.parse(JSON.stringify(shardMapToJson(map)))), map);
  }
});

test('what is not a whole map is refused', () => {
  const wrong: unknown[] = [
    undefined,
    null,
    [],
    'map',
    {},
    { shards: 1 },
    { shards: 1, runs: [] },
    { shards: 1, runs: [[1023, 0]] },
    { shards: 1, runs: [[1025, 0]] },
    { shards: 1, runs: [[1024, 1]] },
    { shards: 1, runs: [[1024, -1]] },
    {
      shards: 1,
      runs: [
        [0, 0],
        [1024, 0],
      ],
    },
    {
      shards: 1,
      runs: [
        [1024, 0],
        [1, 0],
      ],
    },
    { shards: 1, runs: [[1024]] },
    { shards: 1, runs: [1024] },
    { shards: 0, runs: [[1024, 0]] },
    { shards: 65, runs: [[1024, 0]] },
    { shards: '1', runs: [[1024, 0]] },
  ];
  for (const json of wrong) assert.equal(shardMapFromJson(json), undefined, JSON.stringify(json));
});
