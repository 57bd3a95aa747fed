/**
 * One run of the simulation: a seed draws the cluster, its trouble and its clients. Then everything is mended, all must be answered, all
 * replicas must come to the same data, and what clients were told must be linearizable.
 */

import assert from 'node:assert/strict';
import type { Timers } from '../../src/base/clock.ts';
import { groupId, nodeId } from '../../src/base/ids.ts';
import { randomInteger, seededRandom, type Random } from '../../src/base/random.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { isJoint } from '../../src/raft/membership.ts';
import { VirtualCluster, type VirtualClusterOptions } from '../support/virtual-cluster.ts';
import { Observer } from './observer.ts';
import { playAny } from './plots.ts';
import { harm, mend } from './trouble.ts';
import { Workload } from './workload.ts';

/** What a run came to. */
export interface RunReport {
  readonly replies: number;
  readonly commands: number;
  /** Callbacks of nodes and network. */
  readonly steps: number;
  /** Simulated. */
  readonly milliseconds: number;
  readonly digest: string;
  /** Keys whose histories could not be judged, too much being in doubt. */
  readonly undecided: number;
}

interface Shape {
  readonly nodes: number;
  readonly shards: number;
  readonly proxies: number;
  readonly reads: 'lease' | 'read-index';
  readonly areMembersFixed: boolean;
  /** Reads take this long at most, ms, as those of an engine that is asked over a socket. */
  readonly readMs: number;
  readonly troubleMs: number;
}

/** Half of what clocks may differ by within a promise: two of them are off in opposite directions. */
const clockRateMost = 0.02;

/** Of what is done to a cluster. */
const plotShare = 0.25;
const commandTimeoutMs = 2_000;
/** Long enough for any healthy cluster to get on. */
const healMsMax = 30_000;
const oneStep = { kind: 'v2', transition: 'auto', context: new Uint8Array(0) } as const;

export class Run {
  readonly seed: number;
  readonly #random: Random;
  readonly #shape: Shape;
  readonly #log: ((line: string) => void) | undefined;

  /** `log` gets what is done to the cluster, and when. */
  constructor(seed: number, log?: (line: string) => void) {
    this.seed = seed;
    this.#log = log;
    this.#random = seededRandom(seed);
    this.#shape = drawShape(this.#random);
  }

  async play(): Promise<RunReport> {
    const shape = this.#shape;
    this.#log?.(`seed ${this.seed}: ${JSON.stringify(shape)}`);
    const cluster = new VirtualCluster(this.#optionsOf(shape));
    const observer = new Observer(cluster);
    for (const node of cluster.nodes) {
      node.clockRate = 1 + clockRateMost * (2 * cluster.random.next() - 1);
    }
    await cluster.form();
    const workload = new Workload(cluster);
    await this.#trouble(cluster, workload);
    await this.#mendAll(cluster);
    // What proxies have under way is answered by then, or given up.
    if (cluster.proxies.length > 0) await cluster.advance(2 * commandTimeoutMs);
    await cluster.converge();
    await workload.judge();
    await cluster.converge();
    const digests = await Promise.all(
      Array.from({ length: shape.shards }, (_, shard) => cluster.node(1).digest(shard)),
    );
    return {
      replies: workload.replies,
      commands: workload.commands,
      steps: observer.steps,
      milliseconds: cluster.time.nowMs,
      digest: digests.join(),
      undecided: workload.undecided,
    };
  }

  #optionsOf(shape: Shape): VirtualClusterOptions {
    const { nodes, shards, proxies, reads, readMs } = shape;
    return {
      seed: this.seed,
      nodes,
      shards,
      proxies,
      reads,
      commandTimeoutMs,
      wrapEngine: (create, _node, _shard, timers) =>
        readMs === 0 ? create() : slowly(create(), timers, () => readMs * this.#random.next()),
    };
  }

  async #trouble(cluster: VirtualCluster, workload: Workload): Promise<void> {
    const { random, time } = cluster;
    const { troubleMs, areMembersFixed } = this.#shape;
    const untilMs = time.nowMs + troubleMs;
    const pass = async (ms: number): Promise<void> => {
      const endMs = time.nowMs + ms;
      while (time.nowMs < endMs) {
        for (const node of [...cluster.nodes, ...cluster.proxies]) workload.act(node);
        await cluster.advance(Math.min(endMs - time.nowMs, randomInteger(random, 0, 25)));
      }
    };
    let nextMendMs = time.nowMs + 300;
    while (time.nowMs < untilMs) {
      const isPlot = random.next() < plotShare;
      const what = isPlot
        ? await playAny({ cluster, workload, pass, areMembersFixed })
        : await harm(cluster, areMembersFixed);
      this.#log?.(`${time.nowMs.toFixed(1)} ms: ${what}`);
      await pass(randomInteger(random, 20, 900));
      if (time.nowMs >= nextMendMs) {
        mend(cluster, 0.6);
        nextMendMs = time.nowMs + randomInteger(random, 50, 2_500);
      }
    }
  }

  async #mendAll(cluster: VirtualCluster): Promise<void> {
    mend(cluster, 1);
    cluster.diskMs = () => 0;
    cluster.delayMs = () => 0;
    if (this.#shape.areMembersFixed) return;
    for (let shard = 0; shard < cluster.shards; shard += 1) await restoreMembers(cluster, shard);
  }
}

function drawShape(random: Random): Shape {
  const roll = random.next();
  const areMembersFixed = random.next() < 0.6;
  return {
    nodes: !areMembersFixed || roll < 0.25 ? 5 : 3,
    shards: roll > 0.9 ? 2 : 1,
    proxies: random.next() < 0.2 ? 2 : 0,
    reads: random.next() < 0.75 ? 'lease' : 'read-index',
    areMembersFixed,
    readMs: random.next() < 0.3 ? 15 : 0,
    troubleMs: randomInteger(random, 1_000, 4_000),
  };
}

/** Reads see what is there when they are asked for, and are answered later. */
function slowly(engine: Engine, timers: Timers, readMs: () => number): Engine {
  return {
    open: (host) => engine.open(host),
    apply: (entry, done) => engine.apply(entry, done),
    read: (read, done) =>
      engine.read(read, (replies) => {
        timers.after(readMs(), () => done(replies));
      }),
    resolve: (command, timeMs, done) => engine.resolve(command, timeMs, done),
    nextDeadlineMs: () => engine.nextDeadlineMs(),
    digest: () => engine.digest(),
    statistics: () => engine.statistics(),
    close: () => engine.close(),
  };
}

/**
 * Makes all nodes voters again, one at a time. Where none is missing, a change may still be on its way: one that changes
 * nothing is taken only behind all others, and a second one only once the first is applied.
 */
async function restoreMembers(cluster: VirtualCluster, shard: number): Promise<void> {
  const untilMs = cluster.time.nowMs + healMsMax;
  let settledTerm: number | undefined;
  for (;;) {
    assert.ok(cluster.time.nowMs < untilMs, `within ${healMsMax} ms all members vote again`);
    const replica = cluster.findLeader(shard)?.replica(groupId(shard + 1));
    if (replica !== undefined) {
      const missing = cluster.nodes.find(({ id }) => !replica.members.voters.includes(id));
      const type = missing === undefined ? 'update-node' : 'add-node';
      const changes = [{ type, nodeId: missing?.id ?? nodeId(1) } as const];
      const answer = replica.proposeConfChange({ ...oneStep, changes });
      if (answer === 'ok' && missing === undefined && !isJoint(replica.members)) {
        if (settledTerm === replica.term) return;
        settledTerm = replica.term;
      }
    }
    await cluster.advance(100);
  }
}
