import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecentRange } from '../../../actors/market/price-range.ts';

const windowMs = 8_000;
const pieceMicros = 1e6;

test('before the first good quote there is no range', () => {
  const range = new RecentRange(windowMs);
  range.add(108, 107, 1e9);
  expect(range.range).toBeUndefined();
  range.add(107, 108, 1e9);
  expect(range.range).toEqual({ low: 107, high: 108 });
});

test('prices are remembered for the window and no longer than a piece more', () => {
  const range = new RecentRange(windowMs);
  range.add(90, 110, 0);
  range.add(100, 101, 8e6);
  expect(range.range).toEqual({ low: 90, high: 110 });
  range.add(100, 101, 9e6);
  expect(range.range).toEqual({ low: 100, high: 101 });
  // Of a silence that is longer than the window nothing is left.
  range.add(102, 103, 1e12);
  expect(range.range).toEqual({ low: 102, high: 103 });
});

const quote = fc.record({
  bid: fc.integer({ min: 90, max: 110 }),
  spread: fc.integer({ min: -2, max: 3 }),
  stepMicros: fc.integer({ min: -2e6, max: 5e6 }),
});

test('it is that of the good quotes of the last pieces', () => {
  fc.assert(
    fc.property(fc.array(quote, { maxLength: 60 }), (quotes) => {
      const range = new RecentRange(windowMs);
      const good: { bid: number; ask: number; piece: number }[] = [];
      let timeMicros = 1e12;
      for (const { bid, spread, stepMicros } of quotes) {
        timeMicros += stepMicros;
        range.add(bid, bid + spread, timeMicros);
        const piece = Math.floor(timeMicros / pieceMicros);
        const newest = Math.max(...good.map((one) => one.piece), -Infinity);
        if (spread >= 0 && piece > newest - 9) good.push({ bid, ask: bid + spread, piece });
        const last = Math.max(...good.map((one) => one.piece), -Infinity);
        const kept = good.filter((one) => one.piece > last - 9);
        expect(range.range).toEqual(
          kept.length === 0
            ? undefined
            : { low: Math.min(...kept.map((one) => one.bid)), high: Math.max(...kept.map((one) => one.ask)) },
        );
      }
    }),
  );
});
