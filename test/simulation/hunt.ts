/**
 * Hunts a planted bug: runs seed 1, 2, … with it, until one fails or its budget is spent.
 */

import { Worker } from 'node:worker_threads';
import type { Bug } from './bugs.ts';
import type { Finished } from './worker.ts';

export interface Hunt {
  readonly bug: Bug;
  /** The first seed that fails; undefined where none does. */
  readonly seed: number | undefined;
  /** What did not hold, in one line. */
  readonly finding: string;
}

/** A run that takes so long goes round in a circle. */
const runMsMax = 20_000;

export function hunt(bug: Bug): Promise<Hunt> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: bug.name });
    let seed = 1;
    let alarm: NodeJS.Timeout | undefined;
    const end = (found: number | undefined, finding: string): void => {
      clearTimeout(alarm);
      worker.terminate().then(() => resolve({ bug, seed: found, finding }), reject);
    };
    const run = (): void => {
      alarm = setTimeout(() => end(seed, 'the run does not end'), runMsMax);
      worker.postMessage(seed, []);
    };
    worker.on('message', ({ failure }: Finished) => {
      clearTimeout(alarm);
      if (failure !== undefined) end(seed, lastOf(failure));
      else if (seed >= bug.runsMax) end(undefined, `not found in ${bug.runsMax} runs`);
      else {
        seed += 1;
        run();
      }
    });
    // What escapes from a run, such as an assertion in a callback of nobody's.
    worker.on('error', (error: unknown) => end(seed, lastOf(String(error))));
    run();
  });
}

/** The line that says what did not hold: the first that is not of a log or a stack. */
function lastOf(failure: string): string {
  const lines = failure.split('\n').filter((line) => !/^(seed \d|[\d.]+ ms: |\s+at )/.test(line));
  const [line = failure] = lines;
  return line.replace(/^(AssertionError|Error)( \[\w+\])?: /, '').slice(0, 120);
}
