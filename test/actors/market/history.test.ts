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
  expect(candles.some(({ isComplete }) => isComplete)).toBe(false);
});

test('where the source had no price there is no candle', () => {
  const closedAt = (timeMicros: number) =>
    timeMicros >= 998 * minute && timeMicros < 999 * minute ? undefined : price(timeMicros);
  const candles = candlesOf(pastCandles(closedAt, '1m', now, 5));
  expect(candles.map((candle) => candle.openMicros / minute)).toEqual([996, 997, 999, 1000]);
});

test('a tick counts once, in its own candle, however often it is looked at', () => {
  const every = 25_000_000;
  const slow = (timeMicros: number) => price(Math.floor((timeMicros - 5_000_000) / every) * every + 5_000_000);
  const candles = candlesOf(pastCandles(slow, '1m', 1_000 * minute, 3));
  const ticks = [999, 998].map(
    (at) =>
      Array.from({ length: 3_000 }, (_, i) => i * every + 5_000_000).filter((tick) => Math.floor(tick / minute) === at)
        .length,
  );
  expect(candles.map((candle) => [candle.openMicros / minute, candle.ticks])).toEqual([
    [998, ticks[1]],
    [999, ticks[0]],
  ]);
});
