/**
 * What ends one attempt to be joined with a Redis, without ending the node: it is tried again.
 */

export class Unwell extends Error {
  override readonly name = 'Unwell';
}

/** Codes of errors that say that a Redis is unwell. A command that met one did not run, and is not skipped: it runs when Redis is well. */
const unwellCodes: ReadonlySet<string> = new Set([
  'OOM',
  'MISCONF',
  'READONLY',
  'BUSY',
  'NOPERM',
  'NOAUTH',
  'LOADING',
  'NOREPLICAS',
  'MASTERDOWN',
]);

/** Whether an error reply speaks of the Redis and not of the command. */
export function isUnwellError(reply: string): boolean {
  const end = /[ \r]/u.exec(reply)?.index ?? reply.length;
  return unwellCodes.has(reply.slice(1, end));
}

/** An error reply for people: without type byte and line end, and short. */
export const shownError = (reply: string): string => reply.slice(1, 200).trimEnd();
