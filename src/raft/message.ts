/**
 * The facts of Raft that travel or are kept: entries, hard state, configurations, snapshots, messages.
 *
 * Plain data, never changed once made. `data` is shared between the log, the peers and the applier
 * without copying; whoever makes an entry must not write to its bytes afterwards.
 */

import type { Index, NodeId, Term } from '../base/ids.ts';

/** What an entry carries: a batch of the application, or a change of the group's members. */
export type EntryType = 'normal' | 'conf-change' | 'conf-change-v2';

export interface Entry {
  readonly term: Term;
  readonly index: Index;
  readonly type: EntryType;
  /** Empty for the no-op that opens a term. */
  readonly data: Uint8Array;
}

/** What must survive a restart (Raft paper, figure 2), and the commit index, which may lag. */
export interface HardState {
  readonly term: Term;
  /** 0 where this term's vote is not given. */
  readonly vote: NodeId;
  readonly commit: Index;
}

/** A group's members (dissertation, chapter 4). Lists ascend. */
export interface ConfState {
  readonly voters: readonly NodeId[];
  /** The old half of a joint configuration; empty outside one. */
  readonly votersOutgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the old half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly NodeId[];
  readonly autoLeave: boolean;
}

/** The state machine at an index. `index` 0 means no snapshot. */
export interface Snapshot {
  readonly index: Index;
  readonly term: Term;
  readonly confState: ConfState;
  readonly data: Uint8Array;
}

/** The messages of etcd's raft, under its names. Local ones never leave a node. */
export type MessageType =
  | 'MsgHup'
  | 'MsgBeat'
  | 'MsgProp'
  | 'MsgApp'
  | 'MsgAppResp'
  | 'MsgVote'
  | 'MsgVoteResp'
  | 'MsgSnap'
  | 'MsgHeartbeat'
  | 'MsgHeartbeatResp'
  | 'MsgUnreachable'
  | 'MsgSnapStatus'
  | 'MsgCheckQuorum'
  | 'MsgTransferLeader'
  | 'MsgTimeoutNow'
  | 'MsgReadIndex'
  | 'MsgReadIndexResp'
  | 'MsgPreVote'
  | 'MsgPreVoteResp'
  | 'MsgStorageAppend'
  | 'MsgStorageAppendResp'
  | 'MsgStorageApply'
  | 'MsgStorageApplyResp'
  | 'MsgForgetLeader';

/**
 * One shape for all types, so that the hot path stays monomorphic; `message` fills what a type does not use.
 * For MsgApp, `logTerm`/`index` name the entry before `entries`; for a rejection `index` is the rejected one.
 */
export interface Message {
  readonly type: MessageType;
  readonly to: NodeId;
  readonly from: NodeId;
  readonly term: Term;
  readonly logTerm: Term;
  readonly index: Index;
  readonly entries: readonly Entry[];
  readonly commit: Index;
  /** In storage messages the hard state's vote; else 0. */
  readonly vote: NodeId;
  readonly reject: boolean;
  readonly rejectHint: Index;
  readonly snapshot: Snapshot | undefined;
  /** What a heartbeat or a ReadIndex carries to and fro; empty where there is none. */
  readonly context: Uint8Array;
  /** For storage messages: what to deliver once the work is durable or applied. */
  readonly responses: readonly Message[];
}

const noEntries: readonly Entry[] = [];
const noBytes = new Uint8Array(0);
const noMessages: readonly Message[] = [];

/** What is said of a message; the rest is zero, empty or false. */
type Said = Partial<Message> & { readonly type: MessageType; readonly to: NodeId };

/** A message with everything unsaid at zero, empty or false. */
export function message(said: Said): Message {
  return messageFrom(0 as NodeId, said.term ?? (0 as Term), said);
}

/** The same, from `from` unless said otherwise, in `term`. */
export function messageFrom(from: NodeId, term: Term, said: Said): Message {
  return {
    type: said.type,
    to: said.to,
    from: said.from ?? from,
    term,
    logTerm: said.logTerm ?? (0 as Term),
    index: said.index ?? (0 as Index),
    entries: said.entries ?? noEntries,
    commit: said.commit ?? (0 as Index),
    vote: said.vote ?? (0 as NodeId),
    reject: said.reject ?? false,
    rejectHint: said.rejectHint ?? (0 as Index),
    snapshot: said.snapshot,
    context: said.context ?? noBytes,
    responses: said.responses ?? noMessages,
  };
}
