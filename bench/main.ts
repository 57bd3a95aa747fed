/**
 * `npm run bench`: measures section after section and writes what came out beside what it was measured on.
 *
 * Each section starts its own processes and ends them, whatever becomes of it; a signal ends everything.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { measureFailover } from './failover.ts';
import { measureLatency } from './latency.ts';
import { machine, versions } from './machine.ts';
import { benchOptions, help, type BenchOptions } from './options.ts';
import { Ownership } from './ownership.ts';
import { keyCount, valueBytes } from './redis-benchmark.ts';
import { report } from './report.ts';
import type { BenchResult, SectionResult } from './result.ts';
import { sections, type Section } from './sections.ts';
import { measureThroughput } from './throughput.ts';

/** Lengths and numbers of runs: the whole stays under 40 minutes, the quick one under two. More rounds do not change percentiles. */
const whole = { throughputSeconds: 2, latencySeconds: 4, latencyRoundsMax: 3, trials: 15 };
const quick = { throughputSeconds: 0.5, latencySeconds: 2, latencyRoundsMax: 1, trials: 2 };

const ownership = new Ownership();
const say = (text: string): void => void process.stderr.write(`${text}\n`);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    say(`${signal}: ending what was started`);
    void ownership.end().then(() => process.exit(130));
  });

try {
  process.exitCode = await bench(process.argv.slice(2));
} catch (error) {
  // What ends by a signal fails by it; the exit code is set where the signal is taken.
  if (!ownership.signal.aborted) {
    if (!(error instanceof Error && error.name === 'UsageError')) throw error;
    say(`bench: ${error.message}`);
    process.exitCode = 1;
  }
} finally {
  await ownership.end();
}

/** The exit code. */
async function bench(words: readonly string[]): Promise<number> {
  const options = benchOptions(
    words,
    sections.map(({ name }) => name),
  );
  if (options.help) {
    process.stdout.write(help(sections));
    return 0;
  }
  const startMs = performance.now();
  const on = { date: new Date().toISOString(), versions: versions(), machine: machine() };
  const measured: SectionResult[] = [];
  for (const section of sections.filter((section) => isWanted(section, options))) {
    try {
      measured.push(await measure(section, options));
    } finally {
      await ownership.release();
    }
  }
  const result: BenchResult = {
    format: 1,
    ...on,
    isQuick: options.isQuick,
    rounds: options.rounds,
    tookSeconds: Math.round((performance.now() - startMs) / 1_000),
    keyCount,
    valueBytes,
    sections: measured,
  };
  publish(result, options.results);
  return 0;
}

function isWanted({ name, inQuick }: Section, { only, isQuick }: BenchOptions): boolean {
  return only === undefined ? inQuick || !isQuick : only.includes(name);
}

async function measure(section: Section, options: BenchOptions): Promise<SectionResult> {
  const { isQuick, rounds } = options;
  const lengths = isQuick ? quick : whole;
  const common = { isQuick, ownership, say };
  switch (section.kind) {
    case 'throughput':
      return await measureThroughput({
        ...common,
        section,
        rounds,
        secondsPerRun: lengths.throughputSeconds,
      });
    case 'latency':
      return await measureLatency({
        ...common,
        section,
        rounds: Math.min(rounds, lengths.latencyRoundsMax),
        secondsPerRun: lengths.latencySeconds,
      });
    case 'failover':
      return await measureFailover({ ...common, section, trials: lengths.trials });
  }
}

/** Writes the JSON and the tables beside each other, and prints the tables. */
function publish(result: BenchResult, directory: string): void {
  const stamp = result.date.slice(0, 16).replaceAll(':', '');
  const name = join(directory, `${stamp}${result.isQuick ? '-quick' : ''}`);
  const text = report(result);
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${name}.json`, `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(`${name}.md`, text);
  process.stdout.write(text);
  say(`written to ${name}.json and ${name}.md`);
}
