import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { strFromU8, unzipSync } from 'fflate';
import { expect, test } from 'vitest';

import {
  applyTick,
  type Candle,
  candleIntervals,
  type CandleSeries,
  candlesOf,
  candleView,
  emptySeries,
  intervalMicros,
  mergedCandles,
} from '../../../actors/market/candle.ts';
import { readTicks } from '../../../transports/drivers/tick-file.ts';
import { testDataFile } from '../../support/test-data.ts';

const minute = 60_000_000;
const tick = (timeMicros: number, bid: number, ask = bid + 2) => ({ timeMicros, bid, ask });
const seriesOf = (...ticks: ReturnType<typeof tick>[]) => ticks.reduce(applyTick, emptySeries('1m'));

test('a candle is made of bids and opens with its first tick', () => {
  expect(candlesOf(seriesOf(tick(5, 100), tick(6, 103), tick(7, 98), tick(minute - 1, 101)))).toEqual([
    { openMicros: 0, open: 100, high: 103, low: 98, close: 101, ticks: 4, isComplete: true },
  ]);
});

test('the next interval opens a new candle, and an interval without ticks has none', () => {
  const candles = candlesOf(seriesOf(tick(5, 100), tick(minute, 110), tick(4 * minute + 1, 90)));
  expect(candles.map(({ openMicros, open }) => [openMicros / minute, open])).toEqual([
    [0, 100],
    [1, 110],
    [4, 90],
  ]);
});

test.each([
  ['a tick before the current candle', tick(minute - 1, 500)],
  ['a crossed quote', tick(minute + 5, 500, 499)],
])('%s changes nothing', (_, late) => {
  const series = seriesOf(tick(minute + 1, 100));
  expect(applyTick(series, late)).toBe(series);
});

test('a series keeps the newest 500 candles', () => {
  const series = seriesOf(...Array.from({ length: 700 }, (_, at) => tick(at * minute, at + 1)));
  const candles = candlesOf(series);
  expect([candles.length, candles[0]?.open, candles.at(-1)?.open]).toEqual([500, 201, 700]);
});

test('in every interval a candle starts on the clock, holds its prices between low and high, and counts each tick once', () => {
  const ticks = fc.array(fc.tuple(fc.integer({ min: 0, max: 200 * minute }), fc.integer({ min: 1, max: 1_000 })), {
    minLength: 1,
  });
  fc.assert(
    fc.property(fc.constantFrom(...candleIntervals), ticks, (interval, drawn) => {
      const sorted = drawn.toSorted(([one], [other]) => one - other).map(([time, bid]) => tick(time, bid));
      const candles = candlesOf(sorted.reduce(applyTick, emptySeries(interval)));
      const length = intervalMicros(interval);
      for (const { openMicros, open, high, low, close } of candles) {
        expect(openMicros % length).toBe(0);
        expect([low <= Math.min(open, close), high >= Math.max(open, close)]).toEqual([true, true]);
      }
      expect(candles.reduce((sum, candle) => sum + candle.ticks, 0)).toBe(sorted.length);
      expect(candles.at(-1)?.close).toBe(sorted.at(-1)?.bid);
    }),
  );
});

test('a candle is shown as decimal text with the digits of its instrument', () => {
  const candle: Candle = {
    openMicros: minute,
    open: 108_000_000,
    high: 108_012_000,
    low: 107_900_000,
    close: 108_001_000,
    ticks: 3,
    isComplete: true,
  };
  expect(candleView(candle, 5)).toEqual({
    time: '1970-01-01T00:01:00.000000Z',
    open: '1.08000',
    high: '1.08012',
    low: '1.07900',
    close: '1.08001',
    ticks: 3,
    isComplete: true,
  });
});

const at = (openMicros: number, change: Partial<Candle> = {}): Candle => ({
  ...{ openMicros, open: 10, high: 12, low: 9, close: 11, ticks: 3, isComplete: false, ...change },
});

test.each<[string, Candle, Candle, Candle]>([
  [
    'the complete one counts, the later',
    at(0),
    at(0, { isComplete: true, high: 50 }),
    at(0, { isComplete: true, high: 50 }),
  ],
  ['or the earlier', at(0, { isComplete: true, low: 5 }), at(0, { ticks: 9 }), at(0, { isComplete: true, low: 5 })],
  [
    'where neither is, both tell what they saw',
    at(0, { open: 1, high: 20, low: 5, ticks: 4 }),
    at(0, { open: 2, high: 12, low: 3, close: 7, ticks: 2 }),
    at(0, { open: 1, high: 20, low: 3, close: 7, ticks: 4 }),
  ],
])('of two candles for one time %s', (_, earlier, later, wanted) => {
  expect(mergedCandles([at(-minute), earlier], [later, at(minute)])).toEqual([at(-minute), wanted, at(minute)]);
});

const ticksFile = testDataFile('data/oanda-tick-eurusd-20140508_quote.zip');
const hoursFile = testDataFile('data/oanda-hour-eurusd.zip');
test.skipIf(!ticksFile || !hoursFile)('recorded ticks make the hour candles that their broker published', async () => {
  let series: CandleSeries = emptySeries('1h');
  for await (const batch of readTicks({
    path: ticksFile!,
    columns: ['milliseconds', 'bid', 'ask'],
    date: '2014-05-08',
  })) {
    series = batch.reduce(applyTick, series);
  }
  const candles = candlesOf(series);
  // The broker's candles open with the close before them and ours with their first tick, so theirs reach as far or to that close.
  const alike = candles.map(({ high, low, close }, hour) => {
    const before = candles[hour - 1]?.close ?? low;
    return [Math.max(high, before), Math.min(low, before), close].map((price) => price / 1e8);
  });
  expect(alike).toEqual(publishedHours(hoursFile!, '20140508'));
});

/** High, low and close of the bid, an hour a row. */
function publishedHours(path: string, day: string): number[][] {
  const [csv] = Object.values(unzipSync(readFileSync(path)));
  const rows = strFromU8(csv!).split('\n');
  return rows.filter((row) => row.startsWith(day)).map((row) => row.split(',').slice(2, 5).map(Number));
}
