/**
 * One pass along the log: takes committed entries, in order, into the sessions, says what of each the engine has to apply, and
 * hands out what came of it.
 *
 * Decides nothing but what every replica decides alike: which groups are applied (`sessions`) and at what time
 * (the entry's). An entry that cannot be decoded is an error of this replica, never skipped: `take` throws,
 * and whoever runs the loop stops the node.
 */

import { assert } from '../base/assert.ts';
import { NodeError } from '../base/errors.ts';
import { noSession, type GroupId, type NodeId, type SessionId } from '../base/ids.ts';
import type { EngineCommand, EngineEntry, Reply } from '../engine/engine.ts';
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
import { Sessions } from './sessions.ts';

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
  /** It is applied, and its replies are lost here; another replica may have them. */
  | {
      readonly kind: 'lost';
      readonly node: NodeId;
      readonly session: SessionId;
      readonly sequence: number;
    }
  /** A group without a session; without its replies it can be asked again. */
  | { readonly kind: 'read'; readonly replies: readonly Reply[] | undefined };

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

/** An entry that the sessions have taken in. Exactly one of `answered` and `lost` is called, once the entry is part of the data. */
export class TakenEntry {
  readonly entry: EngineEntry;
  readonly #sessions: Sessions;
  readonly #admitted: readonly Admitted[];
  readonly #outcomes: Outcome[];

  constructor(options: {
    readonly entry: EngineEntry;
    readonly sessions: Sessions;
    readonly admitted: readonly Admitted[];
    readonly opened: Outcome[];
  }) {
    this.entry = options.entry;
    this.#sessions = options.sessions;
    this.#admitted = options.admitted;
    this.#outcomes = options.opened;
  }

  /** The engine has applied it, with one reply a command. */
  answered(replies: readonly Reply[]): AppliedEntry {
    let at = 0;
    for (const { group, node } of this.#admitted) {
      const isAll = this.#admitted.length === 1;
      const own = isAll ? replies : replies.slice(at, at + group.count);
      at += group.count;
      if (node === undefined) {
        this.#outcomes.push({ kind: 'read', replies: own });
        continue;
      }
      const { session, sequence } = group;
      this.#sessions.record(session, sequence, own);
      this.#outcomes.push({ kind: 'replies', node, session, sequence, replies: own });
    }
    assert(at === replies.length, 'the engine answers every command once');
    return this.#applied();
  }

  /** It is part of the data, and its replies did not come. Those that `former` sessions have recorded are taken over. */
  lost(former?: Sessions): AppliedEntry {
    for (const { group, node } of this.#admitted) {
      const { session, sequence } = group;
      const replies = former?.recorded(session, sequence);
      if (node === undefined) {
        this.#outcomes.push({ kind: 'read', replies: undefined });
      } else if (replies !== undefined) {
        this.#sessions.record(session, sequence, replies);
      } else {
        this.#sessions.lose(session, sequence);
        this.#outcomes.push({ kind: 'lost', node, session, sequence });
      }
    }
    return this.#applied();
  }

  #applied(): AppliedEntry {
    const { index, term, timeMs } = this.entry;
    return { index, term, timeMs, outcomes: this.#outcomes };
  }
}

export class Applier {
  /** As of the last entry taken; replies come later. */
  readonly sessions: Sessions = new Sessions();
  readonly #group: GroupId;
  #timeMs = 0;
  #index = 0;

  constructor(group: GroupId) {
    this.#group = group;
  }

  /** The time of the last entry taken. */
  get timeMs(): number {
    return this.#timeMs;
  }

  take(entry: Entry): TakenEntry {
    assert(entry.index === this.#index + 1, 'entries are applied one after the other');
    this.#index = entry.index;
    const batch = this.#decode(entry);
    this.#timeMs = Math.max(this.#timeMs, batch.timeMs);
    const opened: Outcome[] = [];
    const admitted: Admitted[] = [];
    const commands: EngineCommand[] = [];
    for (const group of batch.groups) {
      if (group.kind === 'open') {
        const session = this.sessions.open(group, this.#timeMs);
        if (session !== noSession) opened.push({ kind: 'opened', asked: group, session });
      } else this.#admit(group, admitted, commands);
    }
    this.sessions.expire(this.#timeMs);
    const { index, term } = entry;
    return new TakenEntry({
      entry: { index, term, timeMs: this.#timeMs, commands },
      sessions: this.sessions,
      admitted,
      opened,
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
    const node = session === 0 ? undefined : this.sessions.nodeOf(session);
    const admission = session === 0 ? 'next' : this.sessions.admit(group, this.#timeMs);
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
