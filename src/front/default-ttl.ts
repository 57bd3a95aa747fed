/**
 * Gives keys that are written without a TTL the default of their namespace.
 *
 * Behind the write, in the same entry, goes a PEXPIRE … NX for each key that it may have left behind: a key that has a deadline keeps it, one that
 * is not there stays away. So no replica decides anything, and no crash comes between the two. The client sees the reply to its own
 * command alone.
 */

import type { ShardId } from '../base/ids.ts';
import type { Submission } from '../cluster/cluster.ts';
import type { CommandSpec } from '../command/table.ts';
import { destinationDatabase, writtenKeys } from '../command/written-keys.ts';
import { encodeCommand } from '../resp/encoder.ts';
import type { Connection } from './connection.ts';
import type { FrontState } from './front-state.ts';

const [pexpire, nx] = ['PEXPIRE', 'NX'].map((word) => Buffer.from(word)) as [Buffer, Buffer];

/** Called right behind the submission of a write to this shard; `keys` are the positions of those of its keys that the shard has. */
export function submitDefaultTtls(
  spec: CommandSpec,
  keys: readonly number[],
  to: { readonly shard: ShardId; readonly connection: Connection; readonly state: FrontState },
): void {
  const { shard, connection, state } = to;
  const { request, client } = connection;
  const database = destinationDatabase(spec, request) ?? client.database;
  for (const at of writtenKeys(spec, keys)) {
    const key = request.arg(at);
    const { defaultTtlMs } = state.cluster.namespaces.find(database, key);
    if (defaultTtlMs === undefined) continue;
    const bytes = encodeCommand([pexpire, key, Buffer.from(String(defaultTtlMs)), nx]);
    state.cluster.submit(shard, behind(database, bytes));
  }
}

function behind(database: number, bytes: Uint8Array): Submission {
  const noMatter = (): void => undefined;
  return {
    path: 'log',
    isAlone: false,
    isBehind: true,
    database,
    bytes,
    settle: noMatter,
    fail: noMatter,
  };
}
