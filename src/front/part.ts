/**
 * One shard's part of a command that concerns several.
 */

import type { ShardId } from '../base/ids.ts';
import type { Submission, SubmitFailure } from '../cluster/cluster.ts';
import type { Access } from './access.ts';
import type { Connection } from './connection.ts';
import type { FrontState } from './front-state.ts';

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
  readonly access: Access;
  readonly connection: Connection;
  readonly state: FrontState;
}

/** Submits a part, which counts in the connection's order on its shard. */
export function submitPart(options: PartOptions): void {
  options.connection.shardOrder.begin(options.shard, options.access.path);
  options.state.cluster.submit(options.shard, new PartSubmission(options));
}

class PartSubmission implements Submission {
  readonly path: Access['path'];
  readonly floor: number | undefined;
  readonly boundMs: number;
  /** No command that concerns several shards is resolved. */
  readonly isAlone = false;
  readonly database: number;
  readonly bytes: Uint8Array;
  readonly #options: PartOptions;

  constructor(options: PartOptions) {
    this.path = options.access.path;
    this.floor = options.access.floor;
    this.boundMs = options.access.boundMs;
    this.database = options.connection.client.database;
    this.bytes = options.bytes;
    this.#options = options;
  }

  settle(reply: string, index: number): void {
    const { owner, position, connection, shard } = this.#options;
    owner.partSettled(position, reply);
    connection.shardAnswered(shard, this.path, index);
  }

  fail(failure: SubmitFailure): void {
    const { owner, connection, shard } = this.#options;
    owner.partFailed(failure);
    connection.shardAnswered(shard, this.path, 0);
  }
}
