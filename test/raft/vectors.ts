/**
 * `npm run raft-vectors -- FILE|FOLDER…`: replays scripted stories against the core.
 *
 * Exit code 1 at the first difference, printing where it is, what was expected and what came. Without arguments it takes the
 * conformance vectors that lie beside the repository.
 */

import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { runStory, storyFiles } from './harness/run.ts';

const vectors = fileURLToPath(new URL('../../../shared/raft-vectors', import.meta.url));

function main(given: readonly string[]): number {
  const paths = given.length === 0 ? [vectors] : given;
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) {
    process.stderr.write(`raft-vectors: ${missing} does not exist; name a file or folder\n`);
    return 1;
  }
  const files = paths.flatMap(storyFiles);
  for (const file of files) {
    const mismatch = runStory(file);
    if (mismatch !== undefined) {
      process.stdout.write(
        `${mismatch.place}: ${mismatch.command}\nexpected:\n${mismatch.expected}\nactual:\n${mismatch.actual}`,
      );
      return 1;
    }
    process.stdout.write(`ok ${relative(process.cwd(), file)}\n`);
  }
  process.stdout.write(`${files.length} files match\n`);
  return 0;
}

process.exitCode = main(process.argv.slice(2));
