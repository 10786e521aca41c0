/** Candles of a source whose price is known for any time: what its stream would hold, had it been running all along. */
import { applyTick, emptySeries, intervalMicros, type CandleInterval, type CandleSeries } from './candle.ts';
import type { Quote } from './quote.ts';

/**
 * @param priceAt the last price at or before a time; undefined where there was none
 * @param count candles, the current one included, 1 to 500
 * @param samples prices looked up a candle: enough that its high and low are near the true ones
 */
export function pastCandles(
  priceAt: (timeMicros: number) => Pick<Quote, 'bid' | 'ask' | 'timeMicros'> | undefined,
  interval: CandleInterval,
  untilMicros: number,
  count: number,
  samples = 60,
): CandleSeries {
  const length = intervalMicros(interval);
  const stepMicros = length / samples;
  const currentOpen = Math.floor(untilMicros / length) * length;
  let series = emptySeries(interval);
  for (let at = currentOpen - (count - 1) * length + stepMicros; at <= untilMicros; at += stepMicros) {
    const price = priceAt(Math.floor(at));
    if (price) series = applyTick(series, price);
  }
  const latest = priceAt(untilMicros);
  return latest ? applyTick(series, latest) : series;
}
