/** A median, and the range in which it lies with 95 % confidence. */
export interface Summary {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly count: number
}

/**
 * Summarises samples by their median: on a busy machine the outliers are somebody else's.
 *
 * The range comes from order statistics (binomial, normal approximation), so it assumes no distribution.
 *
 * @throws {RangeError} without samples.
 */
export function summarise(samples: readonly number[]): Summary {
  const sorted = Float64Array.from(samples).sort()
  const count = sorted.length
  const reach = 0.98 * Math.sqrt(count)
  const at = (index: number): number => {
    const value = sorted[Math.min(count - 1, Math.max(0, Math.round(index)))]
    if (value === undefined) throw new RangeError('no samples to summarise')
    return value
  }
  const middle = (count - 1) / 2
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    low: at(Math.floor(middle - reach)),
    high: at(Math.ceil(middle + reach)),
    count,
  }
}
