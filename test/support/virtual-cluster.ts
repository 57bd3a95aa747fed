/**
 * A whole cluster in one process: the production code of formation, members, replicas, Raft and engine on simulated
 * clocks, network and disks. It wires a node as `src/node.ts` does, without listener and front.
 *
 * The seed decides everything that is random, so a run can be repeated. A test crashes, pauses and cuts off nodes, holds
 * or fails their disks, delays messages and shifts wall clocks.
 */

import assert from 'node:assert/strict';
import type { Timers } from '../../src/base/clock.ts';
import { nodeId, shardId, type NodeId, type ShardId } from '../../src/base/ids.ts';
import { randomInteger, seededRandom, type Random } from '../../src/base/random.ts';
import type { ShardStatus } from '../../src/cluster/cluster.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { GroupWrite } from '../../src/log/log.ts';
import type { ReplicaSettings } from '../../src/replica/settings.ts';
import { replicaSettings } from '../../src/replica/settings.ts';
import { commandMembers, type MemberCommand } from '../../src/members.ts';
import type { ChangeOutcome } from '../../src/meta-change.ts';
import type { Namespace } from '../../src/shard/namespace.ts';
import { MemoryNetwork } from '../../src/transport/memory-transport.ts';
import type { Lane } from '../../src/transport/transport.ts';
import type { Call } from './virtual-calls.ts';
import { VirtualNode, type RaftFrame, type SentFrame } from './virtual-node.ts';
import { VirtualProxy } from './virtual-proxy.ts';
import { VirtualProcess, VirtualTime } from './virtual-time.ts';

export interface VirtualClusterOptions {
  readonly seed?: number;
  readonly nodes?: number;
  /** Their ids follow those of the nodes. */
  readonly proxies?: number;
  readonly shards?: number;
  readonly reads?: ReplicaSettings['reads'];
  readonly commandTimeoutMs?: number;
  readonly namespaces?: readonly Namespace[];
  /** Stands between replicas and the engine; the timers are those of the node's life. */
  readonly wrapEngine?: (
    create: () => Engine,
    node: NodeId,
    shard: ShardId,
    timers: Timers,
  ) => Engine;
}

/** Who takes commands of clients. */
export type Asked = Pick<VirtualNode, 'id' | 'isReady' | 'log' | 'read' | 'call'>;

const atOnce: readonly number[] = [0];

/** Long enough for any healthy cluster to do anything. */
const patienceMs = 30_000;

export class VirtualCluster {
  readonly time: VirtualTime = new VirtualTime();
  readonly network: MemoryNetwork;
  readonly random: Random;
  readonly shards: number;
  readonly nodes: VirtualNode[];
  readonly proxies: readonly VirtualProxy[];
  readonly #makeNode: (id: NodeId, members: readonly NodeId[]) => VirtualNode;
  /** How long a frame travels, ms; 0 is until the end of the turn. */
  delayMs: (from: NodeId, to: NodeId, lane: Lane) => number = () => 0;
  /** How long a write takes, ms. */
  diskMs: (node: NodeId) => number = () => 0;
  onSend: (frame: SentFrame) => void = () => undefined;
  /** After how many ms a frame of Raft that has arrived is taken, each time; none loses it. */
  fate: (frame: RaftFrame) => readonly number[] = () => atOnce;
  onDurable: (node: VirtualNode, writes: readonly GroupWrite[]) => void = () => undefined;

  constructor(options: VirtualClusterOptions = {}) {
    const { seed = 1, nodes = 3, shards = 1, reads = 'lease', commandTimeoutMs = 5_000 } = options;
    this.random = seededRandom(seed);
    this.shards = shards;
    const process = new VirtualProcess((error) => {
      throw error;
    });
    this.network = new MemoryNetwork({
      timers: this.time.timersOf(process),
      delayMs: (from, to, lane) => this.delayMs(from, to, lane),
    });
    const members = Array.from({ length: nodes }, (_, place) => nodeId(place + 1));
    const settings = replicaSettings({
      heartbeatMs: 50,
      electionTimeoutMs: 500,
      clockDriftMs: 20,
      reads,
    });
    this.#makeNode = (id, known) =>
      new VirtualNode({
        id,
        members: known,
        shards,
        settings,
        namespaces: options.namespaces ?? [],
        commandTimeoutMs,
        time: this.time,
        network: this.network,
        seed: () => randomInteger(this.random, 0, 2 ** 31),
        diskMs: () => this.diskMs(id),
        onSend: (frame) => this.onSend(frame),
        fate: (frame) => this.fate(frame),
        onDurable: (node, writes) => this.onDurable(node, writes),
        wrapEngine: (create, shard, timers) =>
          options.wrapEngine?.(create, id, shard, timers) ?? create(),
      });
    this.nodes = members.map((id) => this.#makeNode(id, members));
    this.proxies = Array.from(
      { length: options.proxies ?? 0 },
      (_, place) =>
        new VirtualProxy({
          id: nodeId(nodes + place + 1),
          members,
          commandTimeoutMs,
          time: this.time,
          network: this.network,
          seed: () => randomInteger(this.random, 0, 2 ** 31),
          onSend: (frame) => this.onSend(frame),
        }),
    );
  }

  /** One node more, that waits to be added; it is not started. */
  join(): VirtualNode {
    const id = nodeId(this.nodes.length + 1);
    const node = this.#makeNode(id, [...this.nodes.map((other) => other.id), id]);
    node.isJoining = true;
    this.nodes.push(node);
    return node;
  }

  /** As `outrigger member` at `node`. */
  command(node: VirtualNode, command: MemberCommand): Promise<ChangeOutcome> {
    const outcome = commandMembers(node, command);
    this.time.promised();
    return outcome;
  }

  /** The same, which must be done; of two at once one is told to try again. */
  async changed(node: VirtualNode, command: MemberCommand): Promise<void> {
    for (;;) {
      let outcome: ChangeOutcome | undefined;
      void this.command(node, command).then((said) => (outcome = said));
      await this.until(`${command.kind} ${command.nodeId} is logged`, () => outcome !== undefined);
      if (outcome?.kind === 'changed') return;
      assert.match(outcome?.reason ?? '', /try again/);
    }
  }

  node(id: number): VirtualNode {
    const found = this.nodes[id - 1];
    assert.ok(found !== undefined);
    return found;
  }

  /** Starts all nodes and waits until every shard is led. */
  async form(): Promise<this> {
    for (const node of this.nodes) node.start();
    await this.until('the cluster forms', () => this.isServing());
    for (const proxy of this.proxies) proxy.start();
    await this.until('proxies know it', () => this.proxies.every(({ isReady }) => isReady));
    return this;
  }

  /** Whether all nodes that are up know their shards, and those have leaders that all know. */
  isServing(): boolean {
    return this.nodes.every((node) => {
      if (!node.isUp || node.isPaused) return true;
      const status = node.status();
      return status.length === this.shards && status.every(({ leader }) => leader !== 0);
    });
  }

  /** The leader of a shard: of the highest term among nodes that are up. */
  leader(shard = 0): VirtualNode {
    const found = this.findLeader(shard);
    assert.ok(found !== undefined, 'somebody leads');
    return found;
  }

  findLeader(shard = 0, among: readonly VirtualNode[] = this.nodes): VirtualNode | undefined {
    let best: { readonly node: VirtualNode; readonly status: ShardStatus } | undefined;
    for (const node of among) {
      const status = node.status()[shard];
      if (status?.role !== 'leader') continue;
      if (best === undefined || status.term > best.status.term) best = { node, status };
    }
    return best?.node;
  }

  /** Nodes other than this one, by id. */
  others(node: VirtualNode): readonly VirtualNode[] {
    return this.nodes.filter((other) => other !== node);
  }

  /** Some node that does not lead the shard. */
  follower(shard = 0): VirtualNode {
    const [found] = this.others(this.leader(shard));
    assert.ok(found !== undefined);
    return found;
  }

  async until(what: string, isDone: () => boolean, ms: number = patienceMs): Promise<void> {
    const isSo = await this.time.passUntil(isDone, ms);
    assert.ok(isSo, `within ${ms} ms: ${what}`);
  }

  advance(ms: number): Promise<void> {
    return this.time.advance(ms);
  }

  /** Another node leads than `former`, and knows it. */
  async untilLedByAnother(former: VirtualNode): Promise<VirtualNode> {
    const others = this.others(former);
    await this.until('another leads', () => this.findLeader(0, others) !== undefined);
    const leader = this.findLeader(0, others);
    assert.ok(leader !== undefined);
    return leader;
  }

  async finished(call: Call): Promise<Call> {
    await this.until(`an answer to ${call.line}`, () => call.isDone);
    return call;
  }

  /** The reply to a command that goes through the log. */
  async write(node: Asked, line: string): Promise<string | undefined> {
    return (await this.finished(node.log(line))).outcome;
  }

  async read(node: Asked, line: string): Promise<string | undefined> {
    return (await this.finished(node.read(line))).outcome;
  }

  /** Cuts a node off from all others, both ways. */
  isolate(node: VirtualNode): void {
    for (const other of [...this.others(node), ...this.proxies]) {
      this.network.cut(node.id, other.id);
      this.network.cut(other.id, node.id);
    }
  }

  heal(): void {
    this.network.healAll();
  }

  /** Everything heals, and all replicas reach the same index with the same data; no node may have failed. */
  async converge(): Promise<void> {
    this.heal();
    this.delayMs = () => 0;
    for (const node of this.nodes) {
      if (!node.isUp) node.start();
      node.resume();
    }
    await this.until('all replicas apply the same entries', () => this.#isEven());
    for (let shard = 0; shard < this.shards; shard++) {
      const digests = await Promise.all(this.nodes.map((node) => node.digest(shard)));
      assert.equal(new Set(digests).size, 1, `replicas of shard ${shard} are equal`);
    }
  }

  #isEven(): boolean {
    for (const node of this.nodes) assert.equal(node.failure, undefined);
    if (!this.isServing()) return false;
    return Array.from({ length: this.shards }, (_, shard) => shard).every((shard) => {
      const statuses = this.nodes.map((node) => node.status()[shardId(shard)]);
      const first = statuses[0];
      return statuses.every(
        (status) =>
          status !== undefined &&
          status.applied === first?.applied &&
          status.applied === status.commit &&
          status.engineProblem === undefined &&
          status.term === first.term &&
          status.leader === first.leader,
      );
    });
  }
}
