import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram } from '../../runtime/histogram.ts';
import { trapRejections } from '../support/rejections.ts';

trapRejections();

function of(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

test('a histogram of nothing is all zero', () => {
  expect(new Histogram().quantiles()).toEqual({ p50: 0, p95: 0, p99: 0, max: 0, count: 0 });
});

test.each([
  ['one value', [5], 5, 5],
  ['nothing but zeros', [0, 0], 0, 0],
  ['less than it can tell apart', [0.000_1], 0.000_1, 0.000_1],
  ['more than half an hour', [10_000_000], 10_000_000, 10_000_000],
])('a histogram of %s knows it: %j', (_what, values, p50, max) => {
  expect(of(values).quantiles()).toMatchObject({ p50, max, count: values.length });
});

test('a quantile is known to half an octave, never below the value and never above the maximum', () => {
  const milliseconds = fc.double({ min: 0.001, max: 1_800_000, noNaN: true });
  fc.assert(
    fc.property(fc.array(milliseconds, { minLength: 1, maxLength: 300 }), (values) => {
      const { p50, p95, p99, max, count } = of(values).quantiles();
      const sorted = values.toSorted((a, b) => a - b);
      for (const [share, found] of [
        [0.5, p50],
        [0.95, p95],
        [0.99, p99],
      ] as const) {
        const exact = sorted[Math.ceil(values.length * share) - 1]!;
        expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
        expect(found).toBeLessThanOrEqual(Math.min(max, exact * Math.SQRT2) * (1 + 1e-9));
      }
      expect([max, count]).toEqual([sorted.at(-1), values.length]);
    }),
  );
});
