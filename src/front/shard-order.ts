/**
 * Makes the commands of one connection take effect in order on each shard, although reads do not go through the log.
 *
 * A read is quick beside the log as long as the connection has nothing in the log that is unanswered: nothing it must see is
 * outstanding. Else it follows through the log, behind those commands. A write waits while quick reads are unanswered, lest
 * they see it.
 *
 * It remembers of each shard the newest state that an answer has shown.
 *
 * Invariant: at any time a shard has unanswered quick reads of this connection, or logged commands, never both.
 */

import { assert } from '../base/assert.ts';
import type { ShardId } from '../base/ids.ts';

/** `read` and `local` are the quick ones: at the leader, or at this node's own replica where it can. */
export type Path = 'read' | 'local' | 'log';

export class ShardOrder {
  readonly #reads: number[] = [];
  readonly #local: number[] = [];
  readonly #logged: number[] = [];
  readonly #seen: number[] = [];

  /** Whether a command may go out now as it has to; false: it waits until the reads before it are answered. */
  mayBegin(shard: ShardId, isWrite: boolean): boolean {
    return !isWrite || !this.#hasQuick(shard);
  }

  /** Whether a read has to follow through the log. */
  followsLog(shard: ShardId): boolean {
    return (this.#logged[shard] ?? 0) > 0;
  }

  /** Whether a quick read is at the leader. */
  asksLeader(shard: ShardId): boolean {
    return (this.#reads[shard] ?? 0) > 0;
  }

  /** The index of the newest entry that an answer may have shown. */
  seen(shard: ShardId): number {
    return this.#seen[shard] ?? 0;
  }

  /** A command goes out. */
  begin(shard: ShardId, path: Path): void {
    const isOther = path === 'log' ? this.#hasQuick(shard) : this.followsLog(shard);
    assert(!isOther, 'quick reads and logged commands do not overlap');
    const counts = this.#countsOf(path);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }

  /**
   * It is answered, from no later than the entry at `index`. True: the shard has no quick read left, so a write that waits may try
   * again.
   */
  end(shard: ShardId, path: Path, index: number): boolean {
    const counts = this.#countsOf(path);
    const left = (counts[shard] ?? 0) - 1;
    assert(left >= 0, 'a command that is answered had begun');
    counts[shard] = left;
    if (index > (this.#seen[shard] ?? 0)) this.#seen[shard] = index;
    return path !== 'log' && left === 0 && !this.#hasQuick(shard);
  }

  #hasQuick(shard: ShardId): boolean {
    return (this.#reads[shard] ?? 0) > 0 || (this.#local[shard] ?? 0) > 0;
  }

  #countsOf(path: Path): number[] {
    switch (path) {
      case 'read':
        return this.#reads;
      case 'local':
        return this.#local;
      case 'log':
        return this.#logged;
    }
  }
}
