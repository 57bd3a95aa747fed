/**
 * One shard's part of a command that concerns several.
 */

import type { ShardId } from '../base/ids.ts';
import type { Submission, SubmitFailure } from '../cluster/cluster.ts';
import type { Connection } from './connection.ts';
import type { FrontState } from './front-state.ts';
import type { Path } from './shard-order.ts';

/** Who gets the parts' replies: once for each part. */
export interface PartOwner {
  partSettled(position: number, reply: string): void;
  partFailed(failure: SubmitFailure): void;
}

export interface PartOptions {
  readonly owner: PartOwner;
  /** Which part it is to its owner. */
  readonly position: number;
  readonly shard: ShardId;
  readonly bytes: Uint8Array;
  /** Given by the connection's shard order. */
  readonly path: Path;
  readonly connection: Connection;
  readonly state: FrontState;
}

/** Submits a part, which counts in the connection's order on its shard. */
export function submitPart(options: PartOptions): void {
  options.connection.shardOrder.begin(options.shard, options.path);
  options.state.cluster.submit(options.shard, new PartSubmission(options));
}

class PartSubmission implements Submission {
  readonly path: Path;
  /** No command that concerns several shards is resolved. */
  readonly isAlone = false;
  readonly database: number;
  readonly bytes: Uint8Array;
  readonly #options: PartOptions;

  constructor(options: PartOptions) {
    this.path = options.path;
    this.database = options.connection.client.database;
    this.bytes = options.bytes;
    this.#options = options;
  }

  settle(reply: string): void {
    const { owner, position, connection, shard, path } = this.#options;
    owner.partSettled(position, reply);
    connection.shardAnswered(shard, path);
  }

  fail(failure: SubmitFailure): void {
    const { owner, connection, shard, path } = this.#options;
    owner.partFailed(failure);
    connection.shardAnswered(shard, path);
  }
}
