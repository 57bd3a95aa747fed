/**
 * Takes committed entries to the engine, in order, and hands out what came of them.
 *
 * Decides nothing but what every replica decides alike: which groups are applied (`sessions`) and at what time
 * (the entry's). An entry that cannot be decoded is an error of this replica, never skipped: `apply` throws,
 * and whoever runs the loop stops the node.
 */

import { assert } from '../base/assert.ts';
import { NodeError } from '../base/errors.ts';
import { noSession, type GroupId, type NodeId, type SessionId } from '../base/ids.ts';
import type { Engine, EngineCommand, Reply } from '../engine/engine.ts';
import { decodeConfChange } from '../raft/conf-codec.ts';
import type { ConfChange, ConfChangeV2 } from '../raft/membership.ts';
import type { Entry } from '../raft/message.ts';
import {
  decodeBatch,
  decodeCommands,
  type Batch,
  type CommandGroup,
  type Group,
  type OpenGroup,
} from './batch.ts';
import type { Sessions } from './sessions.ts';

/** What one group of an applied entry came to. */
export type Outcome =
  | {
      readonly kind: 'replies';
      readonly node: NodeId;
      readonly session: SessionId;
      readonly sequence: number;
      readonly replies: readonly Reply[];
    }
  | {
      readonly kind: 'opened';
      readonly asked: OpenGroup;
      readonly session: SessionId;
    }
  /** A group without a session. */
  | { readonly kind: 'read'; readonly replies: readonly Reply[] };

export interface AppliedEntry {
  readonly index: number;
  readonly term: number;
  readonly timeMs: number;
  readonly outcomes: readonly Outcome[];
}

interface Admitted {
  readonly group: CommandGroup;
  readonly node: NodeId | undefined;
}

const noGroups: readonly Group[] = [];

export class Applier {
  readonly #group: GroupId;
  readonly #engine: Engine;
  readonly #sessions: Sessions;
  #timeMs = 0;
  #index = 0;

  constructor(options: {
    readonly group: GroupId;
    readonly engine: Engine;
    readonly sessions: Sessions;
  }) {
    this.#group = options.group;
    this.#engine = options.engine;
    this.#sessions = options.sessions;
  }

  /** The last entry's time that was handed to the engine. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** `done` is called once the engine has applied the entry, in order, perhaps before this returns. */
  apply(entry: Entry, done: (applied: AppliedEntry) => void): void {
    assert(entry.index === this.#index + 1, 'entries are applied one after the other');
    this.#index = entry.index;
    const batch = this.#decode(entry);
    this.#timeMs = Math.max(this.#timeMs, batch.timeMs);
    const outcomes: Outcome[] = [];
    const admitted: Admitted[] = [];
    const commands: EngineCommand[] = [];
    for (const group of batch.groups) {
      if (group.kind === 'open') {
        const session = this.#sessions.open(group, this.#timeMs);
        if (session !== noSession) outcomes.push({ kind: 'opened', asked: group, session });
      } else this.#admit(group, admitted, commands);
    }
    this.#sessions.expire(this.#timeMs);
    const { index, term } = entry;
    const timeMs = this.#timeMs;
    this.#engine.apply({ index, term, timeMs, commands }, (replies) => {
      this.#distribute(admitted, replies, outcomes);
      done({ index, term, timeMs, outcomes });
    });
  }

  #decode(entry: Entry): Batch {
    if (entry.type !== 'normal' || entry.data.length === 0) {
      return { timeMs: this.#timeMs, groups: noGroups };
    }
    const batch = decodeBatch(entry.data);
    if (batch !== undefined) return batch;
    throw new NodeError(
      'damaged',
      `entry ${entry.index} of group ${this.#group} was committed but is not a batch that this version knows; ` +
        'run the version that wrote it, or replace this member',
    );
  }

  /**
   * A group whose session has ended is not applied and gets no outcome: its origin learns of it when it sends again.
   */
  #admit(group: CommandGroup, admitted: Admitted[], commands: EngineCommand[]): void {
    const { session } = group;
    const node = session === 0 ? undefined : this.#sessions.nodeOf(session);
    const admission = session === 0 ? 'next' : this.#sessions.admit(group, this.#timeMs);
    if (admission !== 'next') return;
    const decoded = decodeCommands(group.body, group.count);
    if (decoded === undefined) {
      throw new NodeError(
        'damaged',
        `a group of session ${session} in entry ${this.#index} of group ${this.#group} does not decode; ` +
          'replace this member',
      );
    }
    admitted.push({ group, node });
    for (const command of decoded) commands.push(command);
  }

  #distribute(admitted: readonly Admitted[], replies: readonly Reply[], outcomes: Outcome[]): void {
    let at = 0;
    for (const { group, node } of admitted) {
      const isAll = admitted.length === 1;
      const own = isAll ? replies : replies.slice(at, at + group.count);
      at += group.count;
      if (node === undefined) {
        outcomes.push({ kind: 'read', replies: own });
        continue;
      }
      const { session, sequence } = group;
      this.#sessions.record(session, sequence, own);
      outcomes.push({ kind: 'replies', node, session, sequence, replies: own });
    }
    assert(at === replies.length, 'the engine answers every command once');
  }
}

/** The change of members that a committed entry is. */
export function committedChange(entry: Entry, group: GroupId): ConfChange | ConfChangeV2 {
  const change = decodeConfChange(entry);
  if (change !== undefined) return change;
  throw new NodeError(
    'damaged',
    `entry ${entry.index} of group ${group} changes members in a way that this version does not know; ` +
      'run the version that wrote it',
  );
}
