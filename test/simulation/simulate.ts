/**
 * `npm run simulate -- [--seed S] [--runs N] [--minutes M] [--workers W]`: runs seeds S, S + 1, … on as many threads as there are
 * processors, until N runs are done or M minutes have passed. A run that fails prints what was done to its cluster and the command
 * that repeats it; the exit code is then 1.
 */

import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Finished } from './worker.ts';

const runsByDefault = 1_000;
const seedMax = 2 ** 31;

interface Settings {
  readonly seed: number;
  readonly runs: number;
  readonly untilMs: number;
  readonly workers: number;
}

function settingsOf(given: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...given],
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      minutes: { type: 'string' },
      workers: { type: 'string' },
    },
  });
  const { seed, runs, minutes, workers } = values;
  const isTimed = minutes !== undefined && runs === undefined;
  const runsGiven = isTimed ? Infinity : numberOf('runs', runs ?? defaultRuns(seed));
  return {
    seed: seed === undefined ? randomInt(seedMax) : numberOf('seed', seed),
    runs: runsGiven,
    untilMs:
      Date.now() + 60_000 * (minutes === undefined ? Infinity : numberOf('minutes', minutes)),
    workers: Math.min(
      runsGiven,
      workers === undefined ? availableParallelism() : numberOf('workers', workers),
    ),
  };
}

/** Who names a seed wants that run. */
const defaultRuns = (seed: string | undefined): string =>
  String(seed === undefined ? runsByDefault : 1);

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && text !== '') return value;
  throw new RangeError(`--${name} is a number, not ${text}`);
}

class Total {
  runs = 0;
  failures = 0;
  commands = 0;
  steps = 0;
  milliseconds = 0;
  undecided = 0;

  add({ seed, report, failure }: Finished): void {
    this.runs += 1;
    this.commands += report?.commands ?? 0;
    this.steps += report?.steps ?? 0;
    this.milliseconds += report?.milliseconds ?? 0;
    this.undecided += report?.undecided ?? 0;
    if (failure === undefined) return;
    this.failures += 1;
    process.stdout.write(`${failure}\nseed ${seed} fails; npm run simulate -- --seed ${seed}\n\n`);
  }

  describe(sinceMs: number): string {
    const seconds = (Date.now() - sinceMs) / 1_000;
    const perMinute = Math.round((60 * this.runs) / Math.max(seconds, 0.001));
    return (
      `${this.runs} runs, ${this.failures} failed; ${this.commands} commands, ${this.steps} steps, ` +
      `${Math.round(this.milliseconds / 1_000)} simulated seconds; ${this.undecided} keys with too much in doubt to be judged; ` +
      `${perMinute} runs a minute\n`
    );
  }
}

async function main(given: readonly string[]): Promise<number> {
  const settings = settingsOf(given);
  const startMs = Date.now();
  process.stdout.write(`from seed ${settings.seed} on, ${settings.workers} at a time\n`);
  const total = new Total();
  let next = 0;
  const take = (): number | undefined => {
    if (next >= settings.runs || Date.now() >= settings.untilMs) return undefined;
    next += 1;
    return settings.seed + next - 1;
  };
  await Promise.all(Array.from({ length: settings.workers }, () => work(take, total)));
  process.stdout.write(total.describe(startMs));
  return total.failures === 0 ? 0 : 1;
}

/** One thread, and one seed after the other for it. */
function work(take: () => number | undefined, total: Total): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('worker.ts', import.meta.url));
    const goOn = (): void => {
      const seed = take();
      if (seed === undefined) worker.terminate().then(() => resolve(), reject);
      else worker.postMessage(seed, []);
    };
    worker.on('message', (finished: Finished) => {
      total.add(finished);
      goOn();
    });
    worker.on('error', reject);
    goOn();
  });
}

process.exitCode = await main(process.argv.slice(2));
