import fc from 'fast-check';
import { expect, test } from 'vitest';
import { percentile, toLine, toRow } from '../../bench/report.ts';

const measured = { name: 'risk-check', unit: 'µs', peer: 'plain' } as const;

test.each([
  ['higher' as const, 300, 100, 3],
  ['higher' as const, 50, 100, 0.5],
  ['lower' as const, 50, 100, 2],
  ['lower' as const, 200, 100, 0.5],
])('where %s is better, %d against %d is %d times as good', (direction, value, peerValue, ratio) => {
  expect(toLine('orders', { ...measured, direction, value, peerValue }).ratio).toBe(ratio);
});

test('a line has every member that readers of the output count on', () => {
  expect(toLine('orders', { name: 'risk-check', value: 0.18, unit: 'µs', direction: 'lower' })).toEqual({
    suite: 'orders',
    name: 'risk-check',
    value: 0.18,
    unit: 'µs',
    direction: 'lower',
    peer: null,
    peerValue: null,
    ratio: null,
  });
});

test('a peer that could not run has no figure and a reason', () => {
  const line = toLine('orders', { ...measured, direction: 'lower', value: 1, skipped: 'not installed' });
  expect(line).toMatchObject({ peer: 'plain', peerValue: null, ratio: null, skipped: 'not installed' });
  expect(toRow(line)).toContain('skipped: not installed');
});

test('a peer whose figure is zero gives no ratio', () => {
  expect(toLine('orders', { ...measured, direction: 'higher', value: 1, peerValue: 0 }).ratio).toBeNull();
});

test.each([NaN, Infinity])('%d is no measurement', (value) => {
  expect(() => toLine('orders', { ...measured, direction: 'lower', value })).toThrow(RangeError);
});

test('a percentile is a sample with its share of samples at or below it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true }), { minLength: 1 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (samples, share) => {
        const found = percentile(samples, share);
        expect(samples).toContain(found);
        expect(samples.filter((sample) => sample <= found).length).toBeGreaterThanOrEqual(share * samples.length);
        expect(samples.filter((sample) => sample < found).length).toBeLessThanOrEqual(share * samples.length);
      },
    ),
  );
});
