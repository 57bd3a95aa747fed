/**
 * What the meta group keeps, and its form as JSON, in which it travels to nodes that only watch.
 */

import { clusterId, memberId, nodeId, type ClusterId } from '../base/ids.ts';
import type { MemberIdentity } from '../log/log.ts';
import type { Address } from '../transport/transport.ts';
import type { MemberRecord, Members } from './membership.ts';
import { parseNamespaces, type Namespace } from '../shard/namespace.ts';
import { shardMapFromJson, shardMapToJson, type ShardMap } from '../shard/shard-map.ts';

export interface MetaState extends Members {
  /** The index of the entry that changed it last; of two states of a cluster the higher is the newer. */
  readonly version: number;
  readonly clusterId: ClusterId;
  readonly shardMap: ShardMap;
  /** What applies the commands, the same on all members: `memory`. */
  readonly engine: string;
  readonly namespaces: readonly Namespace[];
}

/** What `JSON.stringify` takes. */
export function metaToJson(state: MetaState): object {
  return { ...state, shardMap: shardMapToJson(state.shardMap) };
}

/** Undefined where the value is not what `metaToJson` made. */
export function metaFromJson(value: unknown): MetaState | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { version, clusterId: id, shardMap, engine, namespaces } = value as Record<string, unknown>;
  const table = membersFromJson(value);
  const map = shardMapFromJson(shardMap);
  const rows = parseNamespaces(namespaces);
  if (!Number.isSafeInteger(version) || typeof id !== 'string' || typeof engine !== 'string') {
    return undefined;
  }
  if (table === undefined || map === undefined || rows.kind === 'invalid') return undefined;
  return {
    version: Number(version),
    clusterId: clusterId(id),
    ...table,
    shardMap: map,
    engine,
    namespaces: rows.value,
  };
}

/** Undefined where the value does not have a table of members. */
export function membersFromJson(value: unknown): Members | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { members, removed } = value as Record<string, unknown>;
  const identities = parseMembers(members);
  if (identities === undefined || !Array.isArray(removed)) return undefined;
  if (!removed.every((id) => Number.isInteger(id))) return undefined;
  const records: MemberRecord[] = [];
  const rows = members as { readonly role: unknown; readonly address: unknown }[];
  for (const [at, { role, address: place }] of rows.entries()) {
    const identity = identities[at];
    const address = addressFromJson(place);
    if (identity === undefined || (role !== 'voter' && role !== 'learner')) return undefined;
    if (address === undefined) return undefined;
    records.push({ ...identity, role, address });
  }
  return { members: records, removed: removed.map((id) => nodeId(Number(id))) };
}

/** Undefined where the value is not one. */
export function addressFromJson(value: unknown): Address | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { host, port } = value as Record<string, unknown>;
  if (typeof host !== 'string' || !Number.isInteger(port)) return undefined;
  return { host, port: Number(port) };
}

/** Undefined where the value is not a list of node and member ids. */
export function parseMembers(value: unknown): readonly MemberIdentity[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const members: MemberIdentity[] = [];
  for (const item of value as unknown[]) {
    if (typeof item !== 'object' || item === null) return undefined;
    const { nodeId: node, memberId: member } = item as Record<string, unknown>;
    if (!Number.isInteger(node) || typeof member !== 'string') return undefined;
    members.push({ nodeId: nodeId(Number(node)), memberId: memberId(member) });
  }
  return members;
}

/** Undefined where the bytes are not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
