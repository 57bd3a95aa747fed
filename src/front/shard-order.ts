/**
 * Makes the commands of one connection take effect in order on each shard, although reads do not go through the log.
 *
 * A read is quick beside the log as long as the connection has nothing in the log that is unanswered: nothing it must see is
 * outstanding. Else it follows through the log, behind those commands. A write waits while quick reads are unanswered, lest
 * they see it.
 *
 * Invariant: at any time a shard has unanswered quick reads of this connection, or logged commands, never both.
 */

import { assert } from '../base/assert.ts';
import type { ShardId } from '../base/ids.ts';

export type Path = 'read' | 'log';

export class ShardOrder {
  #reads: number[] = [];
  #logged: number[] = [];

  /** The path a command may take now; undefined: it has to wait until the reads before it are answered. */
  pathOf(shard: ShardId, isWrite: boolean): Path | undefined {
    if (!isWrite) return this.readPathOf(shard);
    return (this.#reads[shard] ?? 0) > 0 ? undefined : 'log';
  }

  /** The path of a read, which never has to wait. */
  readPathOf(shard: ShardId): Path {
    return (this.#logged[shard] ?? 0) > 0 ? 'log' : 'read';
  }

  /** A command goes out on the path that `pathOf` gave. */
  begin(shard: ShardId, path: Path): void {
    const other = path === 'read' ? this.#logged : this.#reads;
    assert((other[shard] ?? 0) === 0, 'quick reads and logged commands do not overlap');
    const counts = path === 'read' ? this.#reads : this.#logged;
    counts[shard] = (counts[shard] ?? 0) + 1;
  }

  /** It is answered. True: the shard has no quick read left, so a write that waits may try again. */
  end(shard: ShardId, path: Path): boolean {
    const counts = path === 'read' ? this.#reads : this.#logged;
    const left = (counts[shard] ?? 0) - 1;
    assert(left >= 0, 'a command that is answered had begun');
    counts[shard] = left;
    return path === 'read' && left === 0;
  }
}
