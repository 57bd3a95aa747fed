/**
 * What every command is: one row each, and a row is all that the path needs to know of a command.
 */

/**
 * Where a command is answered.
 * `front`: by the node the client is connected to, without the log. `read`, `write`: by the shard of its keys.
 * `refused`: not built yet or refused for good; `reason` is the error.
 */
export type CommandKind = 'front' | 'read' | 'write' | 'refused';

/**
 * How a `read` or `write` meets several shards. With one shard everything is `single`'s straight way.
 *
 * - `single`: all keys in one shard, else -CROSSSLOT.
 * - `sum`: split by key; the integers of the parts are added (DEL EXISTS TOUCH UNLINK).
 * - `gather`: split by key; the elements of the parts' arrays take their keys' places (MGET).
 * - `ok`: split by key, values follow their keys; +OK when all parts are (MSET).
 * - `all-sum`, `all-ok`, `all-concat`: sent to every shard (DBSIZE; FLUSHALL FLUSHDB; KEYS).
 * - `scan`: shard after shard, the cursor tells where (SCAN).
 * - `random`: any shard that has a key (RANDOMKEY).
 * - `lone`: only where the cluster has one shard, else an error (SWAPDB).
 */
export type CommandSpread =
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

export interface CommandSpec {
  /** Lower case. */
  readonly name: string;
  /** As in Redis: the name counts; negative means at least. */
  readonly arity: number;
  /** Redis's flag names, as COMMAND INFO gives them. */
  readonly flags: readonly string[];
  /** Positions of keys as in COMMAND INFO; `firstKey` 0 means none, a negative `lastKey` counts from the end. */
  readonly firstKey: number;
  readonly lastKey: number;
  readonly keyStep: number;
  readonly kind: CommandKind;
  readonly spread: CommandSpread;
  /** For `refused`: the whole error text behind the `-`. */
  readonly reason: string | undefined;
}
