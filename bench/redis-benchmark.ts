/**
 * Closed-loop load by redis-benchmark: so many clients, each sends when its last replies are there.
 *
 * It ends at the first error reply, so what it reports are commands that succeeded. The 64 bytes of its values are random, but
 * the same in all commands of a run.
 */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const keyCount = 100_000;
export const valueBytes = 64;
/** No run is meant to take a tenth of this. */
const timeoutMs = 120_000;

export type Command = 'SET' | 'GET' | 'INCR';

export interface Workload {
  readonly command: Command;
  readonly clients: number;
  readonly pipeline: number;
}

export interface ClosedLoop {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export async function redisBenchmark(options: {
  readonly port: number;
  readonly workload: Workload;
  readonly requests: number;
  readonly signal: AbortSignal;
}): Promise<ClosedLoop> {
  const { port, workload, requests, signal } = options;
  const flags = {
    h: '127.0.0.1',
    p: port,
    t: workload.command.toLowerCase(),
    n: requests,
    c: workload.clients,
    P: workload.pipeline,
    r: keyCount,
    d: valueBytes,
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`-${name}`, `${value}`]);
  const { stdout, stderr } = await run('redis-benchmark', [...words, '--csv'], {
    signal,
    timeout: timeoutMs,
  });
  if (stderr !== '') throw new Error(`redis-benchmark ${words.join(' ')} said: ${stderr}`);
  return parseCsv(stdout);
}

/** What `--csv` prints for one test. */
export function parseCsv(text: string): ClosedLoop {
  const [heading, row, ...rest] = text.trim().split('\n').map(cells);
  if (heading === undefined || row === undefined || rest.length > 0)
    throw new Error(`redis-benchmark printed something else than one test: ${text}`);
  const number = (name: string): number => {
    const value = Number(row[heading.indexOf(name)] ?? Number.NaN);
    if (!Number.isFinite(value)) throw new Error(`redis-benchmark printed no ${name}: ${text}`);
    return value;
  };
  return {
    perSecond: number('rps'),
    p50Ms: number('p50_latency_ms'),
    p99Ms: number('p99_latency_ms'),
    maxMs: number('max_latency_ms'),
  };
}

const cells = (line: string): readonly string[] =>
  line.split('","').map((cell) => cell.replaceAll('"', '').trim());
