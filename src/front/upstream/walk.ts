/**
 * What an upstream adds to commands that walk the keyspace: its keys that belong to namespaces of level `off`, and no others.
 *
 * The upstream is shared, and asked by SCAN only, which holds it up no longer than any command.
 */

import type { CommandSpec } from '../../command/table.ts';
import {
  arrayReply,
  bulkReply,
  encodeCommand,
  integerReply,
  nullReply,
} from '../../resp/encoder.ts';
import { bulkOf, elementsOf } from '../../resp/reply-framer.ts';
import type { NamespaceTable } from '../../shard/namespace-table.ts';
import type { Connection } from '../connection.ts';
import type { FrontState } from '../front-state.ts';
import type { PartOwner } from '../part.ts';
import type { UpstreamLink } from './link.ts';
import { linkTo } from './pass.ts';

/** How many keys the upstream looks at for one answer. */
const scanCount = '1000';

/** The upstreams that may hold keys of a database, in the order of the table. */
export function upstreamsIn(table: NamespaceTable, database: number): readonly string[] {
  const addresses = table.rows
    .filter((row) => row.database === undefined || row.database === database)
    .flatMap(({ upstream }) => (upstream === undefined ? [] : [upstream]));
  return [...new Set(addresses)];
}

/** Which of these keys (latin1) belong to the upstream. */
export function ownKeys(
  table: NamespaceTable,
  of: { readonly upstream: string; readonly database: number },
  keys: readonly string[],
): string[] {
  return keys.filter(
    (key) => table.find(of.database, Buffer.from(key, 'latin1')).upstream === of.upstream,
  );
}

export interface ScanAnswer {
  readonly cursor: string;
  /** Latin1. */
  readonly keys: readonly string[];
}

/** Undefined where it is no answer to SCAN. */
export function parseScan(reply: string): ScanAnswer | undefined {
  const [cursor = '', list = ''] = elementsOf(reply) ?? [];
  const number = bulkOf(cursor);
  const keys = elementsOf(list);
  if (number === undefined || keys === undefined) return undefined;
  return { cursor: number, keys: keys.map((key) => bulkOf(key) ?? '') };
}

/** Answers one part of a KEYS, DBSIZE or RANDOMKEY. */
export function walkUpstream(walk: {
  readonly spec: CommandSpec;
  readonly upstream: string;
  readonly owner: PartOwner;
  readonly position: number;
  readonly connection: Connection;
  readonly state: FrontState;
}): void {
  const { spec, upstream, owner, position, connection, state } = walk;
  const { database } = connection.client;
  const isKeys = spec.spread === 'all-concat';
  const pattern = isKeys ? connection.request.argLatin1(1) : '*';
  const found = new Set<string>();
  const link: UpstreamLink = linkTo(upstream, state, () => undefined);
  const end = (reply: string): void => {
    link.close();
    owner.partSettled(position, reply);
  };
  const step = (cursor: string): void => {
    const words = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', scanCount];
    link.pass({
      bytes: encodeCommand(words.map((word) => Buffer.from(word, 'latin1'))),
      database,
      protocol: 2,
      isWrite: false,
      settle: (reply) => {
        const answer = parseScan(reply);
        if (answer === undefined) {
          end(reply);
          return;
        }
        const own = ownKeys(state.cluster.namespaces, { upstream, database }, answer.keys);
        for (const key of own) found.add(key);
        const isEnough = spec.spread === 'random' && found.size > 0;
        if (answer.cursor === '0' || isEnough) end(replyOf(spec, [...found]));
        else step(answer.cursor);
      },
      fail: () => owner.partFailed('cluster-down'),
    });
  };
  step('0');
}

function replyOf({ spread }: CommandSpec, keys: readonly string[]): string {
  if (spread === 'all-concat') return arrayReply(keys.map(bulkReply));
  if (spread === 'all-sum') return integerReply(keys.length);
  const [any] = keys;
  return any === undefined ? nullReply : bulkReply(any);
}
