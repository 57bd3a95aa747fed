/**
 * The numbers and names that must not be mixed up, as branded types.
 *
 * A brand costs nothing at run time. Values from outside (configuration, disk, peers) are validated
 * where they enter and branded there; inside, a wrong mix is a compile error.
 */

declare const brand: unique symbol;

type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };

/** One sidecar process, 1…65,535, given by configuration and never reused. 0 means none. */
export type NodeId = Brand<number, 'NodeId'>;

/** A Raft term, 0 before the first election. A safe integer. */
export type Term = Brand<number, 'Term'>;

/** A position in one group's log, the first entry is 1. A safe integer; a count is not an index. */
export type Index = Brand<number, 'Index'>;

/** One part of the keyspace, 0…63. */
export type ShardId = Brand<number, 'ShardId'>;

/** One Raft group: 0 is the meta group, shard s is group s + 1. */
export type GroupId = Brand<number, 'GroupId'>;

/** What one life of a data directory is called: 16 lower-case hex digits, drawn at random. */
export type MemberId = Brand<string, 'MemberId'>;

/** What a cluster is called: 32 lower-case hex digits, drawn at random when it forms. */
export type ClusterId = Brand<string, 'ClusterId'>;

/** A session in one shard, counted from 1 in that shard's replicated state. 0 means no session. */
export type SessionId = Brand<number, 'SessionId'>;

export const nodeId = (value: number): NodeId => value as NodeId;
export const term = (value: number): Term => value as Term;
export const index = (value: number): Index => value as Index;
export const shardId = (value: number): ShardId => value as ShardId;
export const groupId = (value: number): GroupId => value as GroupId;
export const memberId = (value: string): MemberId => value as MemberId;
export const clusterId = (value: string): ClusterId => value as ClusterId;
export const sessionId = (value: number): SessionId => value as SessionId;

export const noNode: NodeId = nodeId(0);
export const metaGroup: GroupId = groupId(0);
export const noSession: SessionId = sessionId(0);

/** The Raft group that keeps a shard. */
export const groupOfShard = (shard: ShardId): GroupId => groupId(shard + 1);

/** The shard that a group keeps; the meta group keeps none and must not be asked. */
export const shardOfGroup = (group: GroupId): ShardId => shardId(group - 1);

/** How many of `count` voters are a majority. */
export const majority = (count: number): number => Math.floor(count / 2) + 1;
