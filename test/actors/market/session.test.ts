import { expect, test } from 'vitest';

import { isOpen } from '../../../actors/market/session.ts';
import type { AssetClass } from '../../../actors/trading/instrument.ts';

const at = (iso: string) => Date.parse(iso) * 1000;

test.each<[AssetClass, string, boolean, string]>([
  ['forex-major', '2026-01-09T21:59:59Z', true, 'Friday 16:59:59 in New York, winter'],
  ['forex-major', '2026-01-09T22:00:00Z', false, 'Friday 17:00, winter'],
  ['forex-minor', '2026-01-11T21:59:59Z', false, 'Sunday 16:59:59, winter'],
  ['forex-minor', '2026-01-11T22:00:00Z', true, 'Sunday 17:00, winter'],
  ['forex-major', '2026-07-10T20:59:59Z', true, 'Friday 16:59:59, summer'],
  ['forex-major', '2026-07-10T21:00:00Z', false, 'Friday 17:00, summer'],
  ['forex-major', '2026-07-12T21:00:00Z', true, 'Sunday 17:00, summer'],
  ['forex-major', '2026-07-11T12:00:00Z', false, 'Saturday'],
  ['forex-major', '2026-03-08T21:00:00Z', true, 'Sunday 17:00 on the day that summer time begins'],
  ['forex-major', '2026-11-01T21:59:59Z', false, 'Sunday 16:59:59 on the day that summer time ends'],
  ['forex-major', '2026-07-08T21:30:00Z', true, 'Wednesday 17:30: no break for currencies'],
  ['metal', '2026-07-08T20:59:59Z', true, 'Wednesday 16:59:59'],
  ['metal', '2026-07-08T21:00:00Z', false, 'Wednesday 17:00, the break begins'],
  ['index', '2026-07-08T21:59:59Z', false, 'Wednesday 17:59:59'],
  ['index', '2026-07-08T22:00:00Z', true, 'Wednesday 18:00, the break is over'],
  ['metal', '2026-07-12T21:30:00Z', false, 'Sunday 17:30'],
  ['metal', '2026-07-12T22:00:00Z', true, 'Sunday 18:00'],
  ['crypto', '2026-07-11T12:00:00Z', true, 'Saturday'],
])('%s at %s: open %s (%s)', (assetClass, time, expected) => {
  expect(isOpen({ assetClass }, at(time))).toBe(expected);
});

test('with sessions "always" every market is open', () => {
  expect(isOpen({ assetClass: 'forex-major' }, at('2026-07-11T12:00:00Z'), 'always')).toBe(true);
});
