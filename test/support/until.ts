/**
 * Waiting for a condition instead of for time. Only tests of whole processes may wait in real time.
 */

import { setTimeout as sleep } from 'node:timers/promises';

const everyMs = 20;

/**
 * Asks again and again until the answer is neither undefined nor false, and gives it back. A question that throws has no
 * answer yet.
 *
 * Throws after `deadlineMs`, naming what was awaited and what the last question threw.
 */
export async function until<Answer>(
  what: string,
  deadlineMs: number,
  ask: () => Promise<Answer | undefined | false> | Answer | undefined | false,
): Promise<Answer> {
  const endMs = performance.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= endMs) {
      const last = cause instanceof Error ? `; last: ${cause.message}` : '';
      throw new Error(`waited ${deadlineMs} ms in vain until ${what}${last}`, { cause });
    }
    await sleep(everyMs);
  }
}

/** Rejects where `work` takes longer than `deadlineMs`. */
export async function within<Value>(
  what: string,
  deadlineMs: number,
  work: Promise<Value>,
): Promise<Value> {
  const ended = new AbortController();
  const late = sleep(deadlineMs, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`${what} took longer than ${deadlineMs} ms`);
  });
  // Aborting rejects the sleep, which then is nobody's concern.
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}
