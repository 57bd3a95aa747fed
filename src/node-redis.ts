/**
 * Wires the engines of a node that fronts a Redis: one Redis, shared by the engines of all its shards.
 */

import type { ClusterId, MemberId, ShardId } from './base/ids.ts';
import { latin1Slice } from './command/latin1.ts';
import type { Engine } from './engine/engine.ts';
import { redisAddress } from './engine/redis/address.ts';
import { ownKeys } from './engine/redis/bookkeeping.ts';
import { Memo } from './engine/redis/memo.ts';
import { RedisEngine } from './engine/redis/redis-engine.ts';
import { RedisServer } from './engine/redis/redis-server.ts';
import { Translator } from './engine/redis/translate.ts';
import type { NodeConfig } from './node.ts';
import { initialShardMap, shardOfSlot } from './shard/shard-map.ts';
import { createSlotter } from './shard/slot.ts';
import type { System } from './system.ts';

/** Makes the engine of a shard, once the cluster is known. */
export type EngineMaker = (shard: ShardId, cluster: ClusterId) => Engine;

/** Rejects with `config-invalid` and `damaged`. The Redis itself is looked for when the engines are opened. */
export async function prepareRedisEngines(
  config: NodeConfig,
  system: System,
  member: MemberId,
): Promise<EngineMaker> {
  const { shards, logger } = config;
  const { clock, timers, random, randomBytes } = system;
  const address = redisAddress({
    url: config.redisUrl,
    user: config.redisUser,
    password: config.redisPassword,
  });
  const isDurable = config.storage === 'level';
  const memo = await Memo.open(isDurable ? config.dataDirectory : undefined);
  const shardOf = shards === 1 ? () => 0 : await shardFinder(shards);
  let server: RedisServer | undefined;
  return (shard, cluster) => {
    server ??= new RedisServer({
      address,
      owner: { cluster, member },
      shards,
      memo,
      mayWipe: config.wipe,
      shardOf,
      clock,
      timers,
      randomBytes,
      logger,
    });
    const translation = new Translator({
      ownsKey: shards === 1 ? undefined : (key) => shardOf(key) === shard,
      reservedKeys: ownKeys(shards),
      random,
      latin1Slice,
    });
    return new RedisEngine({ shard, server, translation });
  };
}

/** Shards are fixed when the cluster forms, and with them which keys are whose. */
async function shardFinder(shards: number): Promise<(key: string) => number> {
  const slotOf = await createSlotter();
  const map = initialShardMap(shards);
  return (key) => shardOfSlot(map, slotOf(Buffer.from(key, 'latin1')));
}
