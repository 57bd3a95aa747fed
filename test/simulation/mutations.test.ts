/**
 * Goal: the simulation would find the bugs it exists to find. Method: deliberate ones are planted, one at a time, and must be found
 * within their budget. Those that take longest are left to `node test/simulation/mutations.ts`, whose results are in docs/testing.md.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bugs } from './bugs.ts';
import { hunt } from './hunt.ts';
import { sourcesWith } from './planted.ts';

/** A bug with this budget or less is hunted here. */
const runsHere = 200;
/** Everybody's processor is shared with the other test files. */
const huntsAtOnce = 2;

test('what deliberate bugs replace is still there', () => {
  for (const bug of bugs) assert.ok(sourcesWith(bug).length > 0, bug.name);
  assert.equal(new Set(bugs.map(({ name }) => name)).size, bugs.length);
});

test('the simulation finds deliberate bugs', { concurrency: huntsAtOnce }, async (context) => {
  const hunts = bugs
    .filter(({ runsMax }) => runsMax <= runsHere)
    .map((bug) =>
      context.test(`one that ${bug.name}`, async (own) => {
        const { seed, finding } = await hunt(bug);
        own.diagnostic(`seed ${seed}: ${finding}`);
        assert.ok(seed !== undefined, finding);
      }),
    );
  await Promise.all(hunts);
});
