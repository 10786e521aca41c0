/** Candles of a source whose price is known for any time: what its stream would hold, had it been running all along. */
import { applyPart, emptySeries, intervalMicros, partOf, type CandleInterval, type CandleSeries } from './candle.ts';
import { isCrossed, type Quote } from './quote.ts';

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
  const firstOpen = (Math.floor(untilMicros / length) - (count - 1)) * length;
  let series = emptySeries(interval);
  let lastMicros = firstOpen - 1;
  // Two looks may meet the same tick, and the first one a tick of the candle before: neither counts.
  const look = (atMicros: number): void => {
    const price = priceAt(atMicros);
    if (!price || price.timeMicros <= lastMicros) return;
    lastMicros = price.timeMicros;
    // Looked up here and there: none of them is complete.
    if (!isCrossed(price)) series = applyPart(series, partOf(price), Infinity);
  };
  for (let at = firstOpen + stepMicros; at < untilMicros; at += stepMicros) look(Math.floor(at));
  look(untilMicros);
  return series;
}
