/**
 * How a read asks its shard: by the namespaces of its keys, and by what its connection allows.
 *
 * Weakened are only reads of keys: what walks the whole keyspace (KEYS, SCAN, DBSIZE, RANDOMKEY) asks the leaders. Keys of different levels
 * in one command make it strong.
 *
 * `session`: the connection remembers for each shard the newest state that it has seen (`shard-order`), and no later read of it is answered
 * from before that. A leader's answer may be newer than anything here, so while the connection waits for one, its session reads ask the
 * leader too: replies come in order, and must not show time running backwards.
 */

import type { ShardId } from '../base/ids.ts';
import type { Cluster, Submission } from '../cluster/cluster.ts';

import type { Namespace } from '../shard/namespace.ts';
import type { NamespaceTable } from '../shard/namespace-table.ts';
import type { RoutedArguments } from '../shard/route.ts';
import type { Connection } from './connection.ts';

export type Access = Required<Pick<Submission, 'path' | 'boundMs'>> & Pick<Submission, 'floor'>;

export const byLog: Access = { path: 'log', floor: undefined, boundMs: Infinity };
/** Nothing but the leader's word, and no memory of what was seen: all that there is without namespaces. */
export const byLeader: Access = { path: 'read', floor: undefined, boundMs: Infinity };

/** What reads of some keys may do instead of asking the leader. */
type Weakening =
  | { readonly kind: 'session' }
  | { readonly kind: 'bounded'; readonly boundMs: number };

const session: Weakening = { kind: 'session' };
const eventual: Weakening = { kind: 'bounded', boundMs: Infinity };

/** Undefined: strong. */
export function weakeningOf(
  table: NamespaceTable,
  connection: Connection,
  keys: readonly number[],
  command: RoutedArguments,
): Weakening | undefined {
  const { database, isReadOnly } = connection.client;
  let found: Weakening | undefined;
  for (const [ordinal, at] of keys.entries()) {
    const each = weakeningOfRow(table.find(database, command.arg(at)), isReadOnly);
    if (each === undefined || (ordinal > 0 && !isSame(each, found))) return undefined;
    found = each;
  }
  return found;
}

/** For a read that may leave as one now, where there are namespaces or the connection is READONLY. */
export function accessOf(
  weakening: Weakening | undefined,
  { cluster, connection, shard }: { cluster: Cluster; connection: Connection; shard: ShardId },
): Access {
  const { shardOrder } = connection;
  if (weakening?.kind === 'bounded') {
    return { path: 'local', floor: undefined, boundMs: weakening.boundMs };
  }
  const floor = shardOrder.seen(shard);
  const isLocal =
    weakening !== undefined && !shardOrder.asksLeader(shard) && cluster.readsLocally(shard);
  return { path: isLocal ? 'local' : 'read', floor, boundMs: Infinity };
}

function weakeningOfRow(row: Namespace, isReadOnly: boolean): Weakening | undefined {
  switch (row.level) {
    case 'strong':
      return isReadOnly ? session : undefined;
    case 'session':
      return session;
    case 'bounded':
      return { kind: 'bounded', boundMs: row.boundMs ?? 0 };
    case 'eventual':
      return eventual;
    case 'off':
      return undefined;
  }
}

function isSame(left: Weakening, right: Weakening | undefined): boolean {
  if (left.kind !== right?.kind) return false;
  return left.kind !== 'bounded' || right.kind !== 'bounded' || left.boundMs === right.boundMs;
}
