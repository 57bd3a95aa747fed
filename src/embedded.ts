/**
 * A node inside an application's own process: the same replicas, log and peers, without a socket for clients.
 *
 * Keys and values are bytes; strings are taken as UTF-8. Everything but `get` goes to the leader of the key's
 * shard, wherever that is, and is linearizable.
 */

import { NodeError } from './base/errors.ts';
import type { ShardId } from './base/ids.ts';
import type { ShardStatus, Submission, SubmitFailure } from './cluster/cluster.ts';
import type { NodeCluster } from './node-part.ts';
import { nodeDefaults, openNode, type NodeConfig, type OutriggerNode } from './node.ts';
import { encodeCommand, stringBytesMax } from './resp/encoder.ts';
import { bulkOf, integerOf, isErrorReply } from './resp/reply-framer.ts';
import { shardOfSlot } from './shard/shard-map.ts';
import { createSlotter, type Slotter } from './shard/slot.ts';

export type Bytes = string | Uint8Array;

export interface PutOptions {
  /** Whole ms from now, at least 1. Absent: for ever. */
  readonly ttlMs?: number;
}

/** A node's configuration; what is not said is as in `nodeDefaults`, and the peer port as in its row of `members`. */
export type OpenOptions = Pick<NodeConfig, 'nodeId' | 'members'> &
  Partial<Omit<NodeConfig, 'role' | 'clientHost' | 'clientPort'>>;

/** Starts a node in this process. Resolves once the cluster has formed and the shards are known. */
export async function open(options: OpenOptions): Promise<Outrigger> {
  const own = options.members.find(({ id }) => id === options.nodeId);
  const peerPort = own?.port ?? 0;
  const node = await openNode({ ...nodeDefaults, peerPort, ...options, clientPort: undefined });
  const slotOf = await createSlotter();
  await new Promise<void>((resolve) => {
    node.cluster.onReady(resolve);
  });
  return new Outrigger({ node, slotOf });
}

export class Outrigger {
  readonly #node: OutriggerNode;
  readonly #cluster: NodeCluster;
  readonly #slotOf: Slotter;
  #isClosing = false;

  constructor(options: { readonly node: OutriggerNode; readonly slotOf: Slotter }) {
    this.#node = options.node;
    this.#cluster = options.node.cluster;
    this.#slotOf = options.slotOf;
  }

  /**
   * Sets a key. Rejects with a NodeError: `in-doubt` where it may have happened, any other (`busy`: too much is pending here) where it
   * did not.
   */
  async put(key: Bytes, value: Bytes, options: PutOptions = {}): Promise<void> {
    const ttl = options.ttlMs === undefined ? [] : ['PX', String(options.ttlMs)];
    await this.#run('log', key, ['SET', key, value, ...ttl]);
  }

  /**
   * The value in this node's own replica: at once, and perhaps behind what the leader has. A replica that has just started, and does not
   * know yet how far behind it is, asks the leader.
   */
  async get(key: Bytes): Promise<Uint8Array | undefined> {
    return valueOf(await this.#run('local', key, ['GET', key]));
  }

  /** The value as of a moment between call and answer: linearizable. */
  async consistentGet(key: Bytes): Promise<Uint8Array | undefined> {
    return valueOf(await this.#run('read', key, ['GET', key]));
  }

  /** True where the key was there. */
  async delete(key: Bytes): Promise<boolean> {
    return integerOf(await this.#run('log', key, ['DEL', key])) === 1;
  }

  /** Drops what is cached under these keys, on all nodes; keys that are not there are no error. */
  async invalidate(...keys: readonly Bytes[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#run('log', key, ['UNLINK', key])));
  }

  /** One a shard, of this node's replicas. */
  statistics(): readonly ShardStatus[] {
    return this.#cluster.status();
  }

  /** Takes nothing more, waits a moment for what is under way, gives leaderships away and stops. */
  close(): Promise<void> {
    this.#isClosing = true;
    return this.#node.stop();
  }

  #shardOf(key: Uint8Array): ShardId {
    const map = this.#cluster.shardMap;
    if (map === undefined) throw new NodeError('cluster-down', 'the shards are not known yet');
    return shardOfSlot(map, this.#slotOf(key));
  }

  async #run(path: Submission['path'], key: Bytes, args: readonly Bytes[]): Promise<string> {
    if (args.some((argument) => bytesOf(argument).length > stringBytesMax)) {
      throw new RangeError(`keys and values have at most ${stringBytesMax} bytes`);
    }
    const shard = this.#shardOf(bytesOf(key));
    const bytes = encodeCommand(args.map(bytesOf));
    if (this.#isClosing) throw failureOf('closing');
    if (this.#cluster.isFull) throw failureOf('busy');
    const reply = await new Promise<string>((settle, reject) => {
      const fail = (failure: SubmitFailure): void => reject(failureOf(failure));
      this.#cluster.submit(shard, { path, isAlone: false, database: 0, bytes, settle, fail });
    });
    if (isErrorReply(reply)) throw new TypeError(reply.slice(1).trimEnd());
    return reply;
  }
}

const failureTexts: Readonly<Record<SubmitFailure, string>> = {
  'cluster-down': 'no leader of the shard was found in time; it did not happen, try again',
  'in-doubt':
    'the leader was lost while the command was under way; it may have happened, look before you repeat it',
  busy: 'too many commands are pending on this node; it did not happen, try again later',
  closing: 'this node stops; it did not happen',
};

function failureOf(failure: SubmitFailure): NodeError {
  return new NodeError(failure, failureTexts[failure]);
}

function bytesOf(value: Bytes): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

function valueOf(reply: string): Uint8Array | undefined {
  const text = bulkOf(reply);
  return text === undefined ? undefined : Buffer.from(text, 'latin1');
}
