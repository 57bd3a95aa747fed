/**
 * Reads a log's records in key order, once, and rebuilds the groups, or says which record is damaged.
 *
 * It verifies the envelope of every record, that each group's entries run from its base to their last without a gap and
 * with terms that do not descend, and that what the hard state says is committed is there. It repairs nothing and skips
 * nothing. Memory is bounded by the groups' tails: a record is looked at and let go.
 */

import { NodeError } from '../base/errors.ts';
import type { GroupId, Index } from '../base/ids.ts';
import type { Entry } from '../raft/message.ts';
import type { GroupLog } from './group-log.ts';
import { decodeKey, describeKey } from './keys.ts';
import type { GroupBase, Identity } from './log.ts';
import {
  decodeBase,
  decodeEntry,
  decodeFormat,
  decodeHardState,
  decodeIdentity,
  formatVersion,
  RecordError,
} from './record.ts';

export interface RecoveryOptions {
  /** For messages. */
  readonly directory: string;
  /** The groups found so far, which `addGroup` adds to. */
  readonly groups: ReadonlyMap<GroupId, GroupLog>;
  readonly addGroup: (group: GroupId, base: GroupBase) => void;
}

/** Feed it every record with `take`, in key order, then call `finish`. All throw a `NodeError`. */
export class Recovery {
  readonly #directory: string;
  readonly #groups: ReadonlyMap<GroupId, GroupLog>;
  readonly #addGroup: (group: GroupId, base: GroupBase) => void;
  #identity: Identity | undefined;
  #hasFormat = false;

  constructor(options: RecoveryOptions) {
    this.#directory = options.directory;
    this.#groups = options.groups;
    this.#addGroup = options.addGroup;
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** False where the directory holds no record at all, so that it is to be marked with the format. */
  get hasFormat(): boolean {
    return this.#hasFormat;
  }

  take(key: Uint8Array, value: Uint8Array): void {
    const directory = this.#directory;
    verified({ directory, key }, () => {
      this.#take(key, value);
    });
  }

  /** What can be judged only once everything has been read. */
  finish(): void {
    for (const [group, log] of this.#groups) {
      const { term, commit } = log.hardState;
      const last = log.lastIndex();
      if (commit > last) {
        const facts = `committed ${String(commit)}, last ${String(last)}`;
        throw damaged(this.#directory, `group ${String(group)} lacks committed entries: ${facts}`);
      }
      const lastTerm = log.term(last);
      if (last > log.base.index && typeof lastTerm === 'number' && lastTerm > term) {
        const facts = `term ${String(term)}, last entry of term ${String(lastTerm)}`;
        throw damaged(this.#directory, `the hard state of group ${String(group)} is old: ${facts}`);
      }
    }
  }

  #take(keyBytes: Uint8Array, value: Uint8Array): void {
    const key = decodeKey(keyBytes);
    if (key === undefined) throw new RecordError('is not one of this program');
    if (key.kind === 'format') {
      this.#takeFormat(decodeFormat(keyBytes, value));
      return;
    }
    if (!this.#hasFormat) throw new RecordError('stands in a log without a format record');
    switch (key.kind) {
      case 'identity':
        this.#identity = decodeIdentity(keyBytes, value);
        break;
      case 'base':
        this.#addGroup(key.group, decodeBase(keyBytes, value));
        break;
      case 'hard-state':
        this.#group(key.group).setHardState(decodeHardState(keyBytes, value));
        break;
      case 'entry':
        takeEntry(this.#group(key.group), decodeEntry(keyBytes, value, key.index));
        break;
    }
  }

  #takeFormat(version: number): void {
    const isNewer = version > formatVersion;
    if (isNewer) throw new RecordError(`has format version ${String(version)}`, true);
    if (version !== formatVersion) throw new RecordError('names no valid format version');
    this.#hasFormat = true;
  }

  #group(group: GroupId): GroupLog {
    const found = this.#groups.get(group);
    if (found === undefined) throw new RecordError('belongs to a group without a base record');
    return found;
  }
}

function takeEntry(group: GroupLog, entry: Entry): void {
  // Behind the base nothing exists; such a record is one that has not been cleaned away.
  if (entry.index <= group.base.index) return;
  const last: Index = group.lastIndex();
  if (entry.index !== last + 1) {
    throw new RecordError(`follows entry ${String(last)}: those in between are missing`);
  }
  const lastTerm = group.term(last);
  if (typeof lastTerm !== 'number' || entry.term < lastTerm) {
    throw new RecordError('has a term below that of the entry before it');
  }
  group.replaceSuffix([entry]);
}

/** Runs `read` on the record under `key`; what is wrong with the record becomes a `NodeError` that names it. */
export function verified<Result>(
  record: { readonly directory: string; readonly key: Uint8Array },
  read: () => Result,
): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    const what = `${describeKey(record.key)} ${error.message}`;
    if (!error.isNewer) throw damaged(record.directory, what, error);
    throw new NodeError(
      'config-invalid',
      `${record.directory} was written by a newer Outrigger (${what}, this one reads up to version ` +
        `${String(formatVersion)}): start the newer one, or give this node an empty data directory`,
      error,
    );
  }
}

/** What to do is the same for all damage: the log cannot be trusted, so the member cannot vote any more. */
export function damaged(directory: string, what: string, cause?: unknown): NodeError {
  return new NodeError(
    'damaged',
    `the log in ${directory} is damaged: ${what}; keep a copy of the directory and replace this member by a new ` +
      'one with an empty data directory',
    cause,
  );
}
