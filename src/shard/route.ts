/**
 * From a command to the shards it concerns: one, every one, or parts of it for several.
 *
 * Pure: says where, sends nothing. A split command becomes whole smaller commands as argument lists; whoever sends them
 * encodes them. Part replies are put together by the rule of the command's spread.
 */

import { shardId } from '../base/ids.ts';
import type { ShardId } from '../base/ids.ts';
import { shardOfSlot, shardsMax } from './shard-map.ts';
import type { ShardMap } from './shard-map.ts';
import type { Slotter } from './slot.ts';

/** What routing needs of a command's row; the rows of `command/table` fit. */
export interface RoutedSpec {
  readonly spread:
    | 'single'
    | 'sum'
    | 'gather'
    | 'ok'
    | 'all-sum'
    | 'all-ok'
    | 'all-concat'
    | 'scan'
    | 'random'
    | 'lone';
}

/** A command's arguments, the name being 0. Views into a socket's chunk will do. */
export interface RoutedArguments {
  arg(position: number): Uint8Array;
  readonly argc: number;
}

/** What one shard has to do of a split command. */
export interface RoutePart {
  readonly shard: ShardId;
  /** A whole command. The elements are the given arguments, not copies. */
  readonly args: readonly Uint8Array[];
  /** For each key of this part, in order, which of the whole command's keys it is, from 0. */
  readonly ordinals: readonly number[];
}

export type Route =
  | { readonly kind: 'one'; readonly shard: ShardId }
  /** At least two parts, ascending by shard. */
  | { readonly kind: 'split'; readonly parts: readonly RoutePart[] }
  /** The same command to every shard (`all-sum`, `all-ok`, `all-concat`). */
  | { readonly kind: 'all' }
  /** One shard, which the cursor tells. */
  | { readonly kind: 'scan' }
  /** Any shard that has a key. */
  | { readonly kind: 'random' }
  /** Cannot be done; the error without its `-`. Nothing happened. */
  | { readonly kind: 'error'; readonly text: string };

const toShard: readonly Route[] = Array.from({ length: shardsMax }, (_, shard) => ({
  kind: 'one',
  shard: shardId(shard),
}));
const everyShard: Route = { kind: 'all' };
const byCursor: Route = { kind: 'scan' };
const anyShard: Route = { kind: 'random' };

/** Redis Cluster's words, which clients know. */
const crossSlot: Route = {
  kind: 'error',
  text: "CROSSSLOT Keys in request don't hash to the same slot",
};
const loneOnly: Route = {
  kind: 'error',
  text: 'ERR this command needs a cluster with one shard (shards: 1)',
};

/** Of a command that walks the whole keyspace, however many shards there are; undefined for others. */
export function routeOfWalk({ spread }: RoutedSpec): Route | undefined {
  switch (spread) {
    case 'all-sum':
    case 'all-ok':
    case 'all-concat':
      return everyShard;
    case 'scan':
      return byCursor;
    case 'random':
      return anyShard;
    case 'single':
    case 'sum':
    case 'gather':
    case 'ok':
    case 'lone':
      return undefined;
  }
}

/** Takes commands to shards by one shard map. */
export class Router {
  readonly #map: ShardMap;
  readonly #slotOf: Slotter;

  constructor(options: { readonly map: ShardMap; readonly slotOf: Slotter }) {
    this.#map = options.map;
    this.#slotOf = options.slotOf;
  }

  get shards(): number {
    return this.#map.shards;
  }

  shardOfKey(key: Uint8Array): ShardId {
    if (this.#map.shards === 1) return shardId(0);
    return shardOfSlot(this.#map, this.#slotOf(key));
  }

  /**
   * @param keys - positions of the command's keys (`keyIndexes`)
   */
  route(spec: RoutedSpec, keys: readonly number[], command: RoutedArguments): Route {
    if (this.#map.shards === 1) return routeTo(0);
    switch (spec.spread) {
      case 'single':
        return this.#routeSingle(keys, command);
      case 'sum':
      case 'gather':
      case 'ok':
        return this.#split(keys, command);
      default:
        return routeOfWalk(spec) ?? loneOnly;
    }
  }

  /** All keys in one shard; a slot need not be the same, since a shard runs a command on all of its slots. */
  #routeSingle(keys: readonly number[], command: RoutedArguments): Route {
    let found = -1;
    for (const at of keys) {
      const shard = this.shardOfKey(command.arg(at));
      if (found >= 0 && shard !== found) return crossSlot;
      found = shard;
    }
    return routeTo(found < 0 ? 0 : found);
  }

  /**
   * Each key takes along the arguments between it and the next key. Where the last key lacks some (MSET a 1 b), the
   * command goes whole to one shard, which answers with the error and changes nothing.
   */
  #split(keys: readonly number[], command: RoutedArguments): Route {
    const [first = 0, second = command.argc] = keys;
    if (command.argc - (keys.at(-1) ?? first) < second - first) {
      return routeTo(this.shardOfKey(command.arg(first)));
    }
    const parts: { shard: ShardId; args: Uint8Array[]; ordinals: number[] }[] = [];
    for (const [ordinal, at] of keys.entries()) {
      const shard = this.shardOfKey(command.arg(at));
      const part = (parts[shard] ??= { shard, args: [command.arg(0)], ordinals: [] });
      const end = keys[ordinal + 1] ?? command.argc;
      for (let position = at; position < end; position += 1) part.args.push(command.arg(position));
      part.ordinals.push(ordinal);
    }
    const touched = parts.filter((part) => part !== undefined);
    const [only] = touched;
    if (only !== undefined && touched.length === 1) return routeTo(only.shard);
    return { kind: 'split', parts: touched };
  }
}

function routeTo(shard: number): Route {
  return toShard[shard] ?? crossSlot;
}
