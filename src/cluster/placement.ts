/**
 * Which members hold a replica of a group when a cluster forms, and which of them should lead it first.
 *
 * Pure and the same on every member: it needs only the members and the group.
 */

import { metaGroup, type GroupId, type NodeId } from '../base/ids.ts';
import type { ConfState } from '../raft/message.ts';

/** Every member votes in every group; more members than this need placement of their own. */
export const membersMax = 5;

/** The first members of a group. `members` ascend, 1…`membersMax`. */
export function initialMembers(members: readonly NodeId[]): ConfState {
  return {
    voters: members,
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
}

/**
 * Spreads the first leaders of the shards over the members. The meta group's leads shard 0, too, so that a cluster of one
 * shard has one leader, and its heartbeats one frame a peer.
 */
export function firstLeader(members: readonly NodeId[], group: GroupId): NodeId | undefined {
  return members[group === metaGroup ? 0 : (group - 1) % members.length];
}
