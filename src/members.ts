/**
 * Who holds the data, as operators see it and change it, from any member.
 *
 * A change is logged in the meta group and then carried out by the leaders of all groups (`cluster/membership`); until then it is
 * under way, which the list shows.
 */

import { NodeError } from './base/errors.ts';
import {
  groupId,
  groupOfShard,
  nodeId,
  shardId,
  type GroupId,
  type MemberId,
  type NodeId,
} from './base/ids.ts';
import type { Member } from './cluster/member.ts';
import {
  changeMembers,
  missingQuorum,
  type Candidate,
  type MemberChange,
} from './cluster/membership.ts';
import { encodeMembers } from './cluster/meta.ts';
import { submitMetaChange, type ChangeOutcome } from './meta-change.ts';

export interface MemberStatus {
  readonly nodeId: NodeId;
  readonly memberId: MemberId;
  /** What is wanted. `candidate`: it waits to be added. */
  readonly role: 'voter' | 'learner' | 'candidate';
  readonly isConnected: boolean;
  /** In how many groups it votes, and in how many it learns, as this node has applied. */
  readonly votes: number;
  readonly learns: number;
}

export interface MemberList {
  readonly members: readonly MemberStatus[];
  /** The meta group, and one for each shard. */
  readonly groups: number;
  /** Every group has the members that are wanted. */
  readonly isSettled: boolean;
}

export type MemberCommand = {
  readonly kind: 'add' | 'promote' | 'demote' | 'remove';
  readonly nodeId: number;
};

/** What a member gives to those who look after members. */
export interface Membership {
  readonly member: Member;
  candidates(): readonly Candidate[];
  isConnected(node: NodeId): boolean;
}

export function listMembers(from: Membership): MemberList {
  const { member } = from;
  const groups = allGroups(member.shards)
    .map((group) => member.replica(group))
    .flatMap((replica) => (replica === undefined ? [] : [replica.members]));
  const table = member.meta?.members ?? [];
  const waiting = from.candidates().map((one) => ({ ...one, role: 'candidate' as const }));
  const members = [...table, ...waiting].map((one): MemberStatus => ({
    nodeId: one.nodeId,
    memberId: one.memberId,
    role: one.role,
    isConnected: one.nodeId === member.nodeId || from.isConnected(one.nodeId),
    votes: groups.filter(({ voters }) => voters.includes(one.nodeId)).length,
    learns: groups.filter(({ learners }) => learners.includes(one.nodeId)).length,
  }));
  const voters = table.filter(({ role }) => role === 'voter').length;
  const isSettled = groups.every(
    (conf) =>
      conf.votersOutgoing.length === 0 &&
      conf.voters.length === voters &&
      conf.learners.length === table.length - voters &&
      table.every(({ nodeId: node, role }) =>
        (role === 'voter' ? conf.voters : conf.learners).includes(node),
      ),
  );
  return { members, groups: groups.length, isSettled: isSettled && table.length > 0 };
}

/** Rejects with a NodeError: `in-doubt` where it may have been made, any other where it was not. */
export async function commandMembers(
  from: Membership,
  command: MemberCommand,
): Promise<ChangeOutcome> {
  const { member } = from;
  const state = member.meta;
  if (state === undefined) {
    throw new NodeError('cluster-down', 'this node does not know the members yet; try again later');
  }
  const change = changeOf(from, command);
  if (typeof change === 'string') return { kind: 'refused', reason: change };
  const next = changeMembers(state, change);
  if (typeof next === 'string') return { kind: 'refused', reason: next };
  if (next === state) return { kind: 'changed' };
  const isReachable = (node: NodeId): boolean => node === member.nodeId || from.isConnected(node);
  const missing = missingQuorum(next, isReachable);
  const isLeaving = command.kind === 'demote' || command.kind === 'remove';
  if (isLeaving && missing !== undefined) return { kind: 'refused', reason: missing };
  return await submitMetaChange(member, encodeMembers(state.version, next));
}

function changeOf(from: Membership, command: MemberCommand): MemberChange | string {
  const node = nodeId(command.nodeId);
  if (command.kind !== 'add') return { kind: command.kind, nodeId: node };
  const known = from.member.meta?.members.find((one) => one.nodeId === node);
  const candidate = known ?? from.candidates().find((one) => one.nodeId === node);
  if (candidate !== undefined) return { kind: 'add', member: candidate };
  return (
    `node ${node} has not come to node ${from.member.nodeId}: start it first, with an empty data directory, ` +
    'bootstrap join and the addresses of all members'
  );
}

/** Offers the leadership of a shard, or of all groups, to a member; it is taken over where that member has all of the log. */
export function transferLeadership(
  from: Membership,
  to: number,
  shard: number | undefined,
): ChangeOutcome {
  const { member } = from;
  const node = nodeId(to);
  if (member.meta === undefined) {
    return { kind: 'refused', reason: 'this node does not know the members yet; try again later' };
  }
  if (shard !== undefined && shard >= member.shards) {
    return { kind: 'refused', reason: `there is no shard ${shard}` };
  }
  const groups = shard === undefined ? allGroups(member.shards) : [groupOfShard(shardId(shard))];
  for (const group of groups) {
    const voters = member.replica(group)?.members.voters ?? [];
    if (!voters.includes(node)) {
      return {
        kind: 'refused',
        reason: `node ${node} does not vote (voters ${voters.join(', ')})`,
      };
    }
  }
  for (const group of groups) member.placer.transfer(group, node);
  return { kind: 'changed' };
}

const allGroups = (shards: number): readonly GroupId[] =>
  Array.from({ length: shards + 1 }, (_, group) => groupId(group));
