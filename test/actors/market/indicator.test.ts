import fc from 'fast-check';
import { expect, test } from 'vitest';

import { atr, ema, rsi } from '../../../actors/market/indicator.ts';

test('the exponential average starts with the mean of its first period and weighs 2 ÷ (period + 1)', () => {
  expect(ema([1, 2, 3], 3)).toBe(2);
  expect(ema([1, 2, 3, 6, 4], 3)).toBe(4);
});

test('the relative strength index is 100 for gains alone, 0 for losses alone, 50 where nothing moves or both are equal', () => {
  expect(rsi([1, 2, 3, 4], 3)).toBe(100);
  expect(rsi([4, 3, 2, 1], 3)).toBe(0);
  expect(rsi([5, 5, 5, 5], 3)).toBe(50);
  expect(rsi([5, 6, 5], 2)).toBe(50);
});

test('the relative strength index smooths as Wilder does', () => {
  // Changes +2 -1 | +4: gains (1 × 1 + 4) ÷ 2 = 2.5, losses (0.5 × 1 + 0) ÷ 2 = 0.25.
  expect(rsi([10, 12, 11, 15], 2)).toBeCloseTo((100 * 2.5) / 2.75, 10);
});

test('the true range reaches to the close before, and its average is smoothed as Wilder does', () => {
  const bar = (high: number, low: number, close: number) => ({ high, low, close });
  // True ranges: 3 (gap up from 10), 2, then 7 (gap down from 12).
  const candles = [bar(10, 9, 10), bar(13, 12, 13), bar(13, 11, 12), bar(6, 5, 5)];
  expect(atr(candles, 2)).toBe((2.5 + 7) / 2);
});

test.each([0, 1, 13])('%d values are too few for any of them', (count) => {
  const values = Array.from({ length: count }, () => 1);
  const candles = values.map(() => ({ high: 1, low: 1, close: 1 }));
  expect([ema(values, 14), rsi(values, 14), atr(candles, 14)]).toEqual([undefined, undefined, undefined]);
});

test('an average lies within its values, and the strength index between 0 and 100', () => {
  const prices = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 15, maxLength: 80 });
  fc.assert(
    fc.property(prices, (values) => {
      const slack = 1e-6;
      expect(ema(values, 14)!).toBeGreaterThanOrEqual(Math.min(...values) - slack);
      expect(ema(values, 14)!).toBeLessThanOrEqual(Math.max(...values) + slack);
      expect(rsi(values, 14)!).toBeGreaterThanOrEqual(0);
      expect(rsi(values, 14)!).toBeLessThanOrEqual(100);
    }),
  );
});
