/**
 * The 80-bit floating point of x86, in which Redis computes INCRBYFLOAT: 64 bits of mantissa, rounded to nearest, ties to even.
 *
 * Replies must equal Redis's on the usual machine, on every machine, so the arithmetic is done in whole numbers. A value is
 * `mantissa × 2^exponent`. `parseLongDouble` reads what C's strtold reads and Redis accepts, `formatLongDouble` prints `%.17Lf` without
 * trailing zeros.
 */

import { assert } from '../../base/assert.ts';

export interface LongDouble {
  /** Signed; its absolute value is at most 2^64. */
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** What strtold makes of `inf`: a number that Redis reads, but no sum it accepts. */
export type ParsedLongDouble = LongDouble | 'infinite';

const mantissaBits = 64;
/** The smallest number is 2^−16445, the largest is below 2^16384. */
const exponentMin = -16445;
const magnitudeBitsMax = 16384;
/** Redis's buffer for the text (MAX_LONG_DOUBLE_CHARS), the final NUL counted. */
const textBytesMax = 5120;
/** Beyond these powers every number with so few digits is too large or too small. */
const powerOfTenMax = 5000;
const powerOfTenMin = -10_500;
const powerOfTwoLimit = 50_000;
const decimals = 17;

const decimalForm = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const hexForm = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i;
const infiniteForm = /^[+-]?inf(?:inity)?$/i;

/** Undefined where Redis says that the value is not a valid float: also NaN, and what is too large or too small. */
export function parseLongDouble(text: string): ParsedLongDouble | undefined {
  if (text.length >= textBytesMax) return undefined;
  if (infiniteForm.test(text)) return 'infinite';
  const hex = hexForm.exec(text);
  const match = hex ?? decimalForm.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', power = '0'] = match;
  const digits = whole + fraction;
  if (digits === '') return undefined;
  const significand = BigInt(hex === null ? digits : `0x${digits}`);
  if (significand === 0n) return { mantissa: 0n, exponent: 0 };
  const value =
    hex === null
      ? fromDecimal(significand, Number(power) - fraction.length)
      : fromBinary(significand, Number(power) - 4 * fraction.length);
  if (value === undefined || value.mantissa === 0n) return undefined;
  return sign === '-' ? { ...value, mantissa: -value.mantissa } : value;
}

/** The sum; undefined where it is infinite or not a number. */
export function addLongDouble(a: ParsedLongDouble, b: ParsedLongDouble): LongDouble | undefined {
  if (a === 'infinite' || b === 'infinite') return undefined;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = aligned(a, exponent) + aligned(b, exponent);
  const rounded = fromBinary(sum < 0n ? -sum : sum, exponent);
  if (rounded === undefined || sum >= 0n) return rounded;
  return { ...rounded, mantissa: -rounded.mantissa };
}

/** Seventeen decimals, ties to even, then without trailing zeros; never `-0`. */
export function formatLongDouble(value: LongDouble): string {
  const magnitude = value.mantissa < 0n ? -value.mantissa : value.mantissa;
  const scaled = magnitude * 10n ** BigInt(decimals);
  const shift = BigInt(Math.abs(value.exponent));
  const units = value.exponent >= 0 ? scaled << shift : divideToEven(scaled, 1n << shift);
  if (units === 0n) return '0';
  const digits = String(units).padStart(decimals + 1, '0');
  const fraction = digits.slice(-decimals).replace(/0+$/, '');
  const whole = digits.slice(0, -decimals);
  const sign = value.mantissa < 0n ? '-' : '';
  return fraction === '' ? sign + whole : `${sign}${whole}.${fraction}`;
}

function aligned(value: LongDouble, exponent: number): bigint {
  return value.mantissa << BigInt(value.exponent - exponent);
}

function fromDecimal(significand: bigint, power: number): LongDouble | undefined {
  if (power > powerOfTenMax || power < powerOfTenMin) return undefined;
  const scale = 10n ** BigInt(Math.abs(power));
  return power >= 0 ? roundRatio(significand * scale, 1n) : roundRatio(significand, scale);
}

function fromBinary(significand: bigint, power: number): LongDouble | undefined {
  if (Math.abs(power) > powerOfTwoLimit) return undefined;
  const scale = 1n << BigInt(Math.abs(power));
  return power >= 0 ? roundRatio(significand * scale, 1n) : roundRatio(significand, scale);
}

/** The nearest value to a ratio of whole numbers, not negative; undefined where it is too large. */
function roundRatio(numerator: bigint, denominator: bigint): LongDouble | undefined {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 };
  const guess = bitLength(numerator) - bitLength(denominator) - mantissaBits;
  let exponent = Math.max(guess, exponentMin);
  let mantissa = scaledQuotient(numerator, denominator, exponent);
  if (bitLength(mantissa) > mantissaBits) {
    exponent += 1;
    mantissa = scaledQuotient(numerator, denominator, exponent);
  }
  assert(mantissa <= 1n << BigInt(mantissaBits), 'a rounded mantissa has 64 bits, or is 2^64');
  if (bitLength(mantissa) + exponent > magnitudeBitsMax) return undefined;
  return { mantissa, exponent };
}

function scaledQuotient(numerator: bigint, denominator: bigint, exponent: number): bigint {
  const shift = BigInt(Math.abs(exponent));
  return exponent < 0
    ? divideToEven(numerator << shift, denominator)
    : divideToEven(numerator, denominator << shift);
}

function divideToEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = 2n * (numerator % denominator);
  const isUp = twice > denominator || (twice === denominator && (quotient & 1n) === 1n);
  return isUp ? quotient + 1n : quotient;
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return 4 * hex.length - Math.clz32(parseInt(hex.charAt(0), 16)) + 28;
}
