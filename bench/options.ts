/**
 * The flags of `npm run bench`.
 */

import { join } from 'node:path';
import { parseFlags } from '../sidecar/cli/flags.ts';
import { shown, UsageError } from '../sidecar/usage-error.ts';

const roundsMax = 50;

export interface BenchOptions {
  readonly isQuick: boolean;
  /** Names of sections; undefined for all. */
  readonly only: readonly string[] | undefined;
  readonly rounds: number;
  readonly results: string;
  readonly help: boolean;
}

/** Throws UsageError. */
export function benchOptions(words: readonly string[], sections: readonly string[]): BenchOptions {
  const { values, switches } = parseFlags(joined(words), {
    command: 'bench',
    valued: ['--only', '--rounds', '--results'],
    switches: ['--quick', '--help', '-h'],
  });
  const isQuick = switches.has('--quick');
  const only = values.get('--only')?.split(',');
  for (const name of only ?? [])
    if (!sections.includes(name))
      throw new UsageError(`--only: ${shown(name)} is not one of ${sections.join(', ')}`);
  const rounds = values.get('--rounds') ?? (isQuick ? '2' : '5');
  if (!/^\d{1,2}$/.test(rounds) || Number(rounds) < 1 || Number(rounds) > roundsMax)
    throw new UsageError(`--rounds: ${shown(rounds)} is not a whole number from 1 to ${roundsMax}`);
  return {
    isQuick,
    only,
    rounds: Number(rounds),
    results: values.get('--results') ?? join(import.meta.dirname, 'results'),
    help: switches.has('--help') || switches.has('-h'),
  };
}

/** `--only a b` as `--only a,b`. */
function joined(words: readonly string[]): readonly string[] {
  const result: string[] = [];
  let isOnly = false;
  for (const word of words) {
    const last = result.at(-1);
    if (isOnly && last !== undefined && last !== '--only' && !word.startsWith('-'))
      result[result.length - 1] = `${last},${word}`;
    else {
      isOnly = word.startsWith('-') ? /^--only(=|$)/.test(word) : isOnly;
      result.push(word);
    }
  }
  return result;
}

export const help = (
  sections: readonly { readonly name: string; readonly title: string }[],
): string =>
  `npm run bench -- [flags]: Outrigger and Redis side by side on this machine, in rounds and in turn.

  --quick            fewer loads, shorter runs: under two minutes
  --only SECTION…    these sections alone
  --rounds N         how often each run is done (5; 2 with --quick)
  --results DIR      where the JSON and the table are written (bench/results)

Sections:
${sections.map(({ name, title }) => `  ${name.padEnd(12)} ${title}\n`).join('')}
Data lies in the directory for temporary files; TMPDIR names another one.
`;
