/**
 * INFO: what clients and monitors read of a server (https://redis.io/commands/info), and how Outrigger's shards stand.
 *
 * Fields are Redis's, where this node has something true to say. Keyspace and memory are those of the replicas held here.
 */

import { machine, release, type as osType } from 'node:os';
import type { ShardStatus } from '../../cluster/cluster.ts';
import { textReply } from '../../resp/encoder.ts';
import type { ServerCall, ServerCommand } from './commands.ts';
import { redisVersion } from './connection.ts';

type Field = readonly [name: string, value: string | number];

interface Section {
  readonly title: string;
  /** Undefined leaves the section empty, with its title alone. */
  readonly fields: (call: ServerCall) => readonly Field[];
}

const secondsPerDay = 86_400;

const server = ({ state, server }: ServerCall): readonly Field[] => {
  const upSeconds = Math.floor((state.clock.monotonicMs() - server.startedMs) / 1000);
  return [
    ['redis_version', redisVersion],
    ['redis_mode', 'standalone'],
    ['outrigger_version', server.version],
    ['os', `${osType()} ${release()} ${machine()}`],
    ['arch_bits', 64],
    ['process_id', server.processId],
    ['run_id', server.runId],
    ['tcp_port', server.port],
    ['server_time_usec', Math.floor(state.clock.wallMs() * 1000)],
    ['uptime_in_seconds', upSeconds],
    ['uptime_in_days', Math.floor(upSeconds / secondsPerDay)],
  ];
};

const clients = ({ state }: ServerCall): readonly Field[] => [
  ['connected_clients', state.connections.size],
  ['maxclients', state.maxClients],
  ['blocked_clients', 0],
  ['tracking_clients', 0],
];

const memory = ({ state }: ServerCall): readonly Field[] => {
  const usedBytes = sumOf(state.cluster.status(), (shard) => shard.bytes);
  const residentBytes = process.memoryUsage.rss();
  return [
    ['used_memory', usedBytes],
    ['used_memory_human', human(usedBytes)],
    ['used_memory_rss', residentBytes],
    ['used_memory_rss_human', human(residentBytes)],
    ['maxmemory', 0],
    ['maxmemory_human', '0B'],
    ['maxmemory_policy', 'noeviction'],
  ];
};

/** Clients wait for `loading:0`. Nothing is saved as Redis does: see the log. */
const persistence = (): readonly Field[] => [
  ['loading', 0],
  ['async_loading', 0],
  ['rdb_bgsave_in_progress', 0],
  ['aof_enabled', 0],
];

const stats = ({ state }: ServerCall): readonly Field[] => {
  const { statistics } = state;
  const shards = state.cluster.status();
  const commands =
    statistics.commandsFront +
    statistics.commandsRead +
    statistics.commandsWrite +
    statistics.commandsRejected;
  return [
    ['total_connections_received', statistics.connectionsAccepted + statistics.connectionsRefused],
    ['total_commands_processed', commands],
    ['total_net_input_bytes', statistics.bytesIn],
    ['total_net_output_bytes', statistics.bytesOut],
    ['rejected_connections', statistics.connectionsRefused],
    ['expired_keys', sumOf(shards, (shard) => shard.expired)],
    ['evicted_keys', 0],
    ['keyspace_hits', sumOf(shards, (shard) => shard.hits)],
    ['keyspace_misses', sumOf(shards, (shard) => shard.misses)],
  ];
};

/** Every node takes writes, which makes it a master to a client. */
const replication = (): readonly Field[] => [
  ['role', 'master'],
  ['connected_slaves', 0],
  ['master_failover_state', 'no-failover'],
];

const cpu = (): readonly Field[] => {
  const { user, system } = process.cpuUsage();
  return [
    ['used_cpu_sys', (system / 1e6).toFixed(6)],
    ['used_cpu_user', (user / 1e6).toFixed(6)],
  ];
};

const cluster = (): readonly Field[] => [['cluster_enabled', 0]];

const keyspace = ({ state }: ServerCall): readonly Field[] => {
  const totals = new Map<number, { keys: number; expires: number }>();
  for (const shard of state.cluster.status()) {
    for (const { database, keys, expires } of shard.databases) {
      const total = totals.get(database) ?? { keys: 0, expires: 0 };
      totals.set(database, { keys: total.keys + keys, expires: total.expires + expires });
    }
  }
  return [...totals]
    .filter(([, { keys }]) => keys > 0)
    .sort(([a], [b]) => a - b)
    .map(([database, { keys, expires }]) => {
      return [`db${database}`, `keys=${keys},expires=${expires},avg_ttl=0`];
    });
};

const outrigger = ({ state, server }: ServerCall): readonly Field[] => {
  const shards = state.cluster.status().map((status): Field => {
    const { shard, role, leader, term, commit, applied, voters } = status;
    const place = `role=${role},leader=${leader},term=${term},commit=${commit},applied=${applied}`;
    return [`shard${shard}`, `${place},voters=${voters.join('+')}`];
  });
  return [
    ['outrigger_node_id', state.cluster.nodeId],
    ['outrigger_role', server.role],
    ['outrigger_engine', server.engineName()],
    ...shards,
  ];
};

/** In the order of Redis. */
const sections: ReadonlyMap<string, Section> = new Map([
  ['server', { title: 'Server', fields: server }],
  ['clients', { title: 'Clients', fields: clients }],
  ['memory', { title: 'Memory', fields: memory }],
  ['persistence', { title: 'Persistence', fields: persistence }],
  ['stats', { title: 'Stats', fields: stats }],
  ['replication', { title: 'Replication', fields: replication }],
  ['cpu', { title: 'CPU', fields: cpu }],
  ['cluster', { title: 'Cluster', fields: cluster }],
  ['keyspace', { title: 'Keyspace', fields: keyspace }],
  ['outrigger', { title: 'Outrigger', fields: outrigger }],
]);

const everySection: ReadonlySet<string> = new Set(['default', 'all', 'everything']);

const info: ServerCommand = (call) => {
  const { request } = call;
  const wanted = new Set<string>();
  for (let at = 1; at < request.argc; at += 1) wanted.add(request.argLatin1(at).toLowerCase());
  const wantsAll = request.argc === 1 || [...wanted].some((name) => everySection.has(name));
  const parts: string[] = [];
  for (const [name, { title, fields }] of sections) {
    if (!wantsAll && !wanted.has(name)) continue;
    const lines = fields(call).map(([field, value]) => `${field}:${value}\r\n`);
    parts.push(`# ${title}\r\n${lines.join('')}`);
  }
  return textReply(parts.join('\r\n'));
};

function sumOf(shards: readonly ShardStatus[], valueOf: (shard: ShardStatus) => number): number {
  return shards.reduce((sum, shard) => sum + valueOf(shard), 0);
}

/** As Redis writes byte counts for people: two decimals, units of 1,024. */
function human(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const units = ['K', 'M', 'G', 'T'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(2)}${units[unit] ?? ''}`;
}

export const infoCommands: Readonly<Record<string, ServerCommand>> = { info };
