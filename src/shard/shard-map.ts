/**
 * Which shard owns a slot. A map is a value: it is made, checked and sent whole, never changed.
 *
 * Invariant: every slot has exactly one owner, and owners are shards of the map.
 */

import { shardId } from '../base/ids.ts';
import type { ShardId } from '../base/ids.ts';
import { slotCount } from './slot.ts';

export const shardsMax = 64;

export interface ShardMap {
  /** 1…64. */
  readonly shards: number;
  /** 1,024 shard numbers by slot. */
  readonly owners: Uint8Array;
}

/** The map's form in JSON: runs of slots, `[count, shard]`, in slot order. */
export interface ShardMapJson {
  readonly shards: number;
  readonly runs: readonly (readonly [count: number, shard: number])[];
}

/**
 * The map of a fresh cluster: slot mod shards. With a power of two that is `xxhash64(key) mod shards`.
 *
 * @param shards - a whole number, 1…64, checked by configuration
 */
export function initialShardMap(shards: number): ShardMap {
  if (!isShardCount(shards)) throw new RangeError(`shards must be 1 to ${shardsMax}`);
  return { shards, owners: Uint8Array.from({ length: slotCount }, (_, slot) => slot % shards) };
}

/** @param slot - 0…1,023 */
export function shardOfSlot(map: ShardMap, slot: number): ShardId {
  const owner = map.owners[slot];
  if (owner === undefined) throw new RangeError('a slot is 0 to 1023');
  return shardId(owner);
}

export function shardMapToJson(map: ShardMap): ShardMapJson {
  const runs: [number, number][] = [];
  for (const owner of map.owners) {
    const last = runs.at(-1);
    if (last?.[1] === owner) last[0] += 1;
    else runs.push([1, owner]);
  }
  return { shards: map.shards, runs };
}

/** What `shardMapToJson` made, checked; undefined where it is not a map. */
export function shardMapFromJson(json: unknown): ShardMap | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { shards, runs } = json as Readonly<Record<string, unknown>>;
  if (!isShardCount(shards) || !Array.isArray(runs)) return undefined;
  const owners = new Uint8Array(slotCount);
  let slot = 0;
  for (const run of runs as unknown[]) {
    if (!Array.isArray(run) || run.length !== 2) return undefined;
    const [count, shard] = run as unknown[];
    if (!isWhole(count, 1, slotCount - slot) || !isWhole(shard, 0, shards - 1)) return undefined;
    owners.fill(shard, slot, slot + count);
    slot += count;
  }
  return slot === slotCount ? { shards, owners } : undefined;
}

function isShardCount(value: unknown): value is number {
  return isWhole(value, 1, shardsMax);
}

function isWhole(value: unknown, low: number, high: number): value is number {
  return Number.isInteger(value) && Number(value) >= low && Number(value) <= high;
}
