import fc from 'fast-check';
import { expect, test } from 'vitest';
import { annualGrowth, expectancy, maxDrawdown, sharpeRatio } from '../../../actors/analytics/returns.ts';
import { Decimal } from '../../../actors/trading/money.ts';

const d = (value: number | string) => new Decimal(value);
const shares = fc.array(fc.option(fc.integer({ min: -5_000, max: 5_000 }), { nil: undefined }), { maxLength: 40 });
const decimalsOf = (values: readonly (number | undefined)[]) =>
  values.map((value) => (value === undefined ? undefined : d(value).div(10_000)));

test('of too few returns, or of equal ones, there is no ratio', () => {
  expect(sharpeRatio([])).toBeUndefined();
  expect(sharpeRatio([d('0.01'), undefined])).toBeUndefined();
  expect(sharpeRatio([d('0.01'), d('0.01')])).toBeUndefined();
});

test('the ratio is mean over sample deviation, a year long, and does not see what was not observed', () => {
  fc.assert(
    fc.property(shares, (values) => {
      const seen = values.filter((value) => value !== undefined).map((value) => value / 10_000);
      const mean = seen.reduce((total, value) => total + value, 0) / seen.length;
      const variance = seen.reduce((total, value) => total + (value - mean) ** 2, 0) / (seen.length - 1);
      const ratio = sharpeRatio(decimalsOf(values));
      expect(ratio === undefined).toBe(new Set(seen).size < 2);
      if (!ratio) return;
      const expected = (mean / Math.sqrt(variance)) * Math.sqrt(252);
      expect(Math.abs(ratio.toNumber() - expected)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected)));
    }),
  );
});

test('the deepest fall is that between any peak and what came behind it, the beginning included', () => {
  fc.assert(
    fc.property(shares, (values) => {
      const curve = [1];
      for (const value of values) if (value !== undefined) curve.push(curve.at(-1)! * (1 + value / 10_000));
      let deepest = 0;
      for (const [i, peak] of curve.entries())
        for (const later of curve.slice(i)) deepest = Math.min(deepest, later / peak - 1);
      expect(maxDrawdown(decimalsOf(values)).toNumber()).toBeCloseTo(deepest, 9);
    }),
  );
});

test('growth is of a year of 365 days, and wants a beginning', () => {
  expect(annualGrowth(d(100), d(121), 730).toFixed(10)).toBe('0.1000000000');
  expect(annualGrowth(d(100), d(0), 365).toNumber()).toBe(-1);
  for (const [start, end, days] of [
    [0, 1, 1],
    [1, -1, 1],
    [1, 1, 0],
  ] as const)
    expect(() => annualGrowth(d(start), d(end), days)).toThrow(RangeError);
});

test('what a trade brings on average is the mean, told by wins and losses', () => {
  expect(expectancy([])).toBeUndefined();
  expect(expectancy([d(3), d(0), d(-1), d(-4)])!.toNumber()).toBe(-0.5);
});
