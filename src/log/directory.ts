/**
 * The directories a log needs, made durable, and the check that LevelDB would not start afresh over what is there.
 */

import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import { NodeError } from '../base/errors.ts';

/**
 * Creates the directory and its missing parents, each fsynced in its parent. Throws `config-invalid` where it cannot.
 * Step by step, since Node's recursive mkdir never returns on file systems such as /proc.
 */
export async function createDirectory(path: string): Promise<void> {
  try {
    await createWithParents(resolve(path));
  } catch (cause) {
    throw new NodeError(
      'config-invalid',
      `the data directory ${path} cannot be created (${reasonOf(cause)}): name one that can be written`,
      cause,
    );
  }
}

async function createWithParents(path: string): Promise<void> {
  const parent = dirname(path);
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      if ((await stat(path)).isDirectory()) return;
      throw error;
    }
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error;
    await createWithParents(parent);
    await mkdir(path);
  }
  await syncDirectory(parent);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * True where LevelDB's data is there, but not the file that says which of it counts: LevelDB would take such a
 * directory for an empty one and delete the data. CURRENT is made before the first table or log file.
 */
export async function lacksCurrent(directory: string): Promise<boolean> {
  const names = await readdir(directory);
  return !names.includes('CURRENT') && names.some((name) => /\.(?:ldb|sst|log)$/u.test(name));
}

/** The code of a system or LevelDB error, or an empty string. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
