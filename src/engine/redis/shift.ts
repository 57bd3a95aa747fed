/**
 * Deadlines as the fronted Redis stores them: 2^42 ms (139 years) later than they are.
 *
 * So no Redis expires a key by its own clock, while RENAME, COPY, PERSIST, SET … still carry or clear deadlines by Redis's own rules, and
 * a later deadline stays the later one. A deadline that would not fit Redis's 64 bits then is an invalid one.
 */

import { addInt64, parseInt64 } from '../int64.ts';
import type { Int64 } from '../int64.ts';

export const shiftMs: number = 2 ** 42;

/** Undefined: it does not fit. A deadline before 1970 is stored as that: shifted, it could lie ahead on Redis's own clock. */
export function shifted(deadlineMs: Int64): Int64 | undefined {
  return addInt64(deadlineMs < 0 ? 0 : deadlineMs, shiftMs);
}

/** What a PEXPIRETIME's reply says: a deadline, or undefined where the key is not there or has none. */
export function deadlineIn(reply: string): Int64 | undefined {
  const value = reply.startsWith(':') ? parseInt64(reply.slice(1, -2)) : undefined;
  return value === undefined || value < 0 ? undefined : addInt64(value, -shiftMs);
}
