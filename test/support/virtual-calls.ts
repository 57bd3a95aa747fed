/**
 * Commands that clients give to one node of a `VirtualCluster`, and what became of them.
 */

import assert from 'node:assert/strict';
import { shardId } from '../../src/base/ids.ts';
import type { Cluster, Submission, SubmitFailure } from '../../src/cluster/cluster.ts';
import { encode, words } from './commands.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A command that a client gave to a node. */
export class Call {
  readonly line: string;
  readonly startMs: number;
  endMs: number | undefined;
  /** The reply, or why there is none. `lost`: the client's node died. */
  outcome: string | undefined;
  isReplied = false;
  /** Of the newest entry that the reply may show. */
  index = 0;

  constructor(line: string, startMs: number) {
    this.line = line;
    this.startMs = startMs;
  }

  get isDone(): boolean {
    return this.outcome !== undefined;
  }

  finish(outcome: string, atMs: number, isReplied: boolean): void {
    assert.equal(this.outcome, undefined, 'a submission is answered once');
    this.outcome = outcome;
    this.isReplied = isReplied;
    this.endMs = atMs;
  }
}

export interface CallOptions {
  readonly line: string;
  readonly path: Submission['path'];
  readonly shard: number;
  readonly limits?: Pick<Submission, 'floor' | 'boundMs'>;
  readonly whenDone?: ((call: Call) => void) | undefined;
}

/** The calls of one node's clients. */
export class Calls {
  readonly #time: VirtualTime;
  readonly #underWay = new Set<Call>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  begin(cluster: Pick<Cluster, 'submit'>, options: CallOptions): Call {
    const { line, path, shard, limits, whenDone } = options;
    const call = new Call(line, this.#time.nowMs);
    this.#underWay.add(call);
    let isReturned = false;
    const finish = (outcome: string, isReplied: boolean): void => {
      assert.ok(isReturned, 'nothing is answered before submit returns');
      if (!this.#underWay.delete(call)) return;
      call.finish(outcome, this.#time.nowMs, isReplied);
      whenDone?.(call);
    };
    cluster.submit(shardId(shard), {
      path,
      ...limits,
      isAlone: line.endsWith(' ?'),
      database: 0,
      bytes: encode(words(line)),
      settle: (reply, index) => {
        call.index = index;
        finish(reply.trimEnd(), true);
      },
      fail: (failure: SubmitFailure) => finish(failure, false),
    });
    isReturned = true;
    return call;
  }

  /** The node died, and its clients' connections with it. */
  lose(): void {
    for (const call of this.#underWay) call.finish('lost', this.#time.nowMs, false);
    this.#underWay.clear();
  }
}
