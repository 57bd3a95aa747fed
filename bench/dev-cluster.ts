/**
 * A cluster of real processes for the benchmarks: `outrigger dev`, as a user starts it, asked by its admin ports.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fetchText } from '../test/support/fetch-text.ts';
import { freePortBlock } from '../test/support/free-ports.ts';
import { until } from '../test/support/until.ts';
import type { Stoppable } from './ownership.ts';
import { redisPid } from './preload.ts';

const main = join(import.meta.dirname, '../sidecar/main.ts');
const nodes = 3;
const adminOffset = 2_000;
const redisOffset = 4_000;
const readyDeadlineMs = 60_000;
/** Of its output, the end is kept for the message with which a start fails. */
const outputCharsMax = 10_000;

export interface ClusterSpec {
  readonly shards: number;
  readonly storage: 'level' | 'memory';
  readonly engine: 'memory' | 'redis';
  readonly proxies: number;
}

/** With several shards every node leads some: then all are just nodes. */
export type Role = 'leader' | 'follower' | 'node' | 'proxy' | 'redis';

export interface ClusterProcess {
  readonly role: Role;
  readonly pid: number;
  readonly port: number;
}

/** What a cluster is at one moment. */
export interface ClusterView {
  readonly processes: readonly ClusterProcess[];
  /** Who leads each shard in which term: the same before and after a run, or the run does not count. */
  readonly leadership: string;
}

interface Status {
  readonly pid: number;
  readonly phase: string;
  readonly shards: readonly {
    readonly role: string;
    readonly leader: number;
    readonly term: number;
  }[];
}

export class DevCluster implements Stoppable {
  readonly #spec: ClusterSpec;
  readonly #port: number;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(spec: ClusterSpec, port: number) {
    this.#spec = spec;
    this.#port = port;
    const flags: Readonly<Record<string, string | number>> = {
      port,
      shards: spec.shards,
      storage: spec.storage,
      ...(spec.engine === 'redis' ? { engine: 'redis' } : {}),
      ...(spec.proxies > 0 ? { proxies: spec.proxies } : {}),
    };
    const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    this.#child = spawn(process.execPath, [main, 'dev', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment(),
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-outputCharsMax);
      });
  }

  /** Resolves when every shard has a leader. */
  static async start(spec: ClusterSpec): Promise<DevCluster> {
    const places = Array.from({ length: nodes + spec.proxies }, (_, at) => at);
    const offsets = [0, 1_000, adminOffset, 3_000, redisOffset];
    const port = await freePortBlock(offsets.flatMap((offset) => places.map((at) => offset + at)));
    const cluster = new DevCluster(spec, port);
    try {
      await until('the cluster is ready', readyDeadlineMs, () => {
        if (cluster.#hasEnded()) return true;
        return /^ready:/m.test(cluster.#output);
      });
      if (cluster.#hasEnded()) throw cluster.#endedError();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.#hasEnded()) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }

  /** Waits until all nodes run and agree on who leads. */
  async view(): Promise<ClusterView> {
    const seen = await until('all nodes run and agree on leaders', readyDeadlineMs, async () => {
      if (this.#hasEnded()) return 'ended';
      const count = nodes + this.#spec.proxies;
      const statuses = await Promise.all(
        Array.from({ length: count }, (_, at) => this.#status(at)),
      );
      const members = statuses.slice(0, nodes);
      const views = members.map(({ shards }) =>
        shards.map(({ leader, term }) => `${leader}@${term}`).join(' '),
      );
      const [leadership = ''] = views;
      const isWhole =
        statuses.every(({ phase }) => phase === 'running') &&
        views.every((view) => view === leadership) &&
        members.every(({ shards }) => shards.length === this.#spec.shards) &&
        !/(^| )0@/.test(leadership);
      if (!isWhole) return undefined;
      return { leadership, processes: [...this.#nodes(statuses), ...(await this.#redisServers())] };
    });
    if (seen === 'ended') throw this.#endedError();
    return seen;
  }

  #endedError(): Error {
    return new Error(`outrigger dev ended:\n${this.#output}`);
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #nodes(statuses: readonly Status[]): readonly ClusterProcess[] {
    return statuses.map(({ pid, shards }, at) => {
      const port = this.#port + at;
      if (at >= nodes) return { role: 'proxy', pid, port };
      if (this.#spec.shards > 1) return { role: 'node', pid, port };
      return { role: shards[0]?.role === 'leader' ? 'leader' : 'follower', pid, port };
    });
  }

  async #redisServers(): Promise<readonly ClusterProcess[]> {
    if (this.#spec.engine !== 'redis') return [];
    const ports = Array.from({ length: nodes }, (_, at) => this.#port + redisOffset + at);
    return await Promise.all(
      ports.map(async (port) => ({ role: 'redis' as const, pid: await redisPid(port), port })),
    );
  }

  async #status(at: number): Promise<Status> {
    const { body } = await fetchText(this.#port + adminOffset + at, '/status');
    return JSON.parse(body) as Status;
  }
}

/** Without settings that the surroundings may have for a sidecar of their own. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('OUTRIGGER_'));
  // As under npm, where `dev` ends by itself when its parent is gone.
  return { npm_lifecycle_event: 'bench', ...Object.fromEntries(own) };
}
