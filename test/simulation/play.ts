/**
 * What a seed stands for: a run of whole nodes, or, every fourth, of the bare core, which alone has compacted logs and snapshots.
 */

import { chaosShapes, runChaos } from '../raft/cluster/chaos.ts';
import { Run, type RunReport } from './run.ts';

const coreEvery = 4;

/** Throws where something does not hold; `log` gets what is done, and when. */
export async function play(seed: number, log?: (line: string) => void): Promise<RunReport> {
  if (seed % coreEvery !== 0) return new Run(seed, log).play();
  const shape = chaosShapes[(seed / coreEvery) % chaosShapes.length];
  if (shape === undefined) throw new RangeError('a seed is a whole number');
  log?.(`seed ${seed}: the core alone, ${shape.name}`);
  const { cluster, readsChecked } = runChaos({ ...shape.options, seed });
  return {
    replies: readsChecked,
    commands: cluster.checker.maxCommit,
    steps: cluster.sent.length,
    milliseconds: 0,
    digest: String(cluster.checker.maxCommit),
    undecided: 0,
  };
}
