/**
 * Latencies of some subjects at stated rates, in turn.
 */

import { randomBytes, randomInt } from 'node:crypto';
import { encode } from '../test/support/commands.ts';
import type { OpenLoopFigures } from './open-loop-account.ts';
import { openLoop, type OpenLoopOptions } from './open-loop.ts';
import type { Ownership } from './ownership.ts';
import { keyName } from './preload.ts';
import { keyCount, valueBytes } from './redis-benchmark.ts';
import type { LatencySection, OpenLoad } from './sections.ts';
import { inTurn, median } from './statistics.ts';
import { startSubjects, type Subject } from './subjects.ts';

const connections = 25;
const warmUpSeconds = 1;
/** Made before the run, sent again and again. */
const distinctCommands = 4_096;

export interface LatencyRow extends OpenLoad {
  readonly subject: string;
  /** Rounds in which the server did not keep up; they have no figures. */
  readonly overruns: number;
  /** Undefined where no round has figures. */
  readonly median: OpenLoopFigures | undefined;
  /** One a round that has figures. */
  readonly runs: readonly OpenLoopFigures[];
}

export interface LatencyResult {
  readonly kind: 'latency';
  readonly name: string;
  readonly title: string;
  readonly connections: number;
  readonly secondsPerRun: number;
  readonly rows: readonly LatencyRow[];
}

export interface LatencyOptions {
  readonly section: LatencySection;
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly secondsPerRun: number;
  readonly ownership: Ownership;
  readonly say: (text: string) => void;
}

interface Cell {
  readonly load: OpenLoad;
  readonly subject: Subject;
  readonly runs: OpenLoopFigures[];
  overruns: number;
}

export async function measureLatency(options: LatencyOptions): Promise<LatencyResult> {
  const { section, isQuick, rounds, secondsPerRun, ownership, say } = options;
  const subjects = await startSubjects(section.subjects, ownership);
  const loads = isQuick ? section.quickLoads : section.loads;
  const byLoad = loads.map((load) =>
    subjects.map((subject): Cell => ({ load, subject, runs: [], overruns: 0 })),
  );
  for (let round = 0; round < rounds; round += 1)
    for (const cells of byLoad)
      for (const cell of inTurn(cells, round)) {
        const { load, subject } = cell;
        const { port } = await subject.place();
        const figures = await openLoop({
          ...load,
          ...trafficOf(load),
          port,
          connections,
          seconds: secondsPerRun,
          warmUpSeconds,
          signal: ownership.signal,
        });
        if (figures === undefined) cell.overruns += 1;
        else cell.runs.push(figures);
        const said =
          figures === undefined
            ? 'does not keep up'
            : `p50 ${figures.p50Ms} ms, p99 ${figures.p99Ms} ms`;
        say(
          `${section.name} round ${round + 1}: ${load.command} at ${load.ratePerSecond}/s ${subject.name}: ${said}`,
        );
      }
  const { name, title } = section;
  return { kind: 'latency', name, title, connections, secondsPerRun, rows: byLoad.flat().map(row) };
}

function row({ load, subject, runs, overruns }: Cell): LatencyRow {
  return { ...load, subject: subject.name, overruns, median: medianFigures(runs), runs };
}

/** Of each figure alone. */
export function medianFigures(runs: readonly OpenLoopFigures[]): OpenLoopFigures | undefined {
  if (runs.length === 0) return undefined;
  const of = (figure: keyof OpenLoopFigures): number => median(runs.map((run) => run[figure]));
  return {
    answered: of('answered'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    p999Ms: of('p999Ms'),
    maxMs: of('maxMs'),
    lateP50Ms: of('lateP50Ms'),
    lateP99Ms: of('lateP99Ms'),
  };
}

function trafficOf({ command }: OpenLoad): Pick<OpenLoopOptions, 'commands' | 'reply'> {
  const args = (): readonly Uint8Array[] => {
    const key = Buffer.from(keyName(randomInt(keyCount)));
    const name = Buffer.from(command);
    return command === 'SET' ? [name, key, randomBytes(valueBytes)] : [name, key];
  };
  const commands = Array.from({ length: distinctCommands }, () => encode(args()));
  const bulk = `$${valueBytes}\r\n`.length + valueBytes + 2;
  return {
    commands,
    reply: command === 'SET' ? { bytes: 5, first: '+' } : { bytes: bulk, first: '$' },
  };
}
