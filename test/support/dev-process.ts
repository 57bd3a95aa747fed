/**
 * A real `outrigger dev`, as a user starts it, with what it printed and the processes it started.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { devPortOffsets, freePortBlock } from './free-ports.ts';
import { until } from './until.ts';

const root = join(import.meta.dirname, '../..');
const deadlineMs = 30_000;

export interface DevProcess {
  readonly pid: number;
  /** Client port of the first node. */
  readonly port: number;
  /** Everything printed so far. */
  text(): string;
  /** Waits until what was printed fits. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Of the nodes in the table, in their order. */
  pids(): readonly number[];
  kill(signal: NodeJS.Signals): void;
  /** The exit code once it has ended, and how long that took from now. */
  ended(): Promise<{ readonly code: number | null; readonly tookMs: number }>;
}

export interface DevStart {
  /** What comes before the flags of `dev`. */
  readonly command?: readonly string[];
  readonly flags?: readonly string[];
  readonly port?: number;
}

/** Starts it on free ports; it is killed at the end of the test, should it still run. */
export async function startDev(test: TestContext, start: DevStart = {}): Promise<DevProcess> {
  const port = start.port ?? (await freePortBlock(devPortOffsets(3)));
  const [program = '', ...words] = start.command ?? [process.execPath, 'sidecar/main.ts', 'dev'];
  const child = spawn(program, [...words, '--port', `${port}`, ...(start.flags ?? [])], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that everything it started can be ended with it.
    detached: true,
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  test.after(() => {
    if (child.pid !== undefined && isAlive(-child.pid)) process.kill(-child.pid, 'SIGKILL');
  });
  return {
    pid: child.pid ?? 0,
    port,
    text: () => text,
    printed: (pattern) =>
      until(`it prints ${pattern}, after:\n${text}`, deadlineMs, () => pattern.exec(text) ?? false),
    pids: () =>
      [...text.matchAll(/^\d+ +\w+( +[\d-]+){4} +(\d+) +\S+$/gm)].map((row) => Number(row[2])),
    kill: (signal) => void child.kill(signal),
    ended: () => ending(child),
  };
}

async function ending(child: ChildProcess): ReturnType<DevProcess['ended']> {
  const startMs = performance.now();
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return { code: child.exitCode, tookMs: performance.now() - startMs };
}

/** Whether a process with this id exists, or one of the group with this id below zero. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
