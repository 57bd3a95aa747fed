/**
 * `npm run bench` as a whole: that it measures what it says and ends what it started. Not how fast anything is.
 */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { report } from '../../bench/report.ts';
import type { BenchResult } from '../../bench/result.ts';
import type { ThroughputResult } from '../../bench/throughput.ts';
import { isAlive } from '../support/dev-process.ts';
import { until } from '../support/until.ts';

interface Bench {
  readonly child: ChildProcess;
  /** Everything it leaves behind would be here. */
  readonly directory: string;
  text(): string;
}

/** In a process group of its own and with a directory for all its files. */
function startBench(t: TestContext, ...flags: readonly string[]): Bench {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-bench-'));
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, '../../bench/main.ts'),
      ...flags,
      '--results',
      `${directory}/results`,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: directory },
      detached: true,
    },
  );
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  t.after(() => {
    if (child.pid !== undefined && isAlive(-child.pid)) process.kill(-child.pid, 'SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  return { child, directory, text: () => text };
}

async function endOf({ child }: Bench): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  return child.exitCode;
}

/** No process and no file but the results is left. */
function leftNothing({ child, directory }: Bench): void {
  assert.equal(isAlive(-(child.pid ?? 0)), false, 'a process outlives the benchmark');
  assert.deepEqual(
    readdirSync(directory).filter((name) => name !== 'results'),
    [],
  );
}

test(
  'a section leaves a JSON file and its tables, and nothing else',
  { timeout: 120_000 },
  async (t) => {
    const bench = startBench(t, '--quick', '--rounds', '2', '--only', 'storage');
    assert.equal(await endOf(bench), 0, bench.text());
    leftNothing(bench);
    const results = join(bench.directory, 'results');
    const [json = '', markdown = '', ...more] = readdirSync(results).sort();
    assert.deepEqual(more, []);
    const result = JSON.parse(readFileSync(join(results, json), 'utf8')) as BenchResult;
    assert.equal(readFileSync(join(results, markdown), 'utf8'), report(result));
    assert.match(result.versions.commit, /^[0-9a-f]{40}$/);
    assert.match(result.versions.redis, /^\d+\.\d+/);
    assert.ok(result.machine.cores > 0 && result.rounds === 2);
    const [section, ...others] = result.sections;
    assert.deepEqual(others, []);
    requireWhole(section as ThroughputResult);
  },
);

function requireWhole({ kind, name, rows, ratios }: ThroughputResult): void {
  assert.deepEqual({ kind, name }, { kind: 'throughput', name: 'storage' });
  assert.deepEqual(
    rows.map(({ subject }) => subject),
    ['level', 'memory'],
  );
  for (const { runs, perSecond } of rows) {
    assert.equal(runs.length, 2);
    assert.ok(perSecond.min > 0 && perSecond.min <= perSecond.median);
    for (const run of runs) {
      assert.ok(run.requests > 0 && run.p99Ms >= run.p50Ms);
      const roles = run.processes.map(({ role }) => role).sort();
      assert.deepEqual(roles, ['follower', 'follower', 'leader']);
      for (const use of run.processes)
        assert.ok(use.microsecondsPerCommand > 0 && use.megabytes > 0, JSON.stringify(use));
    }
  }
  assert.equal(ratios.length, 1);
  const [level, memory] = rows;
  const expected = level?.runs.map(
    (run, round) => (memory?.runs[round]?.perSecond ?? 0) / run.perSecond,
  );
  for (const [round, ratio] of (ratios[0]?.perRound ?? []).entries())
    assert.ok(Math.abs(ratio - (expected?.[round] ?? 0)) < 0.01 * ratio);
}

test('a signal ends everything at once', { timeout: 120_000 }, async (t) => {
  const bench = startBench(t, '--quick', '--only', 'commands');
  await until(`it measures, after:\n${bench.text()}`, 60_000, () =>
    bench.text().includes('commands round 1'),
  );
  bench.child.kill('SIGTERM');
  assert.equal(await endOf(bench), 130, bench.text());
  leftNothing(bench);
});

test('a section that does not exist is refused with one line', async (t) => {
  const bench = startBench(t, '--only', 'speed');
  assert.equal(await endOf(bench), 1);
  assert.match(bench.text(), /^bench: --only: "speed" is not one of commands, [^\n]*\n$/);
});
