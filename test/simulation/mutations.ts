/**
 * `node test/simulation/mutations.ts [WORD]`: plants each deliberate bug (or those with WORD in their name) and says after how many runs the
 * simulation finds it. Exit code 1 where one is not found in its budget.
 */

import { availableParallelism } from 'node:os';
import { bugs } from './bugs.ts';
import { hunt } from './hunt.ts';

async function main(word: string): Promise<number> {
  const left = bugs.filter(({ name }) => name.includes(word));
  let missed = 0;
  const one = async (): Promise<void> => {
    for (let bug = left.shift(); bug !== undefined; bug = left.shift()) {
      const { seed, finding } = await hunt(bug);
      if (seed === undefined) missed += 1;
      process.stdout.write(`| ${bug.name} | ${seed ?? 'NOT FOUND'} | ${finding} |\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, one));
  return missed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv[2] ?? '');
