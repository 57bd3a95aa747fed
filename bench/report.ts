/**
 * The tables of a result, as Markdown: every figure in them is one of the JSON file or follows from it.
 */

import type { FailoverResult } from './failover.ts';
import type { LatencyResult } from './latency.ts';
import type { Workload } from './redis-benchmark.ts';
import type { BenchResult, SectionResult } from './result.ts';
import { median, type Summary } from './statistics.ts';
import type { RatioRow, ThroughputResult, ThroughputRow } from './throughput.ts';

/** From this load on, what else ran on the machine is worth a warning. */
const disturbedFrom = 0.5;
const rolesInOrder = ['leader', 'follower', 'node', 'proxy', 'redis'] as const;

export function report(result: BenchResult): string {
  const { versions, machine } = result;
  const changes = versions.isClean ? '' : ' with changes';
  const memory = `${machine.memoryGigabytes} GB`;
  const disturbed =
    machine.loadBefore < disturbedFrom
      ? []
      : [`**The machine was not idle before: its load was ${machine.loadBefore}.**`];
  const parts = [
    `# Benchmark of ${result.date}`,
    [
      `- Outrigger ${versions.outrigger}, commit ${versions.commit.slice(0, 12)}${changes}; Redis ${versions.redis}; Node ${versions.node}`,
      `- ${machine.cores} × ${machine.processor}, ${memory}, Linux ${machine.kernel}; data in ${machine.storage}`,
      `- three nodes, the load generator and each Redis on these processors; ${result.keyCount} keys, values of ${result.valueBytes} random bytes`,
      `- ${result.rounds} rounds, in turn, the order reversed every other round: median [min–max]; took ${Math.round(result.tookSeconds)} s`,
    ].join('\n'),
    ...disturbed,
    ...result.sections.map(sectionText),
  ];
  return `${parts.join('\n\n')}\n`;
}

function sectionText(section: SectionResult): string {
  const heading = `## ${section.title} (\`${section.name}\`)`;
  switch (section.kind) {
    case 'throughput':
      return [heading, ...throughputTables(section)].join('\n\n');
    case 'latency':
      return [heading, latencyTable(section)].join('\n\n');
    case 'failover':
      return [heading, failoverTable(section)].join('\n\n');
  }
}

function throughputTables({ rows, ratios, repeated }: ThroughputResult): readonly string[] {
  const speeds = table(
    ['load', 'asked', 'commands/s', 'p50 ms', 'p99 ms', 'CPU µs a command', 'memory MB'],
    rows.map((row) => [
      loadName(row),
      row.subject,
      spread(row.perSecond, thousands),
      decimal(median(row.runs.map(({ p50Ms }) => p50Ms))),
      decimal(median(row.runs.map(({ p99Ms }) => p99Ms))),
      byRole(row, ({ microsecondsPerCommand }) => microsecondsPerCommand, 'sum'),
      byRole(row, ({ megabytes }) => megabytes, 'max'),
    ]),
  );
  const names = [...new Set(ratios.map(comparison))];
  const loads = [...new Set(ratios.map(loadName))];
  const find = (load: string, name: string): RatioRow | undefined =>
    ratios.find((row) => loadName(row) === load && comparison(row) === name);
  const compared = table(
    ['load', ...names],
    loads.map((load) => [
      load,
      ...names.map((name) => {
        const row = find(load, name);
        return row === undefined ? '' : spread(row.ratio, (ratio) => ratio.toFixed(2));
      }),
    ]),
  );
  const note = repeated === 0 ? [] : [`Runs repeated because a leader had changed: ${repeated}.`];
  return [compared, speeds, ...note];
}

const comparison = ({ of, to }: RatioRow): string => `${of} : ${to}`;

const loadName = ({ command, clients, pipeline }: Workload): string =>
  `${command} ${clients}${pipeline === 1 ? '' : `×${pipeline}`}`;

/** One number a role: of all its processes together, or of the one with most. */
function byRole(
  { runs }: ThroughputRow,
  figure: (use: ThroughputRow['runs'][number]['processes'][number]) => number,
  how: 'sum' | 'max',
): string {
  const present = new Set(runs.flatMap(({ processes }) => processes.map(({ role }) => role)));
  const roles = rolesInOrder.filter((role) => present.has(role));
  const text = roles.map((role) => {
    const values = runs.map(({ processes }) => {
      const all = processes.filter((use) => use.role === role).map(figure);
      return how === 'sum' ? all.reduce((sum, value) => sum + value, 0) : Math.max(...all);
    });
    const isMany = runs.some(
      ({ processes }) => processes.filter((use) => use.role === role).length > 1,
    );
    return `${isMany ? plural(role) : role} ${decimal(median(values))}`;
  });
  return text.join(', ');
}

const plural = (role: string): string => (role.endsWith('s') ? role : `${role}s`);

function latencyTable({ rows, connections, secondsPerRun }: LatencyResult): string {
  const intro = `${connections} connections, ${secondsPerRun} s a run; counted from when a command was due, so that a standstill counts for all that it delays. "late" is how late the generator itself was.`;
  const figures = table(
    ['load', 'asked', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'late p50 / p99 ms'],
    rows.map(({ command, ratePerSecond, subject, median, overruns }) => [
      `${command} ${ratePerSecond}/s`,
      overruns === 0 ? subject : `${subject} (${overruns} × not kept up)`,
      ...(median === undefined
        ? ['–', '–', '–', '–', '–']
        : [
            decimal(median.p50Ms),
            decimal(median.p99Ms),
            decimal(median.p999Ms),
            decimal(median.maxMs),
            `${decimal(median.lateP50Ms)} / ${decimal(median.lateP99Ms)}`,
          ]),
    ]),
  );
  return `${intro}\n\n${figures}`;
}

function failoverTable({ rows }: FailoverResult): string {
  return table(
    ['the leader', 'pause ms, p50 [min–max]', 'trials', 'writes acknowledged', 'errors'],
    rows.map(({ cause, pauseMs, pausesMs, acknowledged, errors }) => [
      cause,
      spread(pauseMs, (ms) => ms.toFixed(0)),
      `${pausesMs.length}`,
      `${acknowledged}`,
      `${errors}`,
    ]),
  );
}

const spread = ({ median, min, max }: Summary, text: (value: number) => string): string =>
  `${text(median)} [${text(min)}–${text(max)}]`;

const thousands = (value: number): string =>
  value < 10_000 ? `${(value / 1_000).toFixed(2)} k` : `${(value / 1_000).toFixed(1)} k`;

/** Three significant digits, without an exponent. */
const decimal = (value: number): string => `${Number(value.toPrecision(3))}`;

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, headings.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
