/**
 * Starts what a section measures, and knows at each moment where its clients connect and which processes do the work.
 */

import { startRedis, type RedisServer } from '../test/support/redis-server.ts';
import { DevCluster, type ClusterSpec, type Role } from './dev-cluster.ts';
import type { Ownership } from './ownership.ts';
import { preload } from './preload.ts';
import type { RedisKind, SubjectSpec } from './sections.ts';

export interface Process {
  readonly role: Role;
  readonly pid: number;
}

export interface Place {
  readonly port: number;
  readonly processes: readonly Process[];
  /** Unequal before and after a run where something moved meanwhile, and the run says nothing. */
  readonly leadership: string;
}

export interface Subject {
  readonly name: string;
  /** As it is now. */
  place(): Promise<Place>;
}

/** No rewriting in the middle of a run, which would be a second process beside the first. */
const noRewrite: readonly string[] = ['--auto-aof-rewrite-percentage', '0'];
const redisFlags: Readonly<Record<RedisKind, readonly string[]>> = {
  always: ['--appendonly', 'yes', '--appendfsync', 'always', ...noRewrite],
  everysec: ['--appendonly', 'yes', '--appendfsync', 'everysec', ...noRewrite],
  none: [],
};

/** Equal clusters are started once. All hold the keys that are read. */
export async function startSubjects(
  specs: readonly SubjectSpec[],
  ownership: Ownership,
): Promise<readonly Subject[]> {
  const clusters = new Map<string, DevCluster>();
  const subjects: Subject[] = [];
  for (const spec of specs)
    if (spec.kind === 'redis') {
      const server = await ownership.own(startRedis({ args: redisFlags[spec.redis] }));
      await preload(server.port);
      subjects.push(redisSubject(spec.name, server));
    } else {
      const key = JSON.stringify(spec.cluster);
      const cluster = clusters.get(key) ?? (await startCluster(spec.cluster, ownership));
      clusters.set(key, cluster);
      subjects.push(clusterSubject(spec.name, cluster, spec.at));
    }
  return subjects;
}

async function startCluster(spec: ClusterSpec, ownership: Ownership): Promise<DevCluster> {
  const cluster = await ownership.own(DevCluster.start(spec));
  const { processes } = await cluster.view();
  await preload(processes[0]?.port ?? 0);
  return cluster;
}

function redisSubject(name: string, { port, pid }: RedisServer): Subject {
  const place = { port, processes: [{ role: 'redis' as const, pid }], leadership: '' };
  return { name, place: () => Promise.resolve(place) };
}

function clusterSubject(
  name: string,
  cluster: DevCluster,
  at: 'leader' | 'follower' | 'proxy',
): Subject {
  return {
    name,
    place: async () => {
      const { processes, leadership } = await cluster.view();
      const asked =
        processes.find(({ role }) => role === at) ?? processes.find(({ role }) => role === 'node');
      if (asked === undefined) throw new Error(`the cluster has no ${at}`);
      return { port: asked.port, processes, leadership };
    },
  };
}
