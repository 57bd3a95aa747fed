/**
 * Whether a change of the table would lose sight of keys: a key that now is in the cluster and would then be looked for in an upstream, or the
 * other way about. Such a change is refused; nobody copies keys yet. It is asked while nobody may use those keys.
 *
 * Only keys of the row that changes can change sides, so only these are looked for, by SCAN.
 */

import type { Timers } from '../../base/clock.ts';
import { shardId } from '../../base/ids.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { encodeCommand } from '../../resp/encoder.ts';
import {
  databasesMax,
  nameText,
  withoutSecrets,
  type NamespaceName,
} from '../../shard/namespace.ts';
import type { NamespaceTable } from '../../shard/namespace-table.ts';
import { linkTo } from './pass.ts';
import { parseScan } from './walk.ts';

const scanCount = '1000';

export interface Switch {
  /** Of the row that changes. */
  readonly name: NamespaceName;
  readonly from: NamespaceTable;
  readonly to: NamespaceTable;
}

export interface SwitchSurroundings {
  readonly cluster: Pick<Cluster, 'submit' | 'shards'>;
  readonly timers: Timers;
  readonly commandTimeoutMs: number;
}

/** Sends one command to one side; undefined where there is no answer. */
type Ask = (database: number, command: Uint8Array) => Promise<string | undefined>;

/** Whether a key may be on another side after the change. */
export function mayMoveKeys({ from, to }: Switch): boolean {
  return JSON.stringify(sidesOf(from)) !== JSON.stringify(sidesOf(to));
}

/** The rows that decide it: what stands behind the last row that is off leaves keys in the cluster. */
function sidesOf({ rows }: NamespaceTable): readonly unknown[] {
  const last = rows.findLastIndex(({ level }) => level === 'off');
  return rows.slice(0, last + 1).map(({ keys, database, upstream }) => [keys, database, upstream]);
}

/** Why the change cannot be made, with the way to go; undefined where it can. */
export async function whyNotSwitch(
  change: Switch,
  surroundings: SwitchSurroundings,
): Promise<string | undefined> {
  const { from, to } = change;
  if (to.hasOff) {
    for (let shard = 0; shard < surroundings.cluster.shards; shard += 1) {
      const ask: Ask = (database, bytes) => askShard(surroundings, shard, database, bytes);
      const problem = await problemAt(change, undefined, ask);
      if (problem !== undefined) return problem;
    }
  }
  const upstreams = from.rows.flatMap(({ upstream }) => (upstream === undefined ? [] : [upstream]));
  for (const upstream of new Set(upstreams)) {
    const link = linkTo(upstream, surroundings, () => undefined);
    const ask: Ask = (database, bytes) =>
      new Promise((resolve) => {
        const fail = (): void => resolve(undefined);
        link.pass({ bytes, database, protocol: 2, isWrite: false, settle: resolve, fail });
      });
    const problem = await problemAt(change, upstream, ask);
    link.close();
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Looks for a key that is on this side and would then be looked for on another. */
async function problemAt(
  { name, from, to }: Switch,
  side: string | undefined,
  ask: Ask,
): Promise<string | undefined> {
  const databases =
    name.database === undefined
      ? Array.from({ length: databasesMax }, (_, database) => database)
      : [name.database];
  for (const database of databases) {
    for (let cursor = '0'; ;) {
      const words = ['SCAN', cursor, 'MATCH', name.keys, 'COUNT', scanCount];
      const reply = await ask(database, encodeCommand(words.map((word) => Buffer.from(word))));
      // An upstream may have fewer databases.
      if (side !== undefined && reply?.startsWith('-ERR DB index is out of range') === true) break;
      const answer = reply === undefined ? undefined : parseScan(reply);
      if (answer === undefined) {
        return `${placeOf(side)} does not say whether it has keys of ${nameText(name)} (${reply?.trim() ?? 'no answer'}); try again when it does`;
      }
      const moved = answer.keys.find((text) => {
        const key = Buffer.from(text, 'latin1');
        const after = to.find(database, key).upstream;
        return from.find(database, key).upstream === side && after !== side;
      });
      if (moved !== undefined) {
        const shown = JSON.stringify(Buffer.from(moved, 'latin1').toString());
        return `${placeOf(side)} has keys of ${nameText(name)}, such as ${shown} in database ${database}, which nobody would find afterwards; delete them there first, or rename them to keys of another namespace`;
      }
      if (answer.cursor === '0') break;
      cursor = answer.cursor;
    }
  }
  return undefined;
}

function placeOf(side: string | undefined): string {
  if (side === undefined) return 'the cluster';
  const { upstream } = withoutSecrets({ keys: '*', level: 'off', upstream: side });
  return `the upstream ${upstream ?? ''}`;
}

function askShard(
  { cluster }: SwitchSurroundings,
  shard: number,
  database: number,
  bytes: Uint8Array,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    cluster.submit(shardId(shard), {
      path: 'read',
      isAlone: false,
      database,
      bytes,
      settle: resolve,
      fail: () => resolve(undefined),
    });
  });
}
