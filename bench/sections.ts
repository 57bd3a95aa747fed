/**
 * What is measured, as data: each section is some subjects side by side under some loads, and which is compared with which.
 */

import type { ClusterSpec } from './dev-cluster.ts';
import type { Command, Workload } from './redis-benchmark.ts';

/** How a Redis of its own keeps its data. */
export type RedisKind = 'always' | 'everysec' | 'none';

/** Who is asked: a server of a cluster, or a Redis of its own. */
export type SubjectSpec =
  | {
      readonly kind: 'cluster';
      readonly name: string;
      readonly cluster: ClusterSpec;
      /** The leader of shard 0, another member, a proxy. */
      readonly at: 'leader' | 'follower' | 'proxy';
    }
  | { readonly kind: 'redis'; readonly name: string; readonly redis: RedisKind };

/** Names of subjects. */
export interface Comparison {
  readonly of: string;
  readonly to: string;
}

interface SectionBase {
  readonly name: string;
  readonly title: string;
  readonly inQuick: boolean;
}

export interface ThroughputSection extends SectionBase {
  readonly kind: 'throughput';
  readonly subjects: readonly SubjectSpec[];
  readonly comparisons: readonly Comparison[];
  readonly workloads: readonly Workload[];
  readonly quickWorkloads: readonly Workload[];
}

export interface LatencySection extends SectionBase {
  readonly kind: 'latency';
  readonly subjects: readonly SubjectSpec[];
  readonly loads: readonly OpenLoad[];
  readonly quickLoads: readonly OpenLoad[];
}

export interface FailoverSection extends SectionBase {
  readonly kind: 'failover';
  readonly cluster: ClusterSpec;
}

export type Section = ThroughputSection | LatencySection | FailoverSection;

/** Commands that arrive evenly spaced, whatever becomes of those before. */
export interface OpenLoad {
  readonly command: Exclude<Command, 'INCR'>;
  readonly ratePerSecond: number;
}

const plain: ClusterSpec = { shards: 1, storage: 'level', engine: 'memory', proxies: 0 };

const member = (name: string, cluster: Partial<ClusterSpec> = {}): SubjectSpec => ({
  kind: 'cluster',
  name,
  cluster: { ...plain, ...cluster },
  at: 'leader',
});

const leader = member('leader');
const follower: SubjectSpec = { kind: 'cluster', name: 'follower', cluster: plain, at: 'follower' };
const withProxy: ClusterSpec = { ...plain, proxies: 1 };
const redisAlways: SubjectSpec = { kind: 'redis', name: 'redis always', redis: 'always' };
const redisEverysec: SubjectSpec = { kind: 'redis', name: 'redis everysec', redis: 'everysec' };
const redisNone: SubjectSpec = { kind: 'redis', name: 'redis none', redis: 'none' };

const shapes = {
  '1': { clients: 1, pipeline: 1 },
  '50': { clients: 50, pipeline: 1 },
  '50x16': { clients: 50, pipeline: 16 },
  '200x32': { clients: 200, pipeline: 32 },
} as const;

const loads = (
  commands: readonly Command[],
  shapeNames: readonly (keyof typeof shapes)[],
): readonly Workload[] =>
  commands.flatMap((command) => shapeNames.map((name) => ({ command, ...shapes[name] })));

const open = (rates: readonly number[]): readonly OpenLoad[] =>
  (['SET', 'GET'] as const).flatMap((command) =>
    rates.map((ratePerSecond) => ({ command, ratePerSecond })),
  );

export const sections: readonly Section[] = [
  {
    kind: 'throughput',
    name: 'commands',
    title: 'At the leader, beside one Redis',
    inQuick: true,
    subjects: [leader, redisAlways, redisEverysec, redisNone],
    comparisons: [redisAlways, redisEverysec, redisNone].map(({ name }) => ({
      of: leader.name,
      to: name,
    })),
    workloads: loads(['SET', 'GET', 'INCR'], ['1', '50', '50x16', '200x32']),
    quickWorkloads: loads(['SET', 'GET'], ['50', '50x16']),
  },
  {
    kind: 'throughput',
    name: 'follower',
    title: 'Through a follower',
    inQuick: true,
    subjects: [leader, follower],
    comparisons: [{ of: follower.name, to: leader.name }],
    workloads: loads(['SET', 'GET'], ['1', '50', '50x16', '200x32']),
    quickWorkloads: loads(['SET', 'GET'], ['50']),
  },
  {
    kind: 'throughput',
    name: 'proxy',
    title: 'Through a proxy',
    inQuick: true,
    subjects: [
      member('leader', withProxy),
      { kind: 'cluster', name: 'proxy', cluster: withProxy, at: 'proxy' },
    ],
    comparisons: [{ of: 'proxy', to: 'leader' }],
    workloads: loads(['SET', 'GET'], ['1', '50', '50x16', '200x32']),
    quickWorkloads: loads(['SET', 'GET'], ['50']),
  },
  {
    kind: 'throughput',
    name: 'engines',
    title: 'Both engines, beside the Redis without persistence that the redis engine fronts',
    inQuick: true,
    subjects: [member('memory engine'), member('redis engine', { engine: 'redis' }), redisNone],
    comparisons: [
      { of: 'redis engine', to: 'memory engine' },
      { of: 'redis engine', to: redisNone.name },
    ],
    workloads: loads(['SET', 'GET', 'INCR'], ['1', '50', '50x16']),
    quickWorkloads: loads(['SET', 'GET'], ['50x16']),
  },
  {
    kind: 'throughput',
    name: 'shards',
    title: 'One shard and sixteen, their leaders spread over the nodes, all clients at one node',
    inQuick: false,
    subjects: [member('1 shard'), member('16 shards', { shards: 16 })],
    comparisons: [{ of: '16 shards', to: '1 shard' }],
    workloads: loads(['SET', 'GET'], ['50', '50x16', '200x32']),
    quickWorkloads: loads(['SET'], ['50x16']),
  },
  {
    kind: 'throughput',
    name: 'storage',
    title: 'The log on disk and in memory',
    inQuick: false,
    subjects: [member('level'), member('memory', { storage: 'memory' })],
    comparisons: [{ of: 'memory', to: 'level' }],
    workloads: loads(['SET'], ['1', '50', '50x16', '200x32']),
    quickWorkloads: loads(['SET'], ['50']),
  },
  {
    kind: 'latency',
    name: 'latency',
    title: 'Latency at stated rates, commands arriving evenly',
    inQuick: true,
    subjects: [leader, follower, redisAlways],
    loads: open([500, 2_000, 8_000]),
    quickLoads: open([2_000]),
  },
  {
    kind: 'failover',
    name: 'failover',
    title: 'Pauses that clients of the other nodes see',
    inQuick: true,
    cluster: plain,
  },
];
