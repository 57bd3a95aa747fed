/**
 * Randomness as an argument: `system.ts` has the machine's, tests and simulations a seeded one.
 */

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** A whole number in [low, high], both ends included. */
export function randomInteger(random: Random, low: number, high: number): number {
  return low + Math.floor(random.next() * (high - low + 1));
}

/** Mulberry32: small, fast, the same everywhere for the same seed; not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next(): number {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    },
  };
}
