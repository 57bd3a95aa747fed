/**
 * A mistake of whoever started the program: said in one line, exit code 1, never with a stack trace.
 */

/** `message` says what is wrong, where, and what to do, in one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What a value that was given looks like in a message, on one line and not too long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax)}…`;
}

const shownLengthMax = 60;

/** The known name that is most like the one given, if any is like it at all. The beginning of a name is very like it. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const given = plain(name);
  const edits = (candidate: string): number =>
    given.length >= 3 && plain(candidate).startsWith(given) ? 1 : distance(given, plain(candidate));
  const best = known.toSorted((left, right) => edits(left) - edits(right))[0];
  if (best === undefined) return undefined;
  return edits(best) <= Math.max(2, given.length / 3) ? best : undefined;
}

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** How many characters must be added, removed or changed to turn one text into the other (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [line, char] of from.split('').entries()) {
    const next = [line + 1];
    for (const [column, other] of to.split('').entries()) {
      const change = (row[column] ?? 0) + (char === other ? 0 : 1);
      next.push(Math.min(change, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
