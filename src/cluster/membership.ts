/**
 * Who is a member, as the meta group keeps it, and the steps by which a group comes to that.
 *
 * An operator changes what is *wanted*: a table in the meta group. The leader of each group brings its own group there, one
 * change of the configuration at a time: a node learns before it votes, and votes only once it has caught up; whoever leaves is taken out only
 * while those who stay are a majority that answers; a leader that is to go hands over first. So an operator may go away, a leader may
 * die, and several changes may be wanted at once: whoever leads next goes on from what the group's log says.
 *
 * Pure: given the table, a group's configuration and what its leader knows, these functions say what comes next.
 */

import type { NodeId } from '../base/ids.ts';
import type { MemberIdentity } from '../log/log.ts';
import type { ConfState } from '../raft/message.ts';
import type { MemberStep } from '../replica/replica.ts';
import type { Address } from '../transport/transport.ts';

/** A learner holds all data and has no vote. */
export type MemberRole = 'voter' | 'learner';

export interface MemberRecord extends MemberIdentity {
  /** For nodes that are not configured with one: proxies, and members that came before. */
  readonly address: Address;
  /** In every group. */
  readonly role: MemberRole;
}

export interface Members {
  /** Ascending by node id. Invariant: at least one is a voter. */
  readonly members: readonly MemberRecord[];
  /** Nodes that were members; their ids are never used again. */
  readonly removed: readonly NodeId[];
}

export type MemberChange =
  /** As a learner. */
  | { readonly kind: 'add'; readonly member: Candidate }
  | { readonly kind: 'promote' | 'demote' | 'remove'; readonly nodeId: NodeId };

export const addressesOf = (members: readonly MemberRecord[]): ReadonlyMap<NodeId, Address> =>
  new Map(members.map(({ nodeId, address }) => [nodeId, address]));

export const votersMax = 5;
/** Each learner costs the leader as much as a voter does. */
const learnersMax = 4;

/** A node that waits to be added. */
export type Candidate = Omit<MemberRecord, 'role'>;

/** The table after a change; the same object where nothing changes; or why it is refused. */
export function changeMembers(now: Members, change: MemberChange): Members | string {
  const id = change.kind === 'add' ? change.member.nodeId : change.nodeId;
  const known = now.members.find(({ nodeId }) => nodeId === id);
  if (change.kind === 'add') return known === undefined ? added(now, change.member) : now;
  if (known === undefined) {
    if (now.removed.includes(id)) return change.kind === 'remove' ? now : `node ${id} was removed`;
    return `node ${id} is not a member (members ${listed(now.members)})`;
  }
  const others = now.members.filter((member) => member !== known);
  const otherVoters = others.filter(isVoter);
  if (change.kind === 'promote') {
    if (known.role === 'voter') return now;
    if (otherVoters.length >= votersMax) return `${votersMax} members vote, which is the most`;
    return withRole(now, known, 'voter');
  }
  if (otherVoters.length === 0) return `node ${id} is the only voter: promote another first`;
  if (change.kind === 'demote')
    return known.role === 'learner' ? now : withRole(now, known, 'learner');
  return { members: others, removed: [...now.removed, id] };
}

function added(now: Members, member: Candidate): Members | string {
  const { nodeId } = member;
  const newest = Math.max(...now.removed, ...now.members.map((other) => other.nodeId));
  if (nodeId <= newest) {
    return `node ${nodeId} cannot be added: ids are never used again and rise; take one above ${newest}`;
  }
  if (now.members.filter((other) => !isVoter(other)).length >= learnersMax) {
    return `${learnersMax} members are learners, which is the most: promote or remove one`;
  }
  const { memberId, address } = member;
  return { ...now, members: [...now.members, { nodeId, memberId, address, role: 'learner' }] };
}

function withRole(now: Members, changed: MemberRecord, role: MemberRole): Members {
  const members = now.members.map((member) => (member === changed ? { ...member, role } : member));
  return { ...now, members };
}

/** Whether the voters of a table are a majority that answers; else why not. */
export function missingQuorum(
  { members }: Members,
  isReachable: (node: NodeId) => boolean,
): string | undefined {
  const voters = members.filter(isVoter);
  const reachable = voters.filter(({ nodeId }) => isReachable(nodeId));
  if (reachable.length >= majority(voters.length)) return undefined;
  return (
    `of the voters that would be left (${listed(voters)}) only ${reachable.length} can be reached: ` +
    'that is no majority, and nothing could be written; bring others back first'
  );
}

/** What a group's leader does next. */
export type Step =
  /** One change of the group's configuration; where it is more than one member's, through a joint one. */
  | { readonly kind: 'change'; readonly steps: readonly MemberStep[] }
  /** Leadership goes to another voter: this node is to be none. */
  | { readonly kind: 'hand-over' };

/** What a leader knows of its group. */
export interface GroupView {
  readonly self: NodeId;
  readonly conf: ConfState;
  /** The learner has all but what is on its way. */
  readonly isCaughtUp: (node: NodeId) => boolean;
  /** The node has answered within the last election timeout; this one has. */
  readonly isActive: (node: NodeId) => boolean;
}

/**
 * Undefined where the group is as wanted, a change is under way, or has to wait. All votes that can change change together, so that
 * one voter takes the place of another without a moment of more voters or fewer.
 */
export function nextStep(wanted: readonly MemberRecord[], view: GroupView): Step | undefined {
  const { conf, self } = view;
  if (conf.votersOutgoing.length > 0) return undefined;
  const { voters, learners } = conf;
  const roles = new Map(wanted.map(({ nodeId, role }) => [nodeId, role]));
  const unknown = wanted.find(
    ({ nodeId }) => !voters.includes(nodeId) && !learners.includes(nodeId),
  );
  if (unknown !== undefined) return change({ kind: 'learn', nodeId: unknown.nodeId });
  const gone = learners.find((node) => !roles.has(node));
  if (gone !== undefined) return change({ kind: 'remove', nodeId: gone });
  const coming = learners.filter((node) => roles.get(node) === 'voter' && view.isCaughtUp(node));
  const leaving = voters.filter((node) => roles.get(node) !== 'voter');
  const next = [...voters.filter((node) => !leaving.includes(node)), ...coming];
  // Those that leave may be dead. Those that stay decide alone from then on.
  const hasQuorum = next.filter((node) => view.isActive(node)).length >= majority(next.length);
  const away = next.length > 0 && hasQuorum ? leaving : [];
  const others = away.filter((node) => node !== self);
  const steps = [
    ...coming.map((nodeId): MemberStep => ({ kind: 'promote', nodeId })),
    ...others.map((nodeId): MemberStep => ({
      kind: roles.has(nodeId) ? 'learn' : 'remove',
      nodeId,
    })),
  ];
  if (steps.length > 0) return change(...steps);
  return away.length > 0 ? { kind: 'hand-over' } : undefined;
}

const change = (...steps: readonly MemberStep[]): Step => ({ kind: 'change', steps });

const isVoter = ({ role }: MemberRecord): boolean => role === 'voter';

const listed = (members: readonly MemberIdentity[]): string =>
  members.map(({ nodeId }) => nodeId).join(', ');

const majority = (count: number): number => Math.floor(count / 2) + 1;
