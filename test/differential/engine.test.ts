/**
 * The memory engine beside a real redis-server, and that no supported command is left out of the comparison.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { allCommands } from '../../src/command/table.ts';
import type { CommandSpec } from '../../src/command/table.ts';
import { words } from '../support/commands.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { allCases, casesOf } from './cases.ts';
import { compareCase } from './suite.ts';
import { connectTarget, engineTarget } from './target.ts';
import type { Target } from './target.ts';

describe('the memory engine answers as Redis does', () => {
  let redis: RedisServer;
  let theirs: Target;
  const ours = engineTarget();

  before(async () => {
    redis = await startRedis();
    theirs = await connectTarget(redis.port);
  });

  after(async () => {
    await theirs.close();
    await redis.stop();
  });

  for (const [name, lines] of Object.entries(casesOf('memory'))) {
    test(name, () => compareCase(lines, { ours, theirs }));
  }
});

test('every supported read and write has a case', () => {
  const named = new Set<string>();
  for (const lines of Object.values(allCases)) {
    for (const line of lines) {
      const [name = '', sub = ''] = words(line).map((word) => word.toString().toLowerCase());
      named.add(name).add(`${name}|${sub}`);
    }
  }
  const missing = allCommands()
    .flatMap((spec): CommandSpec[] => (spec.subcommands ? [...spec.subcommands.values()] : [spec]))
    .filter((spec) => spec.kind === 'read' || spec.kind === 'write')
    .map((spec) => spec.name)
    .filter((name) => !named.has(name));
  assert.deepEqual(missing, []);
});
