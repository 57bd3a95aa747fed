/**
 * How a sidecar ends: the first request to stop is graceful and bounded, a second one is immediate.
 */

import type { EventEmitter } from 'node:events';

/** Leaders move away within a few round trips; what takes longer than this will not end well by waiting. */
const gracePeriodMs = 2_000;
/** npm and a terminal both pass one Ctrl-C on; what comes within this time is the same request. */
const sameRequestMs = 300;

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The part of `process` that shutdown touches. */
export interface StoppableProcess extends EventEmitter {
  /** Defined where the process was started with a channel to its parent, which may be gone by now. */
  readonly send?: unknown;
  readonly connected?: boolean;
  exit(code: number): void;
}

export interface ShutdownOptions {
  readonly process: StoppableProcess;
  /** Called once. */
  stop(): Promise<void>;
  /** Why it ends: `SIGTERM`, or that the parent is gone. */
  onStopping(reason: string): void;
  /** A stop that failed; the process exits with code 1 afterwards. */
  onFailed(error: unknown): void;
  monotonicMs(): number;
  /** Calls once after so many ms, unless the process ends before. */
  after(delayMs: number, call: () => void): void;
}

/**
 * Stops on signals, and when the parent's channel closes: a node that `outrigger dev` started never outlives it, even where that
 * was killed. A stop that ends in time exits with 0, one that fails, takes too long or is cut short with 1.
 */
export function stopOnRequest(options: ShutdownOptions): void {
  const { process } = options;
  let firstMs: number | undefined;
  const begin = (reason: string): void => {
    if (firstMs !== undefined) return;
    firstMs = options.monotonicMs();
    options.onStopping(reason);
    options.after(gracePeriodMs, () => process.exit(1));
    options.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        options.onFailed(error);
        process.exit(1);
      },
    );
  };
  for (const signal of signals)
    process.on(signal, () => {
      if (firstMs !== undefined && options.monotonicMs() - firstMs > sameRequestMs) process.exit(1);
      else begin(signal);
    });
  process.on('disconnect', () => begin('the parent process is gone'));
  if (process.send !== undefined && process.connected === false)
    begin('the parent process is gone');
}
