/**
 * Changes the table of namespaces at run time, from any node, as an operator asks for it.
 */

import { NodeError } from './base/errors.ts';
import type { Member } from './cluster/member.ts';
import { encodeNamespaces } from './cluster/meta.ts';
import type { Switch } from './front/upstream/switch.ts';
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

/**
 * `whyNot` says why a change must not be made although it makes a table. Rejects with a NodeError where it is not known whether the change was
 * made, or no leader was found.
 */
export async function changeNamespaces(
  member: Pick<Member, 'meta' | 'submitMeta'>,
  change: NamespaceChange,
  whyNot: (change: Switch) => Promise<string | undefined>,
): Promise<ChangeOutcome> {
  const state = member.meta;
  if (state === undefined) {
    throw new NodeError('cluster-down', 'this node does not know the table yet; try again later');
  }
  const next = changed(state.namespaces, change);
  if (typeof next === 'string') return { kind: 'refused', reason: next };
  const reason = await whyNot({
    name: change.kind === 'set' ? change.row : change.name,
    from: new NamespaceTable(state.namespaces),
    to: new NamespaceTable(next),
  });
  if (reason !== undefined) return { kind: 'refused', reason };
  return await submitMetaChange(member, encodeNamespaces(state.version, next));
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
