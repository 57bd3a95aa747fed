/**
 * The append thread: makes durable what the cores ask for, one write at a time for all groups, and only then lets
 * their votes and acknowledgements leave.
 *
 * While a write is under way, what comes meanwhile gathers and becomes the next. Work that changes nothing but the
 * commit index is not worth an fsync: it rides with the next write (a commit index may be forgotten, Raft finds it again),
 * and its responses leave as soon as everything before them in its group is durable.
 */

import { assert } from '../base/assert.ts';
import type { GroupId, NodeId, Term } from '../base/ids.ts';
import type { GroupWrite, Log } from '../log/log.ts';
import type { HardState, Message } from '../raft/message.ts';
import type { Replica } from './replica.ts';

/** A MsgStorageAppend or MsgStorageApply, and whose it is. */
export interface Work {
  readonly replica: Replica;
  readonly message: Message;
}

/** What a group has told us of its hard state. */
interface GroupState {
  term: Term;
  vote: NodeId;
  /** What the log does not have yet, perhaps only a newer commit index. */
  hardState: HardState | undefined;
  /** Whether the log, or a write before this one, has term and vote. */
  isWritten: boolean;
}

export class Persister {
  readonly #log: Log;
  readonly #deliver: (replica: Replica, response: Message) => void;
  readonly #onDurable: () => void;
  readonly #onFailed: (error: unknown) => void;
  readonly #states = new Map<GroupId, GroupState>();
  #queue: Work[] = [];
  #isWriting = false;
  #idle: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly log: Log;
    /** Steps a response into this node's replica, or sends it. */
    readonly deliver: (replica: Replica, response: Message) => void;
    /** A write is done and its responses are delivered. */
    readonly onDurable: () => void;
    /** The log failed for good: nothing more leaves, the node must stop. */
    readonly onFailed: (error: unknown) => void;
  }) {
    this.#log = options.log;
    this.#deliver = options.deliver;
    this.#onDurable = options.onDurable;
    this.#onFailed = options.onFailed;
  }

  /** Resolves, never rejects, once the write under way has ended. */
  get idle(): Promise<void> {
    return this.#idle;
  }

  add(work: Work): void {
    this.#queue.push(work);
  }

  /** Starts the next write, unless one is under way. Called once a turn. */
  flush(): void {
    if (this.#isWriting || this.#queue.length === 0) return;
    const works = this.#queue;
    this.#queue = [];
    const writes = this.#writesOf(works);
    if (writes.length === 0) {
      this.#respond(works);
      return;
    }
    this.#isWriting = true;
    this.#idle = this.#log
      .write(writes)
      .then(() => {
        this.#isWriting = false;
        this.#respond(works);
        this.#onDurable();
      })
      .catch((error: unknown) => this.#onFailed(error));
  }

  #respond(works: readonly Work[]): void {
    for (const { replica, message } of works) {
      for (const response of message.responses) this.#deliver(replica, response);
    }
  }

  #writesOf(works: readonly Work[]): GroupWrite[] {
    const writes: GroupWrite[] = [];
    for (const { replica, message } of works) {
      assert(message.snapshot === undefined, 'no snapshot is sent before checkpoints exist');
      const { group } = replica;
      const { entries } = message;
      const state = this.#noteHardState(group, message);
      if (entries.length === 0 && state.isWritten) continue;
      const { hardState } = state;
      writes.push(hardState === undefined ? { group, entries } : { group, entries, hardState });
      state.isWritten = true;
      state.hardState = undefined;
    }
    return writes;
  }

  /** A term of 0 means that the message carries no hard state. */
  #noteHardState(group: GroupId, message: Message): GroupState {
    const state = this.#stateOf(group);
    if (message.term === 0) return state;
    const { term, vote, commit } = message;
    if (state.term !== term || state.vote !== vote) state.isWritten = false;
    state.term = term;
    state.vote = vote;
    state.hardState = { term, vote, commit };
    return state;
  }

  #stateOf(group: GroupId): GroupState {
    let state = this.#states.get(group);
    if (state === undefined) {
      const { term, vote } = this.#log.storage(group).initialState().hardState;
      state = { term, vote, hardState: undefined, isWritten: true };
      this.#states.set(group, state);
    }
    return state;
  }
}
