import fc from 'fast-check';
import { expect, test } from 'vitest';

import { changesOf, isSound } from '../../../actors/market/order-book.ts';
import {
  linkCrosses,
  type SimulatedInstrument,
  simulatedDepth,
  simulatedQuote,
  slotMicros,
} from '../../../actors/market/simulator.ts';
import {
  btcusd,
  eurchf,
  eurgbp,
  eurjpy,
  eurusd,
  forexPair,
  gbpjpy,
  gbpusd,
  usdchf,
  usdjpy,
} from '../../support/instruments.ts';

const catalogue = linkCrosses([eurusd, gbpusd, usdjpy, usdchf, eurgbp, eurjpy, gbpjpy, eurchf, btcusd]);
const bySymbol = (symbol: string) => catalogue.find((one) => one.symbol === symbol)!;

const dayMicros = 86_400_000_000;
const startMicros = Date.parse('2026-11-24T08:00:00Z') * 1000;
const anyTime = fc
  .integer({ min: 0, max: 40 * 365 })
  .chain((day) => fc.integer({ min: 0, max: dayMicros }).map((at) => day * dayMicros + at));
const anySeed = fc.integer({ min: 0, max: 2 ** 31 });
const anyInstrument = fc.constantFrom(...catalogue);

test('a price is the same for ever: seed, instrument and time are all it depends on', () => {
  expect(simulatedQuote(eurusd, 1, startMicros)).toEqual({
    bid: 108_700_000,
    ask: 108_710_000,
    timeMicros: 1_795_507_199_867_975,
  });
  expect(simulatedQuote(btcusd, 7, startMicros)).toEqual({
    bid: 6_467_655_000_000,
    ask: 6_468_961_000_000,
    timeMicros: 1_795_507_199_554_727,
  });
});

test('quotes are never crossed, above zero, on a tick, and within safe integers', () => {
  fc.assert(
    fc.property(anyInstrument, anySeed, anyTime, (instrument, seed, time) => {
      const { bid, ask } = simulatedQuote(instrument, seed, time);
      const tick = Number(instrument.tickSize);
      expect([bid > 0, ask > bid, bid % tick, ask % tick, Number.isSafeInteger(ask)]).toEqual([true, true, 0, 0, true]);
    }),
    { numRuns: 2_000 },
  );
});

test('the quote of a moment was shown at or before it, at most five slots ago, and stands until the next tick', () => {
  fc.assert(
    fc.property(anyInstrument, anySeed, anyTime, (instrument, seed, time) => {
      const quote = simulatedQuote(instrument, seed, time);
      expect(quote.timeMicros).toBeLessThanOrEqual(time);
      expect(time - quote.timeMicros).toBeLessThan(1_250_000);
      expect(simulatedQuote(instrument, seed, quote.timeMicros)).toEqual(quote);
    }),
  );
});

test.each([
  ['EURGBP', 'EURUSD', 'GBPUSD', (base: number, quote: number) => base / quote],
  ['EURJPY', 'EURUSD', 'USDJPY', (base: number, quote: number) => base * quote],
  ['GBPJPY', 'GBPUSD', 'USDJPY', (base: number, quote: number) => base * quote],
  ['EURCHF', 'EURUSD', 'USDCHF', (base: number, quote: number) => base * quote],
])(
  '%s follows %s and %s so closely that no round trip through the three is without risk',
  (cross, base, quote, combine) => {
    fc.assert(
      fc.property(anySeed, anyTime, (seed, time) => {
        const [inCross, inBase, inQuote] = [cross, base, quote].map((symbol) =>
          simulatedQuote(bySymbol(symbol), seed, time),
        );
        const isRatio = quote.endsWith('USD');
        const highest = combine(inBase!.ask / 1e8, (isRatio ? inQuote!.bid : inQuote!.ask) / 1e8);
        const lowest = combine(inBase!.bid / 1e8, (isRatio ? inQuote!.ask : inQuote!.bid) / 1e8);
        expect(inCross!.bid / 1e8).toBeLessThan(highest);
        expect(inCross!.ask / 1e8).toBeGreaterThan(lowest);
      }),
      { numRuns: 1_000 },
    );
  },
);

test('a cross without its dollar pairs is a market of its own, near its reference price', () => {
  const [alone] = linkCrosses([eurgbp]);
  expect(alone).toBe(eurgbp);
  expect(Math.abs(simulatedQuote(alone!, 1, startMicros).bid / Number(eurgbp.referencePrice) - 1)).toBeLessThan(0.06);
});

test.each([
  [eurusd, 0.006],
  [btcusd, 0.03],
  [forexPair('USD', 'MXN', 1_800_000_000n), 0.006],
] satisfies [SimulatedInstrument, number][])(
  '$0.symbol changes in a day by about its daily volatility',
  (instrument, volatility) => {
    const changes = Array.from({ length: 2_000 }, (_, day) => change(instrument, day * dayMicros, dayMicros));
    expect(deviation(changes) / volatility).toBeGreaterThan(0.85);
    expect(deviation(changes) / volatility).toBeLessThan(1.15);
  },
);

test('volatility comes in clusters: minutes are calmer or wilder than a random walk has them, and neighbours resemble each other', () => {
  const minuteMicros = 60_000_000;
  const sizes = Array.from({ length: 5_000 }, (_, minute) => change(eurusd, minute * minuteMicros, minuteMicros) ** 2);
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  const kurtosis = sizes.reduce((sum, size) => sum + size * size, 0) / sizes.length / mean ** 2;
  expect(kurtosis).toBeGreaterThan(3.3);
  const covariance = (lag: number) =>
    sizes.slice(lag).reduce((sum, size, at) => sum + (size - mean) * (sizes[at]! - mean), 0);
  expect(covariance(5) / covariance(0)).toBeGreaterThan(0.03);
});

test('the spread is wider where the market is wilder', () => {
  const wide: number[] = [];
  const narrow: number[] = [];
  for (let at = 0; at < 20_000; at += 1) {
    const time = startMicros + at * 15_000_000;
    const { bid, ask } = simulatedQuote(eurusd, 1, time);
    (ask - bid > 10_000 ? wide : narrow).push(Math.abs(change(eurusd, time - startMicros, 5_000_000)));
  }
  expect(deviation(wide)).toBeGreaterThan(1.3 * deviation(narrow));
});

function change(instrument: SimulatedInstrument, fromMicros: number, lengthMicros: number): number {
  const middle = (time: number) => {
    const { bid, ask } = simulatedQuote(instrument, 1, startMicros + time);
    return (bid + ask) / 2;
  };
  return middle(fromMicros + lengthMicros) / middle(fromMicros) - 1;
}

function deviation(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

test('a book is the same for ever, sound, on ticks and steps, and its best levels are the quote of its time', () => {
  fc.assert(
    fc.property(anyInstrument, anySeed, anyTime, fc.integer({ min: 1, max: 50 }), (instrument, seed, time, levels) => {
      const depth = simulatedDepth(instrument, seed, time, levels);
      const { bid, ask, timeMicros } = simulatedQuote(instrument, seed, time);
      expect(isSound(depth)).toBe(true);
      expect([depth.bids[0]![0], depth.asks[0]![0], depth.timeMicros]).toEqual([bid, ask, timeMicros]);
      expect([depth.bids.length, depth.asks.length]).toEqual([levels, levels]);
      const [tick, step] = [Number(instrument.tickSize), Number(instrument.quantityStep)];
      for (const [price, quantity] of [...depth.bids, ...depth.asks]) {
        expect([price % tick, quantity % step]).toEqual([0, 0]);
        expect(quantity).toBeLessThanOrEqual(Number(instrument.maxQuantity) / 5);
      }
      expect(simulatedDepth(instrument, seed, timeMicros, levels)).toEqual(depth);
    }),
    { numRuns: 500 },
  );
});

test('most of a book outlives a tick, and all of it changes in time', () => {
  const at = (slot: number) => simulatedDepth(btcusd, 1, startMicros + slot * slotMicros, 20);
  let changed = 0;
  for (let slot = 0; slot < 400; slot += 1) changed += changesOf(at(slot), at(slot + 1)).bids.length;
  // Of 20 levels that would all have gone, and 20 that would all have come.
  expect(changed / 400).toBeLessThan(20);
  expect(changed / 400).toBeGreaterThan(1);
});
