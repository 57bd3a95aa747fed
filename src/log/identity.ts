/**
 * What both logs demand of an identity before it becomes durable, and of a configuration that finds one.
 */

import { assert } from '../base/assert.ts';
import { NodeError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Identity } from './log.ts';

const rankByPhase: Readonly<Record<Identity['phase'], number>> = { new: 0, agreed: 1, formed: 2 };

/** Asserts that `next` may follow `before`: an identity gains facts and never changes one. */
export function assertIdentityFollows(before: Identity | undefined, next: Identity): void {
  assert(
    Number.isSafeInteger(next.incarnation) && next.incarnation >= 0,
    'incarnations are counted',
  );
  const isNew = next.phase === 'new';
  assert(isNew === (next.clusterId === undefined), 'a cluster id is known unless the phase is new');
  assert(isNew === (next.members.length === 0), 'members are known unless the phase is new');
  assert(isNew === (next.shards === 0), 'the number of shards is known unless the phase is new');
  if (before === undefined) return;
  assert(
    rankByPhase[next.phase] >= rankByPhase[before.phase],
    "an identity's phase never goes back",
  );
  assert(next.nodeId === before.nodeId, 'the node id of a directory never changes');
  assert(next.memberId === before.memberId, 'the member id of a directory never changes');
  assert(next.incarnation >= before.incarnation, 'an incarnation never goes back');
  if (before.clusterId === undefined) return;
  assert(next.clusterId === before.clusterId, 'the cluster id of a directory never changes');
  assert(next.shards === before.shards, 'the shards a cluster was formed with never change');
  assert(hasSameMembers(before, next), 'the members that formed a cluster never change');
}

function hasSameMembers(left: Identity, right: Identity): boolean {
  if (left.members.length !== right.members.length) return false;
  return left.members.every((member, place) => {
    const other = right.members[place];
    return other?.nodeId === member.nodeId && other.memberId === member.memberId;
  });
}

/** Throws `config-invalid` where a directory belongs to another node than the configured one. */
export function checkNodeId(
  identity: Identity | undefined,
  configured: NodeId,
  where: string,
): void {
  if (identity === undefined || identity.nodeId === configured) return;
  throw new NodeError(
    'config-invalid',
    `${where} belongs to node ${String(identity.nodeId)}, but this node is configured as node ` +
      `${String(configured)}: correct the node id or the data directory`,
  );
}
