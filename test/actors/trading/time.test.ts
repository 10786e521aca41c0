import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTime, parseTime } from '../../../actors/trading/time.ts';

test.each([
  [0, '1970-01-01T00:00:00.000000Z'],
  [1, '1970-01-01T00:00:00.000001Z'],
  [-1, '1969-12-31T23:59:59.999999Z'],
  [1_796_083_200_000_000, '2026-12-01T00:00:00.000000Z'],
  [1_796_083_199_999_999, '2026-11-30T23:59:59.999999Z'],
])('%i µs is %s', (micros, text) => {
  expect(formatTime(micros)).toBe(text);
  expect(parseTime(text)).toBe(micros);
});

test('parsing after printing is the identity, whatever second came before', () => {
  const moments = fc.integer({ min: 0, max: 4_102_444_800_000_000 });
  fc.assert(
    fc.property(moments, (micros) => {
      expect(parseTime(formatTime(micros))).toBe(micros);
    }),
  );
});

test.each([
  '2026-12-01T00:00:00Z',
  '2026-12-01T00:00:00.000Z',
  '2026-12-01 00:00:00.000000Z',
  '2026-13-01T00:00:00.000000Z',
  '2026-02-30T00:00:00.000000Z',
  '2026-12-01T25:00:00.000000Z',
  '2026-12-01T00:00:00.000000+00:00',
  '',
])('%j is no wire time', (text) => {
  expect(parseTime(text)).toBeUndefined();
});
