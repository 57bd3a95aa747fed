import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../sidecar/metrics.ts';
import type { NodeMetrics, ShardStatus } from '../../src/index.ts';

const processNumbers = {
  version: '1.2.3',
  startedSeconds: 100,
  cpuSeconds: () => 2.5,
  residentBytes: () => 1000,
  heapUsedBytes: () => 500,
};

const shard = (id: number, role: ShardStatus['role'], keys: number): ShardStatus => ({
  shard: id as ShardStatus['shard'],
  role,
  leader: 1 as ShardStatus['leader'],
  term: 3 as ShardStatus['term'],
  commit: 12,
  applied: 11,
  voters: [],
  proposals: 13,
  leaderChanges: 2,
  engineProblem: id === 0 ? undefined : 'its Redis is away',
  databases: [
    { database: 0, keys, expires: 1 },
    { database: 5, keys: 1, expires: 0 },
  ],
  bytes: 100,
  hits: 7,
  misses: 3,
  expired: 2,
});

const node = (shards: readonly ShardStatus[]): NodeMetrics => ({
  status: {
    nodeId: 1,
    role: 'member',
    memberId: '00',
    clusterId: undefined,
    incarnation: 1,
    phase: 'running',
    uptimeMs: 5,
    shards,
    peers: [
      { id: 2, isConnected: true },
      { id: 3, isConnected: false },
    ],
  },
  front: {
    connections: 4,
    connectionsAccepted: 10,
    connectionsRefused: 1,
    commandsFront: 20,
    commandsRead: 30,
    commandsWrite: 40,
    commandsRejected: 5,
    bytesIn: 6,
    bytesOut: 7,
    protocolErrors: 8,
    failedDefinite: 9,
    failedInDoubt: 11,
    outputOverruns: 12,
  },
});

const samples = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('every number that the node gives is there, under its name', async () => {
  const metrics = createMetrics(processNumbers, () =>
    node([shard(0, 'leader', 2), shard(1, 'follower', 4), shard(2, 'none', 0)]),
  );
  assert.deepEqual(
    samples((await metrics.scrape()).text).toSorted(),
    [
      'nodejs_heap_size_used_bytes 500',
      'outrigger_build_info{version="1.2.3"} 1',
      'outrigger_cache_entries 8',
      'outrigger_cache_expired_total 4',
      'outrigger_cache_hits_total 14',
      'outrigger_cache_misses_total 6',
      'outrigger_cache_size_bytes 200',
      'outrigger_client_connections 4',
      'outrigger_client_connections_total{result="accepted"} 10',
      'outrigger_client_connections_total{result="refused"} 1',
      'outrigger_client_output_overruns_total 12',
      'outrigger_client_protocol_errors_total 8',
      'outrigger_client_received_bytes_total 6',
      'outrigger_client_sent_bytes_total 7',
      'outrigger_commands_failed_total{result="definite"} 9',
      'outrigger_commands_failed_total{result="in_doubt"} 11',
      'outrigger_commands_total{kind="front"} 20',
      'outrigger_commands_total{kind="read"} 30',
      'outrigger_commands_total{kind="rejected"} 5',
      'outrigger_commands_total{kind="write"} 40',
      'outrigger_engine_well{shard="0"} 1',
      'outrigger_engine_well{shard="1"} 0',
      'outrigger_memberlist_nodes{state="connected"} 1',
      'outrigger_memberlist_nodes{state="disconnected"} 1',
      'outrigger_raft_proposals_total{shard="0"} 13',
      'outrigger_raft_proposals_total{shard="1"} 13',
      'outrigger_shard_leader_changes_total{shard="0"} 2',
      'outrigger_shard_leader_changes_total{shard="1"} 2',
      'outrigger_shard_applied_index{shard="0"} 11',
      'outrigger_shard_applied_index{shard="1"} 11',
      'outrigger_shard_commit_index{shard="0"} 12',
      'outrigger_shard_commit_index{shard="1"} 12',
      'outrigger_shard_entries{shard="0"} 3',
      'outrigger_shard_entries{shard="1"} 5',
      'outrigger_shard_state{shard="0",state="leader"} 1',
      'outrigger_shard_state{shard="1",state="follower"} 1',
      'outrigger_shard_term{shard="0"} 3',
      'outrigger_shard_term{shard="1"} 3',
      'process_cpu_seconds_total 2.5',
      'process_resident_memory_bytes 1000',
      'process_start_time_seconds 100',
    ].toSorted(),
  );
});

test('a second scrape shows the new numbers and no role that is over', async () => {
  let role: ShardStatus['role'] = 'leader';
  const metrics = createMetrics(processNumbers, () => node([shard(0, role, 2)]));
  await metrics.scrape();
  role = 'follower';
  const { text } = await metrics.scrape();
  assert.ok(text.includes('outrigger_shard_state{shard="0",state="follower"} 1'));
  assert.ok(!text.includes('state="leader"'));
  assert.ok(samples(text).includes('outrigger_cache_hits_total 7'));
});

test('before the node is open there are the metrics of the process', async () => {
  const metrics = createMetrics(processNumbers, () => undefined);
  const { text } = await metrics.scrape();
  assert.ok(samples(text).includes('process_resident_memory_bytes 1000'));
  assert.ok(!samples(text).some((line) => line.startsWith('outrigger_shard')));
});
