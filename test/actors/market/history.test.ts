import { expect, test } from 'vitest';
import { candlesOf } from '../../../actors/market/candle.ts';
import { pastCandles } from '../../../actors/market/history.ts';

const minute = 60_000_000;
const now = 1_000 * minute + 30_000_000;
const price = (timeMicros: number) => ({
  bid: Math.floor(timeMicros / 1_000_000),
  ask: Math.floor(timeMicros / 1_000_000) + 1,
  timeMicros,
});

test('the past reaches back as far as was asked, up to the candle of this moment', () => {
  const candles = candlesOf(pastCandles(price, '1m', now, 5));
  expect(candles.map((candle) => candle.openMicros / minute)).toEqual([996, 997, 998, 999, 1000]);
  expect(candles.at(-1)!.close).toBe(price(now).bid);
});

test('where the source had no price there is no candle', () => {
  const closedAt = (timeMicros: number) =>
    timeMicros >= 998 * minute && timeMicros < 999 * minute ? undefined : price(timeMicros);
  const candles = candlesOf(pastCandles(closedAt, '1m', now, 5));
  expect(candles.map((candle) => candle.openMicros / minute)).toEqual([996, 997, 999, 1000]);
});
