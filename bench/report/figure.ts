/** Numbers as they are told: a median with its spread, because the machine is shared and a mean hides that. */

export interface Figure {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Of how many measurements. */
  readonly of: number;
}

/** @throws for no measurements at all */
export function figureOf(values: readonly number[]): Figure {
  return {
    median: quantile(values, 0.5),
    low: quantile(values, 0),
    high: quantile(values, 1),
    of: values.length,
  };
}

/** The value at `q` (0 to 1) of the sorted values, between two neighbours by their distance. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  if (low === undefined || high === undefined) throw new Error("there is nothing to take a quantile of");
  return low + (high - low) * (at - Math.floor(at));
}

/** One over the other, measurement by measurement: neighbours in time share the machine's mood. */
export function ratioOf(values: readonly number[], floors: readonly number[]): Figure {
  return figureOf(values.map((value, i) => value / (floors[i] ?? Number.NaN)));
}
