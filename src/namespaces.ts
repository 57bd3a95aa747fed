/**
 * Changes the table of namespaces at run time, from any node, as an operator asks for it.
 *
 * A change is made from the table that this node knows, and counts only where the meta group still has that one: of two operators at
 * once, one is told to look again.
 */

import { NodeError } from './base/errors.ts';
import type { SubmitFailure } from './cluster/cluster.ts';
import type { Member } from './cluster/member.ts';
import { encodeNamespaces, staleReply } from './cluster/meta.ts';
import { isErrorReply } from './resp/reply-framer.ts';
import {
  hasSameName,
  nameText,
  parseNamespaces,
  type Namespace,
  type NamespaceName,
} from './shard/namespace.ts';

export type NamespaceChange =
  /** Takes the place of the row of the same name, else comes behind all others; or stands at place `at`, from 1. */
  | { readonly kind: 'set'; readonly row: Namespace; readonly at: number | undefined }
  | { readonly kind: 'remove'; readonly name: NamespaceName };

export type NamespaceOutcome =
  | { readonly kind: 'changed' }
  /** Nothing has changed; the reason says what to do. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Rejects with a NodeError where it is not known whether the change was made, or no leader was found. */
export async function changeNamespaces(
  member: Pick<Member, 'meta' | 'submitMeta'>,
  change: NamespaceChange,
): Promise<NamespaceOutcome> {
  const state = member.meta;
  if (state === undefined) {
    throw new NodeError('cluster-down', 'this node does not know the table yet; try again later');
  }
  const next = changed(state.namespaces, change);
  if (typeof next === 'string') return { kind: 'refused', reason: next };
  const reply = await new Promise<string>((settle, reject) => {
    member.submitMeta({
      path: 'log',
      isAlone: false,
      database: 0,
      bytes: encodeNamespaces(state.version, next),
      settle,
      fail: (failure) => reject(new NodeError(failure, failureTexts[failure])),
    });
  });
  if (reply === staleReply) {
    const reason = 'the table was changed at the same moment; look at it and try again';
    return { kind: 'refused', reason };
  }
  if (isErrorReply(reply)) return { kind: 'refused', reason: reply.slice(1).trimEnd() };
  return { kind: 'changed' };
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

const failureTexts: Readonly<Record<SubmitFailure, string>> = {
  'cluster-down': 'no leader of the meta group was found in time; nothing has changed, try again',
  'in-doubt': 'the leader was lost meanwhile; the table may have changed, look at it',
  busy: 'too many commands are pending on this node; nothing has changed, try again later',
  closing: 'this node stops; nothing has changed, ask another',
};
