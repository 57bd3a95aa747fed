/**
 * RANDOMKEY over several shards: a shard at random, and where it is empty the next ones.
 *
 * The shards are asked one after the other. Until the last answer no later write of the connection may overtake
 * it, so it counts as a read on every shard from the start.
 */

import { randomInteger } from '../base/random.ts';
import { shardId } from '../base/ids.ts';
import type { Submission, SubmitFailure } from '../cluster/cluster.ts';
import { nullReply } from '../resp/encoder.ts';
import { failureReply } from './error-replies.ts';
import type { FanOut } from './fan-out.ts';
import type { Slot } from './order-queue.ts';
import type { Path } from './shard-order.ts';
import { countFailure } from './submissions.ts';

/** Submits the connection's current RANDOMKEY. It never waits. */
export function submitRandom(command: FanOut): boolean {
  const { connection, state, spec } = command;
  state.statistics.commandsRead += 1;
  connection.client.lastCommand = spec.name;
  const walk = new RandomWalk(command);
  connection.expect(walk);
  walk.askNext();
  return true;
}

class RandomWalk implements Slot, Submission {
  reply: string | undefined = undefined;
  next: Slot | undefined = undefined;
  readonly isSilent: boolean;
  readonly database: number;
  readonly bytes: Uint8Array;
  /** Of the shard being asked. */
  path: Path = 'read';
  readonly #command: FanOut;
  /** By shard; as the connection's order gave them when the command was taken. */
  readonly #paths: readonly Path[];
  readonly #first: number;
  #asked = 0;

  constructor(command: FanOut) {
    const { connection, state } = command;
    const { shards } = state.cluster;
    this.#command = command;
    this.isSilent = connection.client.isSilent;
    this.database = connection.client.database;
    this.bytes = connection.request.commandBytes();
    this.#first = randomInteger(state.random, 0, shards - 1);
    this.#paths = Array.from({ length: shards }, (_, shard) => {
      const path = connection.shardOrder.readPathOf(shardId(shard));
      connection.shardOrder.begin(shardId(shard), path);
      return path;
    });
  }

  askNext(): void {
    const shard = (this.#first + this.#asked) % this.#paths.length;
    this.path = this.#paths[shard] ?? 'log';
    this.#asked += 1;
    this.#command.state.cluster.submit(shardId(shard), this);
  }

  settle(reply: string): void {
    if (reply === nullReply && this.#asked < this.#paths.length) this.askNext();
    else this.#end(reply);
  }

  fail(failure: SubmitFailure): void {
    countFailure(this.#command.state.statistics, failure);
    this.#end(failureReply(failure));
  }

  #end(reply: string): void {
    const { connection } = this.#command;
    connection.settled(this, reply);
    for (const [shard, path] of this.#paths.entries()) {
      connection.shardAnswered(shardId(shard), path);
    }
  }
}
