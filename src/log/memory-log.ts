/**
 * The log without a disk: for tests, simulations and caches that may be lost.
 *
 * It keeps the port's contract but for durability: a write shows only after its promise resolves, overlapping writes
 * are assertion failures, and an assertion that would protect a disk protects this too. What survives a simulated
 * crash is in a `MemoryDisk`, which holds only what was written to its end.
 */

import { assert } from '../base/assert.ts';
import { NodeError } from '../base/errors.ts';
import type { GroupId, NodeId } from '../base/ids.ts';
import type { Storage } from '../raft/ready.ts';
import { GroupLog } from './group-log.ts';
import { assertIdentityFollows, checkNodeId } from './identity.ts';
import type { GroupWrite, Identity, Log } from './log.ts';
import { stageWrites } from './staging.ts';

/** What outlives a `MemoryLog`. One log at a time uses it: until it is closed or `crash` is called. */
export class MemoryDisk {
  readonly groups: Map<GroupId, GroupLog> = new Map<GroupId, GroupLog>();
  identity: Identity | undefined;
  #user: object | undefined;

  /** Ends the use of the disk as a power cut would: what is under way is lost, and fails where it still goes on. */
  crash(): void {
    this.#user = undefined;
  }

  /** Takes the disk for `user`. Throws `locked` where another has it. */
  attach(user: object): void {
    if (this.#user !== undefined) {
      throw new NodeError('locked', 'the memory disk is used by another log: close that one first');
    }
    this.#user = user;
  }

  detach(user: object): void {
    if (this.#user === user) this.#user = undefined;
  }

  isUsedBy(user: object): boolean {
    return this.#user === user;
  }
}

export interface MemoryLogOptions {
  readonly nodeId: NodeId;
  /** Where to start from and what to leave behind; an empty one if absent. */
  readonly disk?: MemoryDisk;
  /** How long a write takes; a rejection fails it. One microtask if absent. */
  readonly settle?: () => Promise<void>;
}

/** Throws `locked` or, for a disk of another node, `config-invalid`. */
export function createMemoryLog(options: MemoryLogOptions): Log {
  const disk = options.disk ?? new MemoryDisk();
  checkNodeId(disk.identity, options.nodeId, 'the memory disk');
  const log = new MemoryLog(disk, options);
  disk.attach(log);
  return log;
}

class MemoryLog implements Log {
  readonly isDurable = false;
  readonly #disk: MemoryDisk;
  readonly #nodeId: NodeId;
  readonly #settle: () => Promise<void>;
  #underway: Promise<void> | undefined;
  #failure: NodeError | undefined;
  #isClosed = false;

  constructor(disk: MemoryDisk, options: MemoryLogOptions) {
    this.#disk = disk;
    this.#nodeId = options.nodeId;
    this.#settle = options.settle ?? ((): Promise<void> => Promise.resolve());
  }

  get identity(): Identity | undefined {
    return this.#disk.identity;
  }

  async saveIdentity(identity: Identity): Promise<void> {
    this.#assertWritable();
    assert(identity.nodeId === this.#nodeId, 'the identity is of the configured node');
    assertIdentityFollows(this.#disk.identity, identity);
    await this.#persist();
    this.#disk.identity = identity;
  }

  groups(): readonly GroupId[] {
    return [...this.#disk.groups.keys()].toSorted((left, right) => left - right);
  }

  storage(group: GroupId): Storage {
    const found = this.#disk.groups.get(group);
    assert(found !== undefined, 'a group whose log is asked for exists');
    return found;
  }

  async write(writes: readonly GroupWrite[]): Promise<void> {
    this.#assertWritable();
    const steps = stageWrites(this.#disk.groups, writes);
    if (steps.length === 0) return;
    await this.#persist();
    for (const step of steps) {
      const group = this.#disk.groups.get(step.group) ?? createGroup(step.base);
      this.#disk.groups.set(step.group, group);
      group.replaceSuffix(step.entries);
      if (step.hardState !== undefined) group.setHardState(step.hardState);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    // How the write under way ends is told to its caller.
    await Promise.allSettled([this.#underway]);
    this.#disk.detach(this);
  }

  #assertWritable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw new NodeError('closing', 'the log is closed: this node stops');
    assert(this.#underway === undefined, 'writes of the log do not overlap');
  }

  async #persist(): Promise<void> {
    try {
      this.#underway = this.#settle();
      await this.#underway;
      if (!this.#disk.isUsedBy(this)) throw new Error('the memory disk crashed');
    } catch (cause) {
      this.#failure = new NodeError('storage-failed', 'a write to the memory log failed', cause);
      throw this.#failure;
    } finally {
      this.#underway = undefined;
    }
  }
}

/** Everything stays in the tail, so nothing is ever read back. */
function createGroup(base: GroupWrite['base']): GroupLog {
  assert(base !== undefined, 'the first step of a group carries its base');
  const readBack = (): never => {
    throw new RangeError('a memory log has no older entries');
  };
  return new GroupLog({ base, tailBytesMax: Number.POSITIVE_INFINITY, readBack });
}
