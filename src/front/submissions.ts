/**
 * The commands on their way to shards. A submission is at the same time its command's place in the order of replies.
 */

import type { ShardId } from '../base/ids.ts';
import type { Submission, SubmitFailure } from '../cluster/cluster.ts';
import type { CommandSpec } from '../command/table.ts';
import type { Access } from './access.ts';
import type { Connection } from './connection.ts';
import { failureReply } from './error-replies.ts';
import type { Slot } from './order-queue.ts';
import type { Shape } from './resp3.ts';
import type { FrontStatistics } from './statistics.ts';

/** A command that one shard answers: the usual case. */
export class CommandSubmission implements Submission, Slot {
  readonly path: Access['path'];
  readonly floor: number | undefined;
  readonly boundMs: number;
  readonly isAlone: boolean;
  readonly database: number;
  readonly bytes: Uint8Array;
  readonly isSilent: boolean;
  readonly resp3Shape: Shape | undefined;
  reply: string | undefined;
  next: Slot | undefined;
  readonly #shard: ShardId;
  readonly #connection: Connection;
  readonly #statistics: FrontStatistics;

  constructor(options: {
    readonly spec: CommandSpec;
    readonly access: Access;
    readonly bytes: Uint8Array;
    readonly shard: ShardId;
    readonly connection: Connection;
    readonly statistics: FrontStatistics;
  }) {
    this.path = options.access.path;
    this.floor = options.access.floor;
    this.boundMs = options.access.boundMs;
    this.isAlone = options.spec.effect === 'resolved';
    this.database = options.connection.client.database;
    this.bytes = options.bytes;
    const { client } = options.connection;
    this.isSilent = client.isSilent;
    this.resp3Shape = client.resp3ShapeOf(options.spec.name, options.connection.request);
    this.reply = undefined;
    this.next = undefined;
    this.#shard = options.shard;
    this.#connection = options.connection;
    this.#statistics = options.statistics;
  }

  settle(reply: string, index: number): void {
    this.#connection.settled(this, reply);
    this.#connection.shardAnswered(this.#shard, this.path, index);
  }

  fail(failure: SubmitFailure): void {
    countFailure(this.#statistics, failure);
    this.settle(failureReply(failure), 0);
  }
}

export function countFailure(statistics: FrontStatistics, failure: SubmitFailure): void {
  if (failure === 'in-doubt') statistics.failedInDoubt += 1;
  else statistics.failedDefinite += 1;
}
