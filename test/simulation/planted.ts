/**
 * Plants a bug: from now on this thread loads the sources with one deliberate mistake in them. What is on disk stays as it is,
 * and production code knows nothing of it.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { bugs, type Bug, type Edit } from './bugs.ts';

const sources = new URL('../../src/', import.meta.url);

/** Before anything of `src` is imported. */
export function plant(name: string): void {
  const bug = bugs.find((each) => each.name === name);
  assert.ok(bug !== undefined, `there is no bug called ${name}`);
  const patched = new Map(sourcesWith(bug));
  registerHooks({
    load: (url, context, nextLoad) => {
      const source = patched.get(url);
      if (source === undefined) return nextLoad(url, context);
      return { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}

/** By address, the sources that a bug changes; what it replaces must be there, once. */
export function sourcesWith(bug: Bug): readonly (readonly [string, string])[] {
  const files = new Set(bug.edits.map(({ file }) => file));
  return [...files].map((file) => {
    const url = new URL(file, sources);
    let text = readFileSync(fileURLToPath(url), 'utf8');
    for (const edit of bug.edits) if (edit.file === file) text = edited(bug, text, edit);
    return [url.href, text];
  });
}

function edited(bug: Bug, text: string, { file, from, to }: Edit): string {
  const [before, after, ...more] = text.split(from);
  assert.ok(
    before !== undefined && after !== undefined && more.length === 0,
    `the bug "${bug.name}" replaces what is not there once in ${file}: ${from}`,
  );
  return `${before}${to}${after}`;
}
