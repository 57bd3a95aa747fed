/**
 * What every command is: one row each, and a row is all that the path needs to know of a command.
 *
 * Owns the lookup by name. Redis's data (arity, flags, key positions) comes from a package and is joined with our
 * overlay (`supported`, `refused`) once, when this file is loaded. Rows are never changed afterwards.
 */

import redisData from '@ioredis/commands/built/commands.json' with { type: 'json' };
import { assert } from '../base/assert.ts';
import { movableKeys, type KeysFinder } from './movable-keys.ts';
import { optionRefusals, type OptionsRefusal } from './refused-options.ts';
import { refusals, subcommandRefusal } from './refused.ts';
import {
  containers,
  effects,
  frontCommands,
  readCommands,
  redis7,
  redisReads,
  redisWrites,
  writeCommands,
} from './supported.ts';
import type { ContainerOverlay } from './supported.ts';

/**
 * Where a command is answered.
 * `front`: by the node the client is connected to, without the log. `read`, `write`: by the shard of its keys.
 * `refused`: not built yet or refused for good; `reason` is the error.
 */
export type CommandKind = 'front' | 'read' | 'write' | 'refused';

/** Which engines hold what a command is about. */
export type Engines = 'all' | 'redis';

/**
 * What makes a write the same on every replica.
 *
 * - `plain`: its own bytes do.
 * - `absolute`: it may carry a deadline or a lifetime, which becomes a point in the entry's time.
 * - `timed`: it asks for the time, which is the entry's (XADD *, XREADGROUP).
 * - `resolved`: it depends on chance or on more than one clock. The leader turns it into its effect and its reply, and these are
 *   logged (SPOP XCLAIM XAUTOCLAIM).
 */
export type CommandEffect = 'plain' | 'absolute' | 'timed' | 'resolved';

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
  readonly engines: Engines;
  readonly spread: CommandSpread;
  /** Of a `write`; otherwise undefined. */
  readonly effect: CommandEffect | undefined;
  /** Where the keys are, if the positions do not tell; `keyIndexes` asks it. */
  readonly movableKeys: KeysFinder | undefined;
  /** Which options turn a command that is answered into one that is refused. */
  readonly optionsRefusal: OptionsRefusal | undefined;
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

/** Of what is not in the package's list: commands of another server, which are refused, and lines of HTTP. */
const unknownRow: RedisRow = { arity: -1, flags: [], keyStart: 0, keyStop: 0, step: 0 };

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
  readonly engines: Engines;
  readonly spread: CommandSpread;
  readonly reason: string | undefined;
}

function buildTable(): Map<string, CommandSpec> {
  const table = new Map<string, CommandSpec>();
  for (const [name, overlay] of [...overlays()].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const spec = commandSpec(name, overlay);
    table.set(name, spec);
    table.set(name.toUpperCase(), spec);
  }
  return table;
}

function overlays(): Map<string, Overlay> {
  const found = new Map<string, Overlay>();
  const add = (name: string, overlay: Partial<Overlay> & { readonly kind: CommandKind }): void => {
    assert(!found.has(name), 'a command is classified once');
    found.set(name, { engines: 'all', spread: 'single', reason: undefined, ...overlay });
  };
  for (const name of frontCommands) add(name, { kind: 'front' });
  for (const [name, spread] of Object.entries(readCommands)) add(name, { kind: 'read', spread });
  for (const [name, spread] of Object.entries(writeCommands)) add(name, { kind: 'write', spread });
  for (const name of redisReads) add(name, { kind: 'read', engines: 'redis' });
  for (const name of redisWrites) add(name, { kind: 'write', engines: 'redis' });
  for (const [name, { kind, engines }] of Object.entries(containers)) add(name, { kind, engines });
  for (const [name, reason] of refusals()) add(name, { kind: 'refused', reason });
  return found;
}

function commandSpec(name: string, overlay: Overlay): CommandSpec {
  const row = redisRows[name] ?? unknownRow;
  const container = containers[name];
  const subcommands = container && subcommandSpecs(name, row, container);
  return specOf(name, row, overlay, subcommands);
}

function subcommandSpecs(
  name: string,
  row: RedisRow,
  container: ContainerOverlay,
): ReadonlyMap<string, CommandSpec> {
  const { kind, engines } = container;
  const specs = new Map<string, CommandSpec>();
  for (const [sub, subRow] of Object.entries(row.subcommands ?? {})) {
    const fullName = `${name}|${sub}`;
    const overlay: Overlay = container.subcommands.includes(sub)
      ? { kind, engines, spread: 'single', reason: undefined }
      : { kind: 'refused', engines, spread: 'single', reason: subcommandRefusal(fullName) };
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
    engines: overlay.engines,
    spread: overlay.spread,
    effect: overlay.kind === 'write' ? (effects[name] ?? 'plain') : undefined,
    movableKeys: movableKeys.get(name),
    optionsRefusal: optionRefusals.get(name),
    reason: overlay.reason,
    subcommands,
  };
}
