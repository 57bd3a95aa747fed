/**
 * A cluster for tests of the front: shards are Maps in this process, and the test decides when they answer.
 *
 * It holds to the port: never answers before `submit` returns, keeps logged submissions of a shard in order, and lets the
 * quick reads overtake them.
 */

import { nodeId, shardId, term, type NodeId, type ShardId } from '../../src/base/ids.ts';
import type { Cluster, ShardStatus, Submission } from '../../src/cluster/cluster.ts';
import { RequestDecoder } from '../../src/resp/decoder.ts';
import { noNamespaces, type NamespaceTable } from '../../src/shard/namespace-table.ts';
import { initialShardMap, type ShardMap } from '../../src/shard/shard-map.ts';
import { ToyShard } from './toy-shard.ts';

export interface Submitted {
  readonly shard: ShardId;
  readonly submission: Submission;
  /** Latin1, as it was when it was submitted. */
  readonly args: readonly string[];
}

export class FakeCluster implements Cluster {
  readonly nodeId: NodeId = nodeId(1);
  shards: number;
  isFull = false;
  namespaces: NamespaceTable = noNamespaces;
  /** `soon`: by itself, within the turn. `manual`: when the test calls `answer` or fails the submission. */
  mode: 'soon' | 'manual';
  /** What has been submitted, in order. In mode `soon` nothing is kept. */
  readonly submitted: Submitted[] = [];
  readonly #toys: ToyShard[] = [];
  #batch: { shard: number; submission: Submission }[] = [];
  #whenDrained: (() => void)[] = [];
  #whenReady: (() => void)[] = [];

  constructor(options: { readonly shards?: number; readonly mode?: 'soon' | 'manual' } = {}) {
    this.shards = options.shards ?? 1;
    this.mode = options.mode ?? 'soon';
  }

  get shardMap(): ShardMap | undefined {
    return this.shards === 0 ? undefined : initialShardMap(this.shards);
  }

  /** What answers name. */
  index = 0;
  /** Where local reads count as answered by this node. */
  isReadable = true;

  readsLocally(): boolean {
    return this.isReadable;
  }

  submit(shard: ShardId, submission: Submission): void {
    if (this.mode === 'manual') {
      this.submitted.push({ shard, submission, args: decode(submission.bytes) });
      return;
    }
    this.#batch.push({ shard, submission });
    if (this.#batch.length === 1) setImmediate(() => this.#answerBatch());
  }

  /** Runs the submission on its shard and gives it the reply. */
  answer({ shard, submission }: Submitted): void {
    submission.settle(
      this.toy(shard).run(submission.database, decode(submission.bytes)),
      this.index,
    );
  }

  /** Answers what has been submitted so far, in order, and forgets it. */
  answerAll(): void {
    for (const each of this.submitted.splice(0)) this.answer(each);
  }

  onDrained(call: () => void): void {
    this.#whenDrained.push(call);
  }

  drain(): void {
    this.isFull = false;
    for (const call of this.#whenDrained.splice(0)) call();
  }

  onReady(call: () => void): void {
    this.#whenReady.push(call);
  }

  become(shards: number): void {
    this.shards = shards;
    for (const call of this.#whenReady.splice(0)) call();
  }

  toy(shard: number): ToyShard {
    return (this.#toys[shard] ??= new ToyShard());
  }

  status(): readonly ShardStatus[] {
    return Array.from({ length: this.shards }, (_, shard) => ({
      shard: shardId(shard),
      role: 'leader',
      leader: nodeId(1),
      term: term(2),
      commit: 10,
      applied: 10,
      voters: [nodeId(1), nodeId(2), nodeId(3)],
      proposals: 0,
      leaderChanges: 1,
      engineProblem: undefined,
      databases: this.toy(shard).databases(),
      bytes: 100,
      hits: 3,
      misses: 2,
      expired: 1,
    }));
  }

  #answerBatch(): void {
    for (const { shard, submission } of this.#batch.splice(0)) {
      submission.settle(
        this.toy(shard).runBytes(submission.database, submission.bytes),
        this.index,
      );
    }
  }
}

function decode(bytes: Uint8Array): string[] {
  const decoder = new RequestDecoder();
  decoder.push(Buffer.from(bytes));
  if (!decoder.next()) throw new Error('a submission is one whole command');
  return decoder.args().map((argument) => argument.toString('latin1'));
}
