/**
 * The durable log on LevelDB: one database a node for all groups, in the data directory's folder `log`.
 *
 * Every write is one batch with one sync; a suffix that is replaced by a shorter one is deleted key by key in the same
 * batch, because a range deletion would be a second write. Nothing is shown, answered or counted before its batch is
 * on disk, and nothing is ever retried: after a failed sync nobody knows what the disk holds.
 * LevelDB keeps its defaults, which measured best, and one value an entry.
 */

import { join } from 'node:path';

import { ClassicLevel } from 'classic-level';

import { assert } from '../base/assert.ts';
import { NodeError } from '../base/errors.ts';
import type { GroupId, Index, NodeId } from '../base/ids.ts';
import { index } from '../base/ids.ts';
import type { Entry } from '../raft/message.ts';
import type { Storage } from '../raft/ready.ts';
import { codeOf, createDirectory, lacksCurrent, reasonOf } from './directory.ts';
import { GroupLog } from './group-log.ts';
import { assertIdentityFollows, checkNodeId } from './identity.ts';
import { baseKey, entryKey, formatKey, hardStateKey, identityKey } from './keys.ts';
import type { GroupBase, GroupWrite, Identity, Log } from './log.ts';
import {
  decodeEntry,
  encodeBase,
  encodeEntry,
  encodeFormat,
  encodeHardState,
  encodeIdentity,
  formatVersion,
} from './record.ts';
import { damaged, Recovery, verified } from './recovery.ts';
import { stageWrites, type GroupStep } from './staging.ts';

/** Newest entries kept in memory for all groups together: a busy second's worth, in a process meant to stay small. */
const tailBytesMaxDefault = 32 * 1024 * 1024;
/** One group's part of it at most: enough for followers a moment behind; those further behind cost reads. */
const groupTailBytesMax = 8 * 1024 * 1024;
/** Records read at once while opening, whichever bound is met first. */
const recoveryRecordsMax = 256;
const recoveryBytesMax = 1024 * 1024;

/** What the log uses of LevelDB; keys and values are bytes. */
export type LevelDatabase = ClassicLevel<Uint8Array, Uint8Array>;

export interface LevelLogOptions {
  /** The node's data directory. The database is its folder `log`; the rest belongs to others. */
  readonly directory: string;
  /** Must be the one of the identity found there, if any. */
  readonly nodeId: NodeId;
  /** Bytes of newest entries in memory, all groups together; each gets an even part of at most 8 MB. */
  readonly tailBytesMax?: number;
  /** Makes the database of a folder, not yet open; tests put faults in here. */
  readonly createDatabase?: (location: string) => LevelDatabase;
}

type Operation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

/**
 * Opens or creates the log and verifies every record of it. Rejects with a `NodeError`: `damaged`, `locked`,
 * `config-invalid` (directory, node id, newer format) or `storage-failed`; the directory is then released.
 */
export async function openLevelLog(options: LevelLogOptions): Promise<Log> {
  const location = join(options.directory, 'log');
  await createDirectory(location);
  if (await lacksCurrent(location)) throw damaged(location, "LevelDB's file CURRENT is missing");
  const database = (options.createDatabase ?? createDatabase)(location);
  try {
    await database.open();
  } catch (cause) {
    throw openingError(location, cause);
  }
  try {
    const log = new LevelLog(database, options);
    await log.recover();
    return log;
  } catch (error) {
    await database.close();
    throw error;
  }
}

function createDatabase(location: string): LevelDatabase {
  return new ClassicLevel(location, { keyEncoding: 'view', valueEncoding: 'view' });
}

/** Invariant: at most one batch is under way; once one has failed, `#failure` is set and no other is begun. */
class LevelLog implements Log {
  readonly isDurable = true;
  readonly #database: LevelDatabase;
  readonly #nodeId: NodeId;
  readonly #tailBytesMax: number;
  readonly #groups = new Map<GroupId, GroupLog>();
  #identity: Identity | undefined;
  #underway: Promise<void> | undefined;
  #failure: NodeError | undefined;
  #isClosed = false;

  constructor(database: LevelDatabase, options: LevelLogOptions) {
    this.#database = database;
    this.#nodeId = options.nodeId;
    this.#tailBytesMax = options.tailBytesMax ?? tailBytesMaxDefault;
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Part of opening: reads and verifies everything, once, with bounded memory. */
  async recover(): Promise<void> {
    const directory = this.#database.location;
    const addGroup = this.#addGroup.bind(this);
    const recovery = new Recovery({ directory, groups: this.#groups, addGroup });
    const records = this.#database.iterator({ highWaterMarkBytes: recoveryBytesMax });
    try {
      for (;;) {
        const some = await records.nextv(recoveryRecordsMax);
        if (some.length === 0) break;
        for (const [key, value] of some) recovery.take(key, value);
      }
    } catch (error) {
      throw error instanceof NodeError ? error : readingError(directory, error);
    } finally {
      await records.close();
    }
    recovery.finish();
    checkNodeId(recovery.identity, this.#nodeId, `the log in ${directory}`);
    this.#identity = recovery.identity;
    const key = formatKey();
    if (recovery.hasFormat) return;
    await this.#persist([{ type: 'put', key, value: encodeFormat(key, formatVersion) }]);
  }

  async saveIdentity(identity: Identity): Promise<void> {
    this.#assertWritable();
    assert(identity.nodeId === this.#nodeId, 'the identity is of the configured node');
    assertIdentityFollows(this.#identity, identity);
    const key = identityKey();
    await this.#persist([{ type: 'put', key, value: encodeIdentity(key, identity) }]);
    this.#identity = identity;
  }

  groups(): readonly GroupId[] {
    return [...this.#groups.keys()].toSorted((left, right) => left - right);
  }

  storage(group: GroupId): Storage {
    const found = this.#groups.get(group);
    assert(found !== undefined, 'a group whose log is asked for exists');
    return found;
  }

  async write(writes: readonly GroupWrite[]): Promise<void> {
    this.#assertWritable();
    const steps = stageWrites(this.#groups, writes);
    if (steps.length === 0) return;
    await this.#persist(steps.flatMap(operationsOf));
    for (const step of steps) this.#apply(step);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    // How the write under way ends is told to its caller.
    await Promise.allSettled([this.#underway]);
    await this.#database.close();
  }

  #assertWritable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw closing();
    assert(this.#underway === undefined, 'writes of the log do not overlap');
  }

  async #persist(operations: readonly Operation[]): Promise<void> {
    try {
      this.#underway = this.#database.batch([...operations], { sync: true });
      await this.#underway;
    } catch (cause) {
      this.#failure = new NodeError(
        'storage-failed',
        `a write to the log in ${this.#database.location} failed (${reasonOf(cause)}): nothing more is acknowledged; ` +
          'check the disk and start the node again',
        cause,
      );
      throw this.#failure;
    } finally {
      this.#underway = undefined;
    }
  }

  #apply(step: GroupStep): void {
    if (step.base !== undefined) this.#addGroup(step.group, step.base);
    const group = this.#groups.get(step.group);
    assert(group !== undefined, 'a step is for a group that exists');
    group.replaceSuffix(step.entries);
    if (step.hardState !== undefined) group.setHardState(step.hardState);
  }

  /** Adds an empty group; its part of the tail is taken from the others. */
  #addGroup(group: GroupId, base: GroupBase): void {
    const share = Math.floor(this.#tailBytesMax / (this.#groups.size + 1));
    const tailBytesMax = Math.min(groupTailBytesMax, share);
    for (const other of this.#groups.values()) other.setTailBytesMax(tailBytesMax);
    const readBack = (at: Index): Entry => this.#readBack(group, at);
    this.#groups.set(group, new GroupLog({ base, tailBytesMax, readBack }));
  }

  #readBack(group: GroupId, at: Index): Entry {
    if (this.#isClosed) throw closing();
    const key = entryKey(group, at);
    const directory = this.#database.location;
    let value: Uint8Array | undefined;
    try {
      value = this.#database.getSync(key);
    } catch (cause) {
      throw readingError(directory, cause);
    }
    const what = `entry ${String(at)} of group ${String(group)} is missing`;
    if (value === undefined) throw damaged(directory, what);
    const found = value;
    return verified({ directory, key }, () => decodeEntry(key, found, at));
  }
}

/** Deletions come first only for the reader; within a batch no key occurs twice. */
function operationsOf(step: GroupStep): Operation[] {
  const operations: Operation[] = [];
  for (let at = step.deleted.from; at < step.deleted.to; at = index(at + 1)) {
    operations.push({ type: 'del', key: entryKey(step.group, at) });
  }
  if (step.base !== undefined) {
    const key = baseKey(step.group);
    operations.push({ type: 'put', key, value: encodeBase(key, step.base) });
  }
  for (const entry of step.entries) {
    const key = entryKey(step.group, entry.index);
    operations.push({ type: 'put', key, value: encodeEntry(key, entry) });
  }
  if (step.hardState !== undefined) {
    const key = hardStateKey(step.group);
    operations.push({ type: 'put', key, value: encodeHardState(key, step.hardState) });
  }
  return operations;
}

function closing(): NodeError {
  return new NodeError('closing', 'the log is closed: this node stops');
}

/** What LevelDB said when it was opened, in our words. Its text is the only place where the system's error stands. */
function openingError(location: string, error: unknown): NodeError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const reason = reasonOf(cause);
  if (codeOf(cause) === 'LEVEL_LOCKED') {
    return new NodeError(
      'locked',
      `the log in ${location} is used by another process: stop that one, or name another data directory`,
      cause,
    );
  }
  if (/permission denied|read-only file system|operation not permitted/iu.test(reason)) {
    return new NodeError(
      'config-invalid',
      `the data directory of ${location} cannot be written (${reason}): make it writable or name another`,
      cause,
    );
  }
  // LevelDB says so of files that its own bookkeeping names.
  if (/no such file|is a directory/iu.test(reason)) return damaged(location, reason, cause);
  return readingError(location, cause);
}

/** Damage that LevelDB found itself, or a disk that cannot be read. */
function readingError(location: string, cause: unknown): NodeError {
  const reason = reasonOf(cause);
  if (codeOf(cause) === 'LEVEL_CORRUPTION' || /corruption/iu.test(reason)) {
    return damaged(location, reason, cause);
  }
  return new NodeError(
    'storage-failed',
    `the log in ${location} cannot be read (${reason}): check the disk and the limit of open files`,
    cause,
  );
}
