/**
 * On what machine, with which programs and from which sources figures were taken: without it they mean nothing.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly kernel: string;
  /** Where all data lies: directory, filesystem and device. */
  readonly storage: string;
  /** Of the last minute before the run; what else ran then runs still. */
  readonly loadBefore: number;
}

export interface Versions {
  readonly outrigger: string;
  readonly commit: string;
  /** Whether the sources were those of the commit. */
  readonly isClean: boolean;
  readonly node: string;
  readonly redis: string;
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    storage: storageOf(tmpdir(), readFileSync('/proc/mounts', 'utf8')),
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** The longest mount point that the directory lies in, as /proc/mounts has it. */
export function storageOf(directory: string, mounts: string): string {
  const fits = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, point = '-']) => `${directory}/`.startsWith(point === '/' ? '/' : `${point}/`))
    .toSorted((first, second) => (second[1] ?? '').length - (first[1] ?? '').length);
  const [device = 'unknown', , kind = 'unknown'] = fits[0] ?? [];
  return `${directory} on ${kind} (${device})`;
}

export function versions(): Versions {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return {
    outrigger: manifest.version,
    commit: said('git', 'rev-parse', 'HEAD'),
    isClean: said('git', 'status', '--porcelain', '--', 'src', 'sidecar', 'bench/*.ts') === '',
    node: process.version,
    redis: /v=(\S+)/.exec(said('redis-server', '--version'))?.[1] ?? 'unknown',
  };
}

const said = (program: string, ...words: readonly string[]): string =>
  execFileSync(program, words, { cwd: root, encoding: 'utf8' }).trim();
