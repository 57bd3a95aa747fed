/**
 * The keys of the log's records in LevelDB, and what a record is called in messages.
 *
 * A key is a kind byte, then the group (u32), then the index (u64), as far as the kind has them, all big-endian. LevelDB
 * orders keys by bytes, so one pass in key order meets the format first, then the identity, every group's base, every
 * group's hard state, and last each group's entries, ascending and side by side. Recovery relies on this order.
 * The byte tables are in `docs/storage-format.md`, which changes with this file.
 */

import { assert } from '../base/assert.ts';
import { groupId, index, type GroupId, type Index } from '../base/ids.ts';

/** Kind bytes, in the order in which recovery meets them. They never change their meaning. */
export const kindFormat = 1;
export const kindIdentity = 2;
export const kindBase = 3;
export const kindHardState = 4;
export const kindEntry = 5;

const groupKeyBytes = 5;
const entryKeyBytes = 13;
const groupMax = 2 ** 32 - 1;

export type RecordKey =
  | { readonly kind: 'format' }
  | { readonly kind: 'identity' }
  | { readonly kind: 'base'; readonly group: GroupId }
  | { readonly kind: 'hard-state'; readonly group: GroupId }
  | { readonly kind: 'entry'; readonly group: GroupId; readonly index: Index };

export const formatKey = (): Buffer => Buffer.of(kindFormat);
export const identityKey = (): Buffer => Buffer.of(kindIdentity);
export const baseKey = (group: GroupId): Buffer => groupKey(kindBase, group);
export const hardStateKey = (group: GroupId): Buffer => groupKey(kindHardState, group);

export function entryKey(group: GroupId, index: Index): Buffer {
  assert(Number.isSafeInteger(index) && index > 0, "an entry's index is a positive safe integer");
  const key = Buffer.allocUnsafe(entryKeyBytes);
  writeGroup(key, kindEntry, group);
  key.writeUInt32BE(Math.floor(index / 2 ** 32), 5);
  key.writeUInt32BE(index % 2 ** 32, 9);
  return key;
}

function groupKey(kind: number, group: GroupId): Buffer {
  const key = Buffer.allocUnsafe(groupKeyBytes);
  writeGroup(key, kind, group);
  return key;
}

function writeGroup(key: Buffer, kind: number, group: GroupId): void {
  assert(Number.isInteger(group) && group >= 0 && group <= groupMax, 'a group id fits in u32');
  key[0] = kind;
  key.writeUInt32BE(group, 1);
}

/** What a key read from disk names; undefined for bytes that are no key of ours. */
export function decodeKey(bytes: Uint8Array): RecordKey | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = bytes[0];
  if (bytes.length === 1) {
    if (kind === kindFormat) return { kind: 'format' };
    return kind === kindIdentity ? { kind: 'identity' } : undefined;
  }
  if (bytes.length === groupKeyBytes) {
    const group = groupId(view.getUint32(1));
    if (kind === kindBase) return { kind: 'base', group };
    return kind === kindHardState ? { kind: 'hard-state', group } : undefined;
  }
  if (bytes.length !== entryKeyBytes || kind !== kindEntry) return undefined;
  const position = view.getUint32(5) * 2 ** 32 + view.getUint32(9);
  if (!Number.isSafeInteger(position) || position === 0) return undefined;
  return { kind: 'entry', group: groupId(view.getUint32(1)), index: index(position) };
}

/** The record in words, for messages: `entry 7 of group 3`. */
export function describeKey(bytes: Uint8Array): string {
  const key = decodeKey(bytes);
  if (key === undefined) return `the record under key 0x${Buffer.from(bytes).toString('hex')}`;
  switch (key.kind) {
    case 'format':
      return 'the format record';
    case 'identity':
      return 'the identity record';
    case 'base':
      return `the base record of group ${String(key.group)}`;
    case 'hard-state':
      return `the hard state record of group ${String(key.group)}`;
    case 'entry':
      return `entry ${String(key.index)} of group ${String(key.group)}`;
  }
}
