/**
 * Redis's signed 64-bit integers: counters, deadlines, arguments.
 *
 * Invariant: a value is a `number` where it is a safe integer, and a `bigint` only beyond. So the usual case
 * costs nothing, comparisons with `<` and `===` are right for all, and `String` gives Redis's digits.
 */

export type Int64 = number | bigint;

export const int64Max: bigint = 2n ** 63n - 1n;
export const int64Min: bigint = -(2n ** 63n);

const textLengthMax = 20;
const exactDigitsMax = 15;
const minus = 45;
const digit0 = 48;

/** Reads what Redis's `string2ll` reads: digits in their one canonical spelling; undefined for all else. */
export function parseInt64(text: string): Int64 | undefined {
  const length = text.length;
  if (length === 0 || length > textLengthMax) return undefined;
  const start = text.charCodeAt(0) === minus ? 1 : 0;
  if (text.charCodeAt(start) === digit0) return length === 1 ? 0 : undefined;
  let value = 0;
  for (let at = start; at < length; at += 1) {
    const digit = text.charCodeAt(at) - digit0;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (length === start) return undefined;
  if (length - start > exactDigitsMax) return toInt64(BigInt(text));
  return start === 1 ? -value : value;
}

/** A value in its usual form; undefined where 64 bits do not hold it. */
export function toInt64(exact: bigint): Int64 | undefined {
  if (exact > int64Max || exact < int64Min) return undefined;
  const value = Number(exact);
  return Number.isSafeInteger(value) ? value : exact;
}

/** The sum, or undefined on overflow. */
export function addInt64(a: Int64, b: Int64): Int64 | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return toInt64(BigInt(a) + BigInt(b));
}

/** The product, or undefined on overflow. */
export function multiplyInt64(a: Int64, b: Int64): Int64 | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product;
  }
  return toInt64(BigInt(a) * BigInt(b));
}
