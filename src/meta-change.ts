/**
 * One change of what the meta group keeps, as an operator asks for it at any node.
 *
 * A change is made from the state that this node knows, and counts only where the meta group still has that one: of two operators at
 * once, one is told to look again.
 */

import { NodeError } from './base/errors.ts';
import type { SubmitFailure } from './cluster/cluster.ts';
import type { Member } from './cluster/member.ts';
import { staleReply } from './cluster/meta.ts';
import { isErrorReply } from './resp/reply-framer.ts';

export type ChangeOutcome =
  | { readonly kind: 'changed' }
  /** Nothing has changed; the reason says what to do. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Rejects with a NodeError: `in-doubt` where the change may have been made, any other where it was not. */
export async function submitMetaChange(
  member: Pick<Member, 'submitMeta'>,
  bytes: Uint8Array,
): Promise<ChangeOutcome> {
  const reply = await new Promise<string>((settle, reject) => {
    member.submitMeta({
      path: 'log',
      isAlone: false,
      database: 0,
      bytes,
      settle,
      fail: (failure) => reject(new NodeError(failure, failureTexts[failure])),
    });
  });
  if (reply === staleReply) {
    const reason = 'it was changed at the same moment; look at it and try again';
    return { kind: 'refused', reason };
  }
  if (isErrorReply(reply)) return { kind: 'refused', reason: reply.slice(1).trimEnd() };
  return { kind: 'changed' };
}

const failureTexts: Readonly<Record<SubmitFailure, string>> = {
  'cluster-down': 'no leader of the meta group was found in time; nothing has changed, try again',
  'in-doubt': 'the leader was lost meanwhile; the change may have been made, look at it',
  busy: 'too many commands are pending on this node; nothing has changed, try again later',
  closing: 'this node stops; nothing has changed, ask another',
};
