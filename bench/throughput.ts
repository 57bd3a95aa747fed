/**
 * Closed-loop throughput of some subjects in turn, with what each of their processes used for it.
 */

import { cpuSeconds, residentBytes } from '../test/support/proc.ts';
import type { Role } from './dev-cluster.ts';
import type { Ownership } from './ownership.ts';
import { redisBenchmark, type ClosedLoop, type Workload } from './redis-benchmark.ts';
import type { ThroughputSection } from './sections.ts';
import { inTurn, ratios, rounded, summary, type Summary } from './statistics.ts';
import { startSubjects, type Process, type Subject } from './subjects.ts';

/** A run during which a leader changed is repeated, so often at most. */
const attemptsMax = 3;
/** How long a warm-up takes beside a run; by its rate the number of requests of the first run is chosen. */
const warmUpShare = 0.5;
/** Taken for the rate before anything is known, by requests on their way at a time. */
const firstGuess = (onTheirWay: number): number => (onTheirWay > 100 ? 60_000 : onTheirWay * 400);
/** Less would say nothing of a steady state. */
const exchangesMin = 10;

export interface ProcessUse {
  readonly role: Role;
  /** User and system time for each command of the run. */
  readonly microsecondsPerCommand: number;
  /** Resident at the end of the run. */
  readonly megabytes: number;
}

export interface ThroughputRun extends ClosedLoop {
  readonly requests: number;
  readonly processes: readonly ProcessUse[];
}

export interface ThroughputRow extends Workload {
  readonly subject: string;
  readonly perSecond: Summary;
  /** One a round. */
  readonly runs: readonly ThroughputRun[];
}

export interface RatioRow extends Workload {
  readonly of: string;
  readonly to: string;
  readonly ratio: Summary;
  readonly perRound: readonly number[];
}

export interface ThroughputResult {
  readonly kind: 'throughput';
  readonly name: string;
  readonly title: string;
  readonly secondsPerRun: number;
  /** Runs that were repeated because a leader had changed. */
  readonly repeated: number;
  readonly rows: readonly ThroughputRow[];
  readonly ratios: readonly RatioRow[];
}

export interface ThroughputOptions {
  readonly section: ThroughputSection;
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly secondsPerRun: number;
  readonly ownership: Ownership;
  readonly say: (text: string) => void;
}

interface Cell {
  readonly workload: Workload;
  readonly subject: Subject;
  readonly runs: ThroughputRun[];
}

export async function measureThroughput(options: ThroughputOptions): Promise<ThroughputResult> {
  const { section, isQuick, rounds, secondsPerRun, ownership, say } = options;
  const subjects = await startSubjects(section.subjects, ownership);
  const workloads = isQuick ? section.quickWorkloads : section.workloads;
  const byWorkload = workloads.map((workload) =>
    subjects.map((subject): Cell => ({ workload, subject, runs: [] })),
  );
  let repeated = 0;
  for (let round = 0; round < rounds; round += 1)
    for (const cells of byWorkload)
      for (const cell of inTurn(cells, round)) {
        const steady = await steadyRun(cell, secondsPerRun, ownership.signal);
        cell.runs.push(steady.run);
        repeated += steady.repeated;
        say(`${section.name} round ${round + 1}: ${lineOf(cell, steady.run)}`);
      }
  return {
    kind: 'throughput',
    name: section.name,
    title: section.title,
    secondsPerRun,
    repeated,
    rows: byWorkload.flat().map(rowOf),
    ratios: byWorkload.flatMap((cells) => ratioRows(section, cells)),
  };
}

const lineOf = ({ workload, subject }: Cell, { perSecond, p50Ms }: ThroughputRun): string =>
  `${workload.command} ${workload.clients}x${workload.pipeline} ${subject.name}: ${Math.round(perSecond)}/s, p50 ${p50Ms} ms`;

function rowOf({ workload, subject, runs }: Cell): ThroughputRow {
  const perSecond = summary(runs.map((run) => run.perSecond));
  return { ...workload, subject: subject.name, perSecond, runs };
}

function ratioRows(section: ThroughputSection, cells: readonly Cell[]): readonly RatioRow[] {
  const rates = (name: string): readonly number[] => {
    const cell = cells.find(({ subject }) => subject.name === name);
    if (cell === undefined) throw new Error(`section ${section.name} has no subject ${name}`);
    return cell.runs.map(({ perSecond }) => perSecond);
  };
  const [cell] = cells;
  if (cell === undefined) return [];
  return section.comparisons.map(({ of, to }) => {
    const perRound = ratios(rates(of), rates(to)).map((ratio) => rounded(ratio, 3));
    return { ...cell.workload, of, to, ratio: summary(perRound), perRound };
  });
}

/** One run with the same leaders from its beginning to its end. */
async function steadyRun(
  cell: Cell,
  seconds: number,
  signal: AbortSignal,
): Promise<{ readonly run: ThroughputRun; readonly repeated: number }> {
  for (let repeated = 0; repeated < attemptsMax; repeated += 1) {
    const run = await oneRun(cell, seconds, signal);
    if (run !== undefined) return { run, repeated };
  }
  throw new Error(`the leader of ${cell.subject.name} changed in each of ${attemptsMax} runs`);
}

/** Undefined where a leader changed meanwhile. */
async function oneRun(
  { workload, subject, runs }: Cell,
  seconds: number,
  signal: AbortSignal,
): Promise<ThroughputRun | undefined> {
  const before = await subject.place();
  const { port, processes } = before;
  const onTheirWay = workload.clients * workload.pipeline;
  const run = (requests: number): Promise<ClosedLoop> =>
    redisBenchmark({ port, workload, requests, signal });
  const requestsOf = (rate: number): number =>
    Math.max(Math.round(rate * seconds), onTheirWay * exchangesMin);
  const rate =
    runs.at(-1)?.perSecond ??
    (await run(requestsOf(warmUpShare * firstGuess(onTheirWay)))).perSecond;
  const requests = requestsOf(rate);
  const used = processes.map(({ pid }) => cpuSeconds(pid));
  const closedLoop = await run(requests);
  const uses = processes.map((process, at) => useOf(process, used[at] ?? 0, requests));
  if ((await subject.place()).leadership !== before.leadership) return undefined;
  return { ...closedLoop, requests, processes: uses };
}

function useOf({ role, pid }: Process, secondsBefore: number, requests: number): ProcessUse {
  return {
    role,
    microsecondsPerCommand: rounded(((cpuSeconds(pid) - secondsBefore) / requests) * 1e6, 4),
    megabytes: Math.round(residentBytes(pid) / 2 ** 20),
  };
}
