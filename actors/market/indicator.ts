/**
 * Indicators of technical analysis. They are opinions about prices and not money, so they are computed in doubles; the order of the
 * operations is fixed, so the same candles give the same figures everywhere.
 */

/** Exponential moving average at the last value, seeded with the mean of the first `period`. Undefined for fewer values than that. */
export function ema(values: readonly number[], period: number): number | undefined {
  if (values.length < period) return undefined;
  const weight = 2 / (period + 1);
  return values
    .slice(period)
    .reduce((average, value) => average + weight * (value - average), mean(values.slice(0, period)));
}

/** Wilder's relative strength index, 0 to 100; 50 where nothing moved. Needs one value more than `period`. */
export function rsi(values: readonly number[], period: number): number | undefined {
  if (values.length <= period) return undefined;
  const changes = values.slice(1).map((value, at) => value - values[at]!);
  const gain = smoothed(
    changes.map((change) => Math.max(change, 0)),
    period,
  );
  const loss = smoothed(
    changes.map((change) => Math.max(-change, 0)),
    period,
  );
  return gain + loss === 0 ? 50 : (100 * gain) / (gain + loss);
}

/** Wilder's average true range, in the unit of the prices. Needs one candle more than `period`. */
export function atr(
  candles: readonly { high: number; low: number; close: number }[],
  period: number,
): number | undefined {
  if (candles.length <= period) return undefined;
  const ranges = candles.slice(1).map(({ high, low }, at) => {
    const before = candles[at]!.close;
    return Math.max(high, before) - Math.min(low, before);
  });
  return smoothed(ranges, period);
}

/** Wilder's average: the mean of the first `period`, then each new value counts one part in `period`. */
function smoothed(values: readonly number[], period: number): number {
  return values
    .slice(period)
    .reduce((average, value) => (average * (period - 1) + value) / period, mean(values.slice(0, period)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
