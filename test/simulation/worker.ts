/**
 * A thread that runs seeds: gets one by message, answers with what became of it, and waits for the next.
 */

import { parentPort, workerData } from 'node:worker_threads';
import type { RunReport } from './run.ts';

/** What became of a run: one of the two. */
export interface Finished {
  readonly seed: number;
  readonly report: RunReport | undefined;
  /** What was done to the cluster, and what then did not hold. */
  readonly failure: string | undefined;
}

const bug: unknown = workerData;
if (typeof bug === 'string') (await import('./planted.ts')).plant(bug);
const { play } = await import('./play.ts');

async function finish(seed: number): Promise<Finished> {
  const lines: string[] = [];
  try {
    const report = await play(seed, (line) => lines.push(line));
    return { seed, report, failure: undefined };
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, report: undefined, failure: [...lines, reason].join('\n') };
  }
}

parentPort?.on('message', (seed: number) => {
  finish(seed).then(
    (finished) => parentPort?.postMessage(finished, []),
    (error: unknown) => {
      throw error;
    },
  );
});
