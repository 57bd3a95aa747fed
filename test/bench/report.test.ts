/**
 * The tables say what the figures say.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Role } from '../../bench/dev-cluster.ts';
import { report } from '../../bench/report.ts';
import type { BenchResult, SectionResult } from '../../bench/result.ts';

const result = (sections: readonly SectionResult[]): BenchResult => ({
  format: 1,
  date: '2030-01-02T03:04:05.000Z',
  isQuick: false,
  rounds: 2,
  tookSeconds: 61,
  versions: {
    outrigger: '1.2.3',
    commit: '0123456789abcdef',
    isClean: true,
    node: 'v24.0.0',
    redis: '7.0.15',
  },
  machine: {
    processor: 'Some Processor',
    cores: 2,
    memoryGigabytes: 8,
    kernel: '6.1',
    storage: '/tmp on ext4 (/dev/vda)',
    loadBefore: 0.1,
  },
  keyCount: 100_000,
  valueBytes: 64,
  sections,
});

const use = (role: Role, microsecondsPerCommand: number, megabytes: number) => ({
  role,
  microsecondsPerCommand,
  megabytes,
});

const load = { command: 'SET', clients: 50, pipeline: 16 } as const;
const run = { perSecond: 1, p50Ms: 0.5, p99Ms: 1.234, maxMs: 9, requests: 100 };

test('a load has a row a subject, its processes by role, and a row of ratios', () => {
  const processes = [
    use('follower', 4, 90),
    use('redis', 1, 20),
    use('redis', 2, 30),
    use('leader', 10, 100),
    use('follower', 5, 95),
  ];
  const text = report(
    result([
      {
        kind: 'throughput',
        name: 'commands',
        title: 'At the leader',
        secondsPerRun: 2,
        repeated: 1,
        rows: [
          {
            ...load,
            subject: 'leader',
            perSecond: { median: 120_000, min: 9_000, max: 130_000 },
            runs: [
              { ...run, processes },
              { ...run, p50Ms: 1, processes },
            ],
          },
        ],
        ratios: [
          {
            ...load,
            of: 'leader',
            to: 'redis',
            ratio: { median: 0.45, min: 0.4, max: 0.5 },
            perRound: [0.4, 0.5],
          },
        ],
      },
    ]),
  );
  assert.ok(text.includes('## At the leader (`commands`)'), text);
  assert.ok(text.includes('| load | leader : redis |'), text);
  assert.ok(text.includes('| SET 50×16 | 0.45 [0.40–0.50] |'), text);
  const row =
    '| SET 50×16 | leader | 120.0 k [9.00 k–130.0 k] | 0.75 | 1.23 | leader 10, followers 9, redis 3 | leader 100, followers 95, redis 30 |';
  assert.ok(text.includes(row), text);
  assert.ok(text.includes('because a leader had changed: 1.'), text);
});

test('a rate that was not kept up has no figures', () => {
  const text = report(
    result([
      {
        kind: 'latency',
        name: 'latency',
        title: 'Latency',
        connections: 25,
        secondsPerRun: 4,
        rows: [
          {
            command: 'GET',
            ratePerSecond: 500,
            subject: 'a',
            overruns: 3,
            median: undefined,
            runs: [],
          },
        ],
      },
    ]),
  );
  assert.ok(text.includes('| GET 500/s | a (3 × not kept up) | – | – | – | – | – |'), text);
});

test('pauses are told with their trials and errors', () => {
  const text = report(
    result([
      {
        kind: 'failover',
        name: 'failover',
        title: 'Pauses',
        rows: [
          {
            cause: 'kill -9',
            pauseMs: { median: 612.4, min: 500, max: 900 },
            pausesMs: [500, 612.4, 900],
            errors: 0,
            acknowledged: 1_234,
          },
        ],
      },
    ]),
  );
  assert.ok(text.includes('| kill -9 | 612 [500–900] | 3 | 1234 | 0 |'), text);
});

test('what was measured on is said', () => {
  const text = report(result([]));
  assert.ok(text.startsWith('# Benchmark of 2030-01-02T03:04:05.000Z\n'));
  assert.ok(text.includes('Outrigger 1.2.3, commit 0123456789ab; Redis 7.0.15; Node v24.0.0'));
  assert.ok(text.includes('2 × Some Processor, 8 GB, Linux 6.1; data in /tmp on ext4 (/dev/vda)'));
  assert.ok(!text.includes('not idle'));
  const loaded = result([]);
  const busy = { ...loaded, machine: { ...loaded.machine, loadBefore: 2 } };
  assert.ok(report(busy).includes('its load was 2.'));
});
