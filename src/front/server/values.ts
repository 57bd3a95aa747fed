/**
 * Reads options and numbers out of a command's arguments as Redis does, and matches its glob patterns.
 */

import type { RequestDecoder } from '../../resp/decoder.ts';

/** The argument in upper case, to compare options by. */
export const optionAt = (request: RequestDecoder, position: number): string =>
  request.argLatin1(position).toUpperCase();

/** A whole number as Redis writes it (no plus, no leading zeros, no blanks), if it is a safe one; else undefined. */
export function integerAt(request: RequestDecoder, position: number): number | undefined {
  const text = request.argLatin1(position);
  if (!/^(?:0|-?[1-9]\d*)$/u.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A pattern with `*`, `?`, `[a-c]`, `[^a]` and `\x`, without regard to case. At most lengths multiplied of time. */
export function matchesGlob(pattern: string, text: string): boolean {
  const glob = pattern.toLowerCase();
  const name = text.toLowerCase();
  let at = 0;
  let position = 0;
  let star = -1;
  let starPosition = 0;
  while (position < name.length) {
    const step = glob[at] === '*' ? undefined : matchOne(glob, at, name.charAt(position));
    if (glob[at] === '*') {
      star = at;
      starPosition = position;
      at += 1;
    } else if (step !== undefined) {
      at = step;
      position += 1;
    } else if (star >= 0) {
      // The last star takes one more char; earlier ones need not be tried again.
      starPosition += 1;
      position = starPosition;
      at = star + 1;
    } else {
      return false;
    }
  }
  while (glob[at] === '*') at += 1;
  return at === glob.length;
}

/** The position behind the pattern's element at `at` if it matches `char`; else undefined. */
function matchOne(glob: string, at: number, char: string): number | undefined {
  switch (glob.charAt(at)) {
    case '':
      return undefined;
    case '?':
      return at + 1;
    case '[':
      return matchClass(glob, at + 1, char);
    case '\\':
      if (at + 1 < glob.length) return glob[at + 1] === char ? at + 2 : undefined;
      return char === '\\' ? at + 1 : undefined;
    default:
      return glob[at] === char ? at + 1 : undefined;
  }
}

function matchClass(glob: string, from: number, char: string): number | undefined {
  let at = from;
  const isNegated = glob[at] === '^';
  if (isNegated) at += 1;
  let isIn = false;
  while (at < glob.length && glob[at] !== ']') {
    if (glob[at] === '\\' && at + 1 < glob.length) at += 1;
    const low = glob.charAt(at);
    const isRange = glob[at + 1] === '-' && at + 2 < glob.length;
    const high = isRange ? glob.charAt(at + 2) : low;
    const [from, to] = low <= high ? [low, high] : [high, low];
    if (char >= from && char <= to) isIn = true;
    at += isRange ? 3 : 1;
  }
  return isIn === isNegated ? undefined : at + 1;
}
