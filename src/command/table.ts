/**
 * What every command is: one row each, and a row is all that the path needs to know of a command.
 *
 * Owns the lookup by name. Redis's data (arity, flags, key positions) comes from a package and is joined with our
 * overlay (`supported`, `refused`) once, when this file is loaded. Rows are never changed afterwards.
 */

import redisData from '@ioredis/commands/built/commands.json' with { type: 'json' };
import { refusals, subcommandRefusal } from './refused.ts';
import { containers, frontCommands, readCommands, redis7, writeCommands } from './supported.ts';
import type { ContainerOverlay } from './supported.ts';

/**
 * Where a command is answered.
 * `front`: by the node the client is connected to, without the log. `read`, `write`: by the shard of its keys.
 * `refused`: not built yet or refused for good; `reason` is the error.
 */
export type CommandKind = 'front' | 'read' | 'write' | 'refused';

/**
 * How a `read` or `write` meets several shards. With one shard everything is `single`'s straight way.
 *
 * - `single`: all keys in one shard, else -CROSSSLOT; without keys (OBJECT HELP) the first shard.
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
  /** Lower case; a subcommand's is its full name, `object|encoding`, as Redis's arity error has it. */
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
  /**
   * Rows by the first argument in lower case, for a container that is not refused as a whole. With at least one
   * argument such a row takes the place of the container's, and a missing one is Redis's error
   * `ERR unknown subcommand 'x'. Try OBJECT HELP.`
   */
  readonly subcommands: ReadonlyMap<string, CommandSpec> | undefined;
}

interface RedisRow {
  readonly arity: number;
  readonly flags: readonly string[];
  readonly keyStart: number;
  readonly keyStop: number;
  readonly step: number;
  readonly subcommands?: Readonly<Record<string, RedisRow>>;
}

const redisRows = redisData as Readonly<Record<string, RedisRow>>;

/** By name in lower and in upper case, so that the two usual spellings need no conversion. */
const byName: ReadonlyMap<string, CommandSpec> = buildTable();

const rows: readonly CommandSpec[] = [...new Set(byName.values())];

/**
 * The row of a command, or undefined where Redis 7 has none.
 *
 * @param nameLatin1 - the name as the client spelled it, one char a byte
 */
export function lookupCommand(nameLatin1: string): CommandSpec | undefined {
  return byName.get(nameLatin1) ?? byName.get(nameLatin1.toLowerCase());
}

/** Every command, ascending by name; subcommands are found in their containers. */
export function allCommands(): readonly CommandSpec[] {
  return rows;
}

/** Whether `argc`, the name counted, fits the row. */
export function fitsArity(spec: CommandSpec, argc: number): boolean {
  return spec.arity < 0 ? argc >= -spec.arity : argc === spec.arity;
}

interface Overlay {
  readonly kind: CommandKind;
  readonly spread: CommandSpread;
  readonly reason: string | undefined;
}

function buildTable(): Map<string, CommandSpec> {
  const overlays = new Map<string, Overlay>();
  const add = (name: string, kind: CommandKind, spread: CommandSpread, reason?: string): void => {
    overlays.set(name, { kind, spread, reason });
  };
  for (const name of frontCommands) add(name, 'front', 'single');
  for (const [name, spread] of Object.entries(readCommands)) add(name, 'read', spread);
  for (const [name, spread] of Object.entries(writeCommands)) add(name, 'write', spread);
  for (const [name, { kind }] of Object.entries(containers)) add(name, kind, 'single');
  for (const [name, reason] of refusals()) add(name, 'refused', 'single', reason);

  const table = new Map<string, CommandSpec>();
  for (const [name, overlay] of [...overlays].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const spec = commandSpec(name, overlay);
    table.set(name, spec);
    table.set(name.toUpperCase(), spec);
  }
  return table;
}

function commandSpec(name: string, overlay: Overlay): CommandSpec {
  const row = redisRows[name];
  if (row === undefined) throw new Error(`no data for command '${name}'`);
  const container = containers[name];
  const subcommands = container && subcommandSpecs(name, row, container);
  return specOf(name, row, overlay, subcommands);
}

function subcommandSpecs(
  name: string,
  row: RedisRow,
  container: ContainerOverlay,
): ReadonlyMap<string, CommandSpec> {
  const specs = new Map<string, CommandSpec>();
  for (const [sub, subRow] of Object.entries(row.subcommands ?? {})) {
    const fullName = `${name}|${sub}`;
    const overlay: Overlay = container.subcommands.includes(sub)
      ? { kind: container.kind, spread: 'single', reason: undefined }
      : { kind: 'refused', spread: 'single', reason: subcommandRefusal(fullName) };
    specs.set(sub, specOf(fullName, subRow, overlay, undefined));
  }
  return specs;
}

function specOf(
  name: string,
  row: RedisRow,
  overlay: Overlay,
  subcommands: ReadonlyMap<string, CommandSpec> | undefined,
): CommandSpec {
  return {
    name,
    arity: redis7[name]?.arity ?? row.arity,
    flags: redis7[name]?.flags ?? row.flags,
    firstKey: row.keyStart,
    lastKey: row.keyStop,
    keyStep: row.step,
    kind: overlay.kind,
    spread: overlay.spread,
    reason: overlay.reason,
    subcommands,
  };
}
