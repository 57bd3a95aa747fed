/**
 * Prometheus metrics: a table of names, each with where its number is read from.
 *
 * The hot path counts in plain numbers; they are read when somebody scrapes, so a metric costs nothing in between. A name stands here
 * only if something feeds it. prom-client is loaded at the first scrape: a sidecar that nobody scrapes does without its memory.
 */

import type { Counter, Gauge, Registry } from 'prom-client';
import type { NodeMetrics } from '../src/index.ts';
import type { Metrics } from './health.ts';

interface Prometheus {
  readonly Counter: typeof Counter;
  readonly Gauge: typeof Gauge;
}

type Front = NonNullable<NodeMetrics['front']>;
type Shard = NodeMetrics['status']['shards'][number];

/** What the process itself says, beside what the node says. */
export interface ProcessNumbers {
  readonly version: string;
  readonly startedSeconds: number;
  cpuSeconds(): number;
  residentBytes(): number;
  heapUsedBytes(): number;
}

interface Reading {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

interface MetricRow {
  readonly kind: 'counter' | 'gauge';
  /** As Prometheus sees it. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  read(numbers: Numbers): readonly Reading[];
}

interface Numbers {
  /** Undefined until the node has been opened. */
  readonly node: NodeMetrics | undefined;
  readonly process: ProcessNumbers;
}

/** `metrics` is read at each scrape. */
export function createMetrics(
  processNumbers: ProcessNumbers,
  metrics: () => NodeMetrics | undefined,
): Metrics {
  let numbers: Numbers = { node: undefined, process: processNumbers };
  let filled: Promise<Registry> | undefined;
  return {
    scrape: async () => {
      filled ??= filledRegistry(() => numbers);
      const registry = await filled;
      numbers = { node: metrics(), process: processNumbers };
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

async function filledRegistry(numbers: () => Numbers): Promise<Registry> {
  const prometheus = await import('prom-client');
  const registry = new prometheus.Registry();
  for (const row of rows) register(prometheus, registry, row, numbers);
  return registry;
}

function register(
  prometheus: Prometheus,
  registry: Registry,
  row: MetricRow,
  numbers: () => Numbers,
): void {
  const shared = {
    name: row.name,
    help: row.help,
    labelNames: row.labels ?? [],
    registers: [registry],
  };
  if (row.kind === 'counter') {
    const counter = new prometheus.Counter({
      ...shared,
      collect: () => {
        counter.reset();
        for (const { labels = {}, value } of row.read(numbers())) counter.inc({ ...labels }, value);
      },
    });
    return;
  }
  const gauge = new prometheus.Gauge({
    ...shared,
    collect: () => {
      gauge.reset();
      for (const { labels = {}, value } of row.read(numbers())) gauge.set({ ...labels }, value);
    },
  });
}

type Read = MetricRow['read'];

const one = (value: number): readonly Reading[] => [{ value }];

const ofFront =
  (read: (front: Front) => number): Read =>
  ({ node }) =>
    node?.front === undefined ? [] : one(read(node.front));

const ofFrontBy =
  (label: string, read: (front: Front) => Readonly<Record<string, number>>): Read =>
  ({ node }) =>
    node?.front === undefined
      ? []
      : Object.entries(read(node.front)).map(([name, value]) => ({
          labels: { [label]: name },
          value,
        }));

/** Shards of which this node holds a replica. */
const held = ({ node }: Numbers): readonly Shard[] =>
  (node?.status.shards ?? []).filter(({ role }) => role !== 'none');

const ofShards =
  (read: (shard: Shard) => number): Read =>
  (numbers) =>
    held(numbers).map((shard) => ({ labels: { shard: `${shard.shard}` }, value: read(shard) }));

const overShards =
  (read: (shard: Shard) => number): Read =>
  (numbers) =>
    numbers.node === undefined ? [] : one(sum(held(numbers).map((shard) => read(shard))));

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
const keysOf = (shard: Shard): number => sum(shard.databases.map(({ keys }) => keys));

const rows: readonly MetricRow[] = [
  {
    kind: 'gauge',
    name: 'outrigger_build_info',
    help: 'Always 1; the version is a label.',
    labels: ['version'],
    read: ({ process }) => [{ labels: { version: process.version }, value: 1 }],
  },
  {
    kind: 'gauge',
    name: 'outrigger_memberlist_nodes',
    help: 'Other members, by whether a connection to them stands.',
    labels: ['state'],
    read: ({ node }) => {
      if (node === undefined) return [];
      const connected = node.status.peers.filter(({ isConnected }) => isConnected).length;
      return [
        { labels: { state: 'connected' }, value: connected },
        { labels: { state: 'disconnected' }, value: node.status.peers.length - connected },
      ];
    },
  },
  {
    kind: 'gauge',
    name: 'outrigger_engine_well',
    help: '1 where the replica of a shard can apply and read, 0 while its Redis cannot.',
    labels: ['shard'],
    read: ofShards(({ engineProblem }) => (engineProblem === undefined ? 1 : 0)),
  },
  {
    kind: 'gauge',
    name: 'outrigger_cache_entries',
    help: 'Keys in the replicas of this node.',
    read: overShards(keysOf),
  },
  {
    kind: 'gauge',
    name: 'outrigger_cache_size_bytes',
    help: 'Estimate of the bytes that keys and values in the replicas of this node take.',
    read: overShards(({ bytes }) => bytes),
  },
  {
    kind: 'counter',
    name: 'outrigger_cache_hits_total',
    help: 'Lookups that found their key, in the replicas of this node.',
    read: overShards(({ hits }) => hits),
  },
  {
    kind: 'counter',
    name: 'outrigger_cache_misses_total',
    help: 'Lookups that found no key, in the replicas of this node.',
    read: overShards(({ misses }) => misses),
  },
  {
    kind: 'counter',
    name: 'outrigger_cache_expired_total',
    help: 'Keys removed because their deadline had passed, in the replicas of this node.',
    read: overShards(({ expired }) => expired),
  },
  {
    kind: 'gauge',
    name: 'outrigger_shard_entries',
    help: "Keys in this node's replica of the shard.",
    labels: ['shard'],
    read: ofShards(keysOf),
  },
  {
    kind: 'gauge',
    name: 'outrigger_shard_state',
    help: "1 for the role of this node's replica of the shard.",
    labels: ['shard', 'state'],
    read: (numbers) =>
      held(numbers).map(({ shard, role }) => ({
        labels: { shard: `${shard}`, state: role },
        value: 1,
      })),
  },
  {
    kind: 'gauge',
    name: 'outrigger_shard_term',
    help: 'Raft term of the shard, as this node knows it.',
    labels: ['shard'],
    read: ofShards(({ term }) => term),
  },
  {
    kind: 'gauge',
    name: 'outrigger_shard_commit_index',
    help: "Index of the shard's last entry that this node knows to be committed.",
    labels: ['shard'],
    read: ofShards(({ commit }) => commit),
  },
  {
    kind: 'gauge',
    name: 'outrigger_shard_applied_index',
    help: "Index of the shard's last entry that this node has applied.",
    labels: ['shard'],
    read: ofShards(({ applied }) => applied),
  },
  {
    kind: 'counter',
    name: 'outrigger_raft_proposals_total',
    help: 'Entries that this node has proposed as the leader of the shard.',
    labels: ['shard'],
    read: ofShards(({ proposals }) => proposals),
  },
  {
    kind: 'counter',
    name: 'outrigger_shard_leader_changes_total',
    help: 'How often this node has learned of another leader of the shard than the last.',
    labels: ['shard'],
    read: ofShards(({ leaderChanges }) => leaderChanges),
  },
  {
    kind: 'gauge',
    name: 'outrigger_client_connections',
    help: 'Open client connections.',
    read: ofFront(({ connections }) => connections),
  },
  {
    kind: 'counter',
    name: 'outrigger_client_connections_total',
    help: 'Client connections, by whether they were accepted or turned away at maxClients.',
    labels: ['result'],
    read: ofFrontBy('result', (front) => ({
      accepted: front.connectionsAccepted,
      refused: front.connectionsRefused,
    })),
  },
  {
    kind: 'counter',
    name: 'outrigger_commands_total',
    help: 'Commands of clients of this node: answered here, read or written in a shard, or rejected before.',
    labels: ['kind'],
    read: ofFrontBy('kind', (front) => ({
      front: front.commandsFront,
      read: front.commandsRead,
      write: front.commandsWrite,
      rejected: front.commandsRejected,
    })),
  },
  {
    kind: 'counter',
    name: 'outrigger_commands_failed_total',
    help: 'Commands that got no reply of their shard: certainly without effect, or in doubt.',
    labels: ['result'],
    read: ofFrontBy('result', (front) => ({
      definite: front.failedDefinite,
      in_doubt: front.failedInDoubt,
    })),
  },
  {
    kind: 'counter',
    name: 'outrigger_client_protocol_errors_total',
    help: 'Connections closed because what they sent was not RESP.',
    read: ofFront(({ protocolErrors }) => protocolErrors),
  },
  {
    kind: 'counter',
    name: 'outrigger_client_output_overruns_total',
    help: 'Connections closed because their unread replies grew beyond the bound.',
    read: ofFront(({ outputOverruns }) => outputOverruns),
  },
  {
    kind: 'counter',
    name: 'outrigger_client_received_bytes_total',
    help: 'Bytes received from clients.',
    read: ofFront(({ bytesIn }) => bytesIn),
  },
  {
    kind: 'counter',
    name: 'outrigger_client_sent_bytes_total',
    help: 'Bytes sent to clients.',
    read: ofFront(({ bytesOut }) => bytesOut),
  },
  {
    kind: 'counter',
    name: 'process_cpu_seconds_total',
    help: 'User and system time of the process.',
    read: ({ process }) => one(process.cpuSeconds()),
  },
  {
    kind: 'gauge',
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since 1970.',
    read: ({ process }) => one(process.startedSeconds),
  },
  {
    kind: 'gauge',
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    read: ({ process }) => one(process.residentBytes()),
  },
  {
    kind: 'gauge',
    name: 'nodejs_heap_size_used_bytes',
    help: 'Used heap of the JavaScript engine.',
    read: ({ process }) => one(process.heapUsedBytes()),
  },
];
