/** Finds story files and runs each in the harness that its commands belong to. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { readDirectives, runDirectives, type Execute, type Mismatch } from './datadriven.ts';
import { makeInteraction } from './interaction.ts';
import { makeConfChange, makeQuorum } from './pure.ts';

/** The story files at or under `path`, in order of name. */
export function storyFiles(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => {
      const inside = join(path, name);
      if (statSync(inside).isDirectory()) return storyFiles(inside);
      return name.endsWith('.txt') ? [inside] : [];
    });
}

/** Replays a file; the first difference, or undefined. */
export function runStory(file: string): Mismatch | undefined {
  const directives = readDirectives(file);
  return runDirectives(directives, harnessFor(directives[0]?.command)());
}

const harnesses: ReadonlyMap<string, () => Execute> = new Map([
  ['committed', makeQuorum],
  ['vote', makeQuorum],
  ['simple', makeConfChange],
  ['enter-joint', makeConfChange],
  ['leave-joint', makeConfChange],
]);

const harnessFor = (command: string | undefined): (() => Execute) =>
  harnesses.get(command ?? '') ?? makeInteraction;
