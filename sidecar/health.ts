/**
 * The health port: what Kubernetes and Prometheus ask, read-only, on all interfaces by default.
 *
 * No answer depends on a quorum or on any other node. Otherwise the loss of one node would make the others unready or
 * have them restarted, and an outage of a part would become one of the whole.
 */

import type { Answer, HttpOptions } from './http.ts';

/** How far a node has come; what the health port needs to know of it. */
export interface NodeHealth {
  readonly phase: 'starting' | 'forming' | 'joining' | 'running' | 'stopping';
  /** Undefined until the cluster has formed. */
  readonly shardCount: number | undefined;
  /** Why a replica of this node can neither apply nor read; undefined where all can. */
  readonly engineProblem: string | undefined;
}

export interface Metrics {
  /** In Prometheus' text format. */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/**
 * - `/livez`: the event loop turns. 200 whenever it answers.
 * - `/startupz`: the log has been opened and read, the ports are open.
 * - `/readyz`: the node takes commands: its cluster has formed, the Redis it fronts is well, and it is not stopping.
 * - `/metrics`: Prometheus.
 */
export function healthRoutes(health: () => NodeHealth, metrics: Metrics): HttpOptions['routes'] {
  return new Map<string, () => Answer | Promise<Answer>>([
    ['/livez', () => ok],
    ['/startupz', () => started(health())],
    ['/readyz', () => ready(health())],
    [
      '/metrics',
      async () => {
        const { contentType, text } = await metrics.scrape();
        return { status: 200, type: contentType, body: text };
      },
    ],
  ]);
}

const ok: Answer = { status: 200, body: 'ok\n' };
const unavailable = (reason: string): Answer => ({ status: 503, body: `${reason}\n` });

function started({ phase }: NodeHealth): Answer {
  return phase === 'starting' ? unavailable('starting: the log is being read') : ok;
}

function ready({ phase, shardCount, engineProblem }: NodeHealth): Answer {
  switch (phase) {
    case 'starting':
      return unavailable('starting: the log is being read');
    case 'forming':
    case 'joining':
      return unavailable(`${phase}: the cluster's other members are awaited`);
    case 'stopping':
      return unavailable('stopping');
    case 'running':
      if (shardCount === undefined) return unavailable('running: the shards are not known yet');
      return engineProblem === undefined ? ok : unavailable(`running: ${engineProblem}`);
  }
}
