/**
 * Node's compile cache for the processes that `outrigger dev` starts.
 *
 * A process that runs TypeScript sources loads a compiler of about 30 MB to take the types off, and takes most of a second for it. With
 * what an earlier process left in the cache it needs neither, and a node in `dev` is as small as one that was built.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { findPackageJSON } from 'node:module';

/** Where the cache is, for the nodes' environment. Where it cannot be written, Node does without. */
export function cacheVariables(): Readonly<Record<string, string>> {
  const root = dirname(findPackageJSON(import.meta.url) ?? import.meta.dirname);
  return { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/outrigger') };
}

/** Loads everything that a node of any role needs in a process that does nothing else, and so fills the cache. */
export async function compileOnce(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const loadAll = import.meta.filename.replace('compile-cache', 'load-all');
  const words = [loadAll, 'start', '--help'];
  const child = spawn(process.execPath, words, { env: environment, stdio: 'ignore' });
  // Its exit code says nothing: what is wrong with the program is shown by the nodes themselves.
  await once(child, 'close');
}
