/**
 * Changes the table of namespaces at run time, from any node, as an operator asks for it.
 *
 * A change that may move keys between the cluster and an upstream is made in three steps: the row is closed, so that nobody uses its keys;
 * when all nodes have heard of that, it is looked whether any key would be lost sight of; then the row gets its new form, or its old one
 * again. A node that dies in between leaves the row closed, and the change is made again.
 */

import { assert } from './base/assert.ts';
import { NodeError } from './base/errors.ts';
import type { Member } from './cluster/member.ts';
import { encodeNamespaces } from './cluster/meta.ts';
import { mayMoveKeys, type Switch } from './front/upstream/switch.ts';
import { submitMetaChange, type ChangeOutcome } from './meta-change.ts';
import {
  hasSameName,
  nameText,
  parseNamespaces,
  type Namespace,
  type NamespaceName,
} from './shard/namespace.ts';
import { NamespaceTable } from './shard/namespace-table.ts';

export type NamespaceChange =
  /** Takes the place of the row of the same name, else comes behind all others; or stands at place `at`, from 1. */
  | { readonly kind: 'set'; readonly row: Namespace; readonly at: number | undefined }
  | { readonly kind: 'remove'; readonly name: NamespaceName };

/** What a change that moves keys between the cluster and an upstream needs besides the log. */
export interface Sides {
  /** Why the change must not be made although it makes a table. */
  whyNot(change: Switch): Promise<string | undefined>;
  /** Resolves when all nodes have heard of the table as it is, and what they had under way before is over. */
  settled(): Promise<void>;
}

/** Rejects with a NodeError where it is not known whether the change was made, or no leader was found. */
export async function changeNamespaces(
  member: Pick<Member, 'meta' | 'submitMeta'>,
  change: NamespaceChange,
  sides: Sides,
): Promise<ChangeOutcome> {
  const state = member.meta;
  if (state === undefined) {
    throw new NodeError('cluster-down', 'this node does not know the table yet; try again later');
  }
  const { namespaces: rows, version } = state;
  const next = changed(rows, change);
  if (typeof next === 'string') return { kind: 'refused', reason: next };
  const moved = {
    name: change.kind === 'set' ? change.row : change.name,
    from: new NamespaceTable(rows),
    to: new NamespaceTable(next),
  };
  if (!mayMoveKeys(moved)) return await submitMetaChange(member, encodeNamespaces(version, next));
  const closed = closedFor(rows, next, moved.name);
  const closing = await submitMetaChange(member, encodeNamespaces(version, closed));
  if (closing.kind === 'refused') return closing;
  await sides.settled();
  const closedVersion = member.meta?.version ?? version;
  if (JSON.stringify(member.meta?.namespaces) !== JSON.stringify(closed)) {
    const reason = `the table was changed meanwhile; ${nameText(moved.name)} may be closed, set it again`;
    return { kind: 'refused', reason };
  }
  const reason = await sides.whyNot(moved);
  const last = reason === undefined ? next : rows;
  const outcome = await submitMetaChange(member, encodeNamespaces(closedVersion, last));
  return reason === undefined || outcome.kind === 'refused' ? outcome : { kind: 'refused', reason };
}

/** The table meanwhile: the row that changes is closed, where it stands or will stand, whichever comes first. */
function closedFor(
  rows: readonly Namespace[],
  next: readonly Namespace[],
  name: NamespaceName,
): readonly Namespace[] {
  const place = rows.findIndex((row) => hasSameName(row, name));
  const nextPlace = next.findIndex((row) => hasSameName(row, name));
  const row = rows[place] ?? next[nextPlace];
  assert(row !== undefined, 'the row that changes is in one of the tables');
  const at = place < 0 ? nextPlace : nextPlace < 0 ? place : Math.min(place, nextPlace);
  const others = rows.filter((_, other) => other !== place);
  return others.toSpliced(at, 0, { ...row, isClosed: true });
}

/** The table after a change, or why there is none. */
function changed(
  rows: readonly Namespace[],
  change: NamespaceChange,
): readonly Namespace[] | string {
  const name = change.kind === 'set' ? change.row : change.name;
  const place = rows.findIndex((row) => hasSameName(row, name));
  if (change.kind === 'remove') {
    if (place < 0) return `there is no namespace ${nameText(name)}`;
    return rows.filter((_, other) => other !== place);
  }
  const others = rows.filter((_, other) => other !== place);
  const isElsewhere = change.at !== undefined;
  const target = isElsewhere ? change.at - 1 : place < 0 ? others.length : place;
  if (target < 0 || target > others.length) {
    return `place ${change.at ?? ''} does not exist: there are ${others.length} other namespaces`;
  }
  const parsed = parseNamespaces(others.toSpliced(target, 0, change.row));
  return parsed.kind === 'ok' ? parsed.value : parsed.reason;
}
