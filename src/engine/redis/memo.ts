/**
 * What a node remembers of its Redis beside its log: that it ever applied to one, and the generation of the data it made last.
 *
 * A generation is written here before data of an older one is thrown away, so that a Redis that comes back with an old snapshot of
 * given-up data is not taken for whole. Without a directory it lasts as long as the process, like everything else of such a node.
 */

import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { NodeError } from '../../base/errors.ts';

const fileName = 'redis-engine';
const header = 'outrigger redis engine 1';

export class Memo {
  readonly directory: string | undefined;
  #generation: string | undefined;
  /** One at a time: an attempt to join that was broken off may still be writing. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(directory: string | undefined, generation: string | undefined) {
    this.directory = directory;
    this.#generation = generation;
  }

  /** Throws `damaged` where the file is there but cannot be read. */
  static async open(directory: string | undefined): Promise<Memo> {
    if (directory === undefined) return new Memo(undefined, undefined);
    const path = join(directory, fileName);
    let text: string;
    try {
      text = await readFile(path, 'latin1');
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
        return new Memo(directory, undefined);
      throw new NodeError('damaged', `${path} cannot be read: ${String(cause)}`, cause);
    }
    const [, generation] =
      new RegExp(`^${header}\ngeneration ([0-9a-f]{16})\n$`, 'u').exec(text) ?? [];
    if (generation === undefined)
      throw new NodeError(
        'damaged',
        `${path} is not what this version writes; replace this member`,
      );
    return new Memo(directory, generation);
  }

  /** 16 hex digits; undefined where this directory never applied to a Redis. */
  get generation(): string | undefined {
    return this.#generation;
  }

  /** Durable when it resolves; the last that was given stays. Throws `storage-failed`. */
  save(generation: string): Promise<void> {
    this.#generation = generation;
    this.#writing = this.#writing.then(() => this.#write(generation));
    return this.#writing;
  }

  async #write(generation: string): Promise<void> {
    if (this.directory === undefined) return;
    const path = join(this.directory, fileName);
    try {
      await writeSynced(`${path}.new`, `${header}\ngeneration ${generation}\n`);
      await rename(`${path}.new`, path);
      await syncDirectory(this.directory);
    } catch (cause) {
      throw new NodeError('storage-failed', `${path} cannot be written: ${String(cause)}`, cause);
    }
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text, 'latin1');
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
