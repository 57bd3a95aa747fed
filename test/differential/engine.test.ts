/**
 * The memory engine beside a real redis-server, and that no supported command is left out of the comparison.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCommands } from '../../src/command/table.ts';
import type { CommandSpec } from '../../src/command/table.ts';
import { words } from '../support/commands.ts';
import { cases } from './cases.ts';
import { differentialSuite } from './suite.ts';
import { engineTarget } from './target.ts';

differentialSuite('the memory engine', () => Promise.resolve(engineTarget()));

test('every supported read and write has a case', () => {
  const named = new Set<string>();
  for (const lines of Object.values(cases)) {
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
