/**
 * The arithmetic of the benchmarks: what a handful of rounds says.
 *
 * Medians and the whole spread, no means: one round that a neighbour disturbed moves neither the median nor goes unseen.
 */

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Of at least one value. */
export function summary(values: readonly number[]): Summary {
  const sorted = values.toSorted((first, second) => first - second);
  return { median: median(sorted), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** Between the two in the middle where their number is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values have no median');
  const sorted = values.toSorted((first, second) => first - second);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  const lower = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** One ratio a round: what was measured side by side is compared, and only that. */
export function ratios(
  values: readonly number[],
  references: readonly number[],
): readonly number[] {
  if (values.length !== references.length)
    throw new Error('each round has a value and a reference');
  return values.map((value, round) => value / (references[round] ?? Number.NaN));
}

/** Every other round backwards, so that who comes first has no advantage. */
export function inTurn<Item>(items: readonly Item[], round: number): readonly Item[] {
  return round % 2 === 0 ? items : items.toReversed();
}

/** A number with so many significant digits. */
export function rounded(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}
