import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { runStory, storyFiles } from './harness/run.ts';

const vectors = fileURLToPath(new URL('../../../shared/raft-vectors', import.meta.url));
const scenarios = fileURLToPath(new URL('scenarios', import.meta.url));

const replay = (name: string, file: string): void => {
  test(name, () => {
    const mismatch = runStory(file);
    assert.equal(mismatch?.actual, mismatch?.expected, mismatch?.place);
  });
};

if (existsSync(vectors)) {
  const files = storyFiles(vectors);
  test('all 31 conformance vectors are there', () => assert.equal(files.length, 31));
  for (const file of files) {
    replay(`conformance vector ${relative(vectors, file)} is replayed byte for byte`, file);
  }
} else {
  const reason = 'skipped: the conformance vectors are not beside this checkout';
  test('conformance vectors are replayed byte for byte', { skip: reason }, () => undefined);
}

for (const file of storyFiles(scenarios)) {
  replay(`scenario ${relative(scenarios, file)} is replayed byte for byte`, file);
}

test('a story that does not match is told from one that does', () => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-story-'));
  try {
    const file = join(folder, 'wrong.txt');
    writeFileSync(file, 'vote cfg=(1,2) votes=(y,_)\n----\nVoteWon\n');
    const mismatch = runStory(file);
    assert.deepEqual(
      { place: mismatch?.place, actual: mismatch?.actual },
      { place: `${file}:1`, actual: 'VotePending\n' },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
