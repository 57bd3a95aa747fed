/**
 * Assertions that stay on in production: a failed one is our own bug, and the replica or process stops.
 *
 * Never on input from outside: bytes of clients, peers, disk or configuration are validated and answered.
 */

/** Thrown by a failed assertion; nothing but the outermost loop of a process may catch it. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** States what must hold; `message` says it in words and is not built at run time. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(`must hold: ${message}`);
}

/** Closes an exhaustive `switch` over a union. */
export function unreachable(value: never): never {
  throw new AssertionError(`no such case: ${String(value)}`);
}
