/**
 * A thread that does nothing but tell its parent, again and again after `periodMs`, that time has passed.
 *
 * The timers of an event loop know whole milliseconds only, which is more than what is measured takes.
 */

import { parentPort, workerData } from 'node:worker_threads';

const { periodMs } = workerData as { readonly periodMs: number };
const never = new Int32Array(new SharedArrayBuffer(4));
let nextMs = performance.now();
for (;;) {
  nextMs = Math.max(nextMs + periodMs, performance.now());
  Atomics.wait(never, 0, 0, nextMs - performance.now());
  parentPort?.postMessage(undefined, []);
}
