/**
 * What the core hands to its surroundings, and what it reads from them: the RawNode/Ready contract.
 *
 * In production the core runs with asynchronous storage writes. `Ready.messages` may be sent at once,
 * except those to `appendThread` and `applyThread`: a MsgStorageAppend asks that its hard state and
 * entries be made durable, and only then may its `responses` be delivered (those to this node itself
 * are stepped, the others sent); a MsgStorageApply asks that its entries be applied, in order, and then
 * its `responses` be stepped. Work of one kind is done in the order in which it was handed out.
 *
 * A snapshot in a Ready replaces log and state machine, before the entries that come with it are appended. It voids what was
 * handed out to be applied before: that is dropped, unanswered, for the snapshot holds it.
 */

import { nodeId, type Index, type NodeId, type Term } from '../base/ids.ts';
import type { ConfState, Entry, HardState, Message, Snapshot } from './message.ts';

/** Addressee of MsgStorageAppend; no node has this id. */
export const appendThread: NodeId = nodeId(2 ** 53 - 1);
/** Addressee of MsgStorageApply; no node has this id. */
export const applyThread: NodeId = nodeId(2 ** 53 - 2);

export type StateType = 'StateFollower' | 'StateCandidate' | 'StatePreCandidate' | 'StateLeader';

/** What is worth knowing about a node and need not be stored. */
export interface SoftState {
  readonly lead: NodeId;
  readonly state: StateType;
}

/** A ReadIndex that was confirmed: reads may be served once `index` is applied (dissertation, 6.4). */
export interface ReadState {
  readonly index: Index;
  readonly context: Uint8Array;
}

/** Everything that has become ready since the last one. Undefined or empty: nothing of that kind. */
export interface Ready {
  readonly softState: SoftState | undefined;
  readonly hardState: HardState | undefined;
  readonly readStates: readonly ReadState[];
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  readonly mustSync: boolean;
}

/** `compacted`: older than the log's start. `unavailable`: newer than its end. */
export type Missing = 'compacted' | 'unavailable';

/**
 * The durable part of one group's log, as the core reads it. All calls are synchronous and see only
 * what is durable. `firstIndex` is one past the snapshot's or base's index.
 */
export interface Storage {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  firstIndex(): Index;
  /** The last durable entry's index, or `firstIndex() - 1` where there is none. */
  lastIndex(): Index;
  /** Defined from `firstIndex() - 1` to `lastIndex()`. */
  term(index: Index): Term | Missing;
  /** Entries in [low, high), as many as fit in `bytesMax` bytes of data, but at least one. */
  entries(low: Index, high: Index, bytesMax: number): readonly Entry[] | Missing;
  /** Whether any entry in [low, high), all of them durable, is not `normal`. Must not take longer for a longer range. */
  hasConfChange(low: Index, high: Index): boolean;
  snapshot(): Snapshot | 'temporarily-unavailable';
}
