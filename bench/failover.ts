/**
 * How long clients of the other nodes wait when the leader dies, and when it is stopped in order.
 *
 * On every other node one client counts, one command at a time. The pause is the longest time between two of its replies from the
 * end of the leader on; a trial's pause is that of the client that waited longest.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient } from '../test/support/raw-client.ts';
import { until } from '../test/support/until.ts';
import { DevCluster, type ClusterProcess } from './dev-cluster.ts';
import type { Ownership } from './ownership.ts';
import type { FailoverSection } from './sections.ts';
import { rounded, summary, type Summary } from './statistics.ts';

/** Between two commands of a client, so that clients do not use up the machine. */
const thinkMs = 1;
const beforeMs = 300;
/** After all nodes are back, for the one that was away to be a follower like the other. */
const settleMs = 1_000;
/** Replies of each client by which the pause is known to be over. */
const repliesAfter = 50;
const deadlineMs = 30_000;

export interface FailoverRow {
  readonly cause: 'kill -9' | 'planned stop';
  readonly pauseMs: Summary;
  /** One a trial. */
  readonly pausesMs: readonly number[];
  /** Error replies and lost connections of clients of the other nodes. */
  readonly errors: number;
  readonly acknowledged: number;
}

export interface FailoverResult {
  readonly kind: 'failover';
  readonly name: string;
  readonly title: string;
  readonly rows: readonly FailoverRow[];
}

export interface FailoverOptions {
  readonly section: FailoverSection;
  readonly trials: number;
  readonly ownership: Ownership;
  readonly say: (text: string) => void;
}

const causes = [
  { cause: 'kill -9', signal: 'SIGKILL' },
  { cause: 'planned stop', signal: 'SIGTERM' },
] as const;

export async function measureFailover(options: FailoverOptions): Promise<FailoverResult> {
  const { section, trials, ownership, say } = options;
  const cluster = await ownership.own(DevCluster.start(section.cluster));
  const rows: FailoverRow[] = [];
  for (const { cause, signal } of causes) {
    const pausesMs: number[] = [];
    let errors = 0;
    let acknowledged = 0;
    for (let trial = 1; trial <= trials; trial += 1) {
      const counters = await endLeader(cluster, signal, ownership.signal);
      const pauseMs = rounded(Math.max(...counters.map(({ pauseMs }) => pauseMs)), 4);
      pausesMs.push(pauseMs);
      errors += counters.reduce((sum, counter) => sum + counter.errors, 0);
      acknowledged += counters.reduce((sum, counter) => sum + counter.acknowledged, 0);
      say(`${section.name} ${cause} ${trial}: ${pauseMs} ms`);
    }
    rows.push({ cause, pauseMs: summary(pausesMs), pausesMs, errors, acknowledged });
  }
  return { kind: 'failover', name: section.name, title: section.title, rows };
}

async function endLeader(
  cluster: DevCluster,
  signal: NodeJS.Signals,
  stopping: AbortSignal,
): Promise<readonly Counter[]> {
  await cluster.view();
  await sleep(settleMs, undefined, { signal: stopping });
  const { processes } = await cluster.view();
  const leader = processes.find(({ role }) => role === 'leader');
  if (leader === undefined) throw new Error('the cluster has no leader');
  const others = processes.filter((process) => process !== leader);
  const counters = await Promise.all(others.map((other) => Counter.start(other)));
  try {
    await sleep(beforeMs, undefined, { signal: stopping });
    for (const counter of counters) counter.startPause();
    process.kill(leader.pid, signal);
    await until('the other nodes answer again', deadlineMs, () =>
      counters.every((counter) => counter.sincePause >= repliesAfter || counter.hasEnded),
    );
  } finally {
    for (const counter of counters) counter.stop();
  }
  return counters;
}

/** A client that counts, and looks at the clock. */
class Counter {
  acknowledged = 0;
  errors = 0;
  pauseMs = 0;
  /** Replies since the leader was ended. */
  sincePause = 0;
  hasEnded = false;
  readonly #client: RawClient;
  #lastMs = performance.now();
  #isPausing = false;
  #isStopped = false;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async start({ port }: ClusterProcess): Promise<Counter> {
    const counter = new Counter(await RawClient.connect(port));
    void counter.#count(`counter:${port}`);
    return counter;
  }

  startPause(): void {
    this.#isPausing = true;
  }

  stop(): void {
    this.#isStopped = true;
    this.#client.close();
  }

  async #count(key: string): Promise<void> {
    while (!this.#isStopped) {
      const [reply] = await this.#client.pipeline([['INCR', key]]);
      if (this.#isStopped) break;
      this.#note(typeof reply === 'number', performance.now());
      if (reply === undefined) break;
      await sleep(thinkMs);
    }
    this.hasEnded = true;
  }

  #note(isCounted: boolean, nowMs: number): void {
    if (!isCounted) this.errors += 1;
    else {
      this.acknowledged += 1;
      if (this.#isPausing) {
        this.sincePause += 1;
        this.pauseMs = Math.max(this.pauseMs, nowMs - this.#lastMs);
      }
      this.#lastMs = nowMs;
    }
  }
}
