import { expect, test } from 'vitest';
import {
  formatPrice,
  formatQuantity,
  instrumentFrom,
  isOnStep,
  isOnTick,
  notionalOf,
  type InstrumentTerms,
} from '../../../actors/trading/instrument.ts';
import { instruments as configured } from '../../../config/instruments.ts';
import { instruments, s } from './fixtures.ts';

const eurusd = instruments.get('EURUSD')!;
const terms: InstrumentTerms = configured.find(({ symbol }) => symbol === 'EURUSD')!;

test.each([
  ['1.08000', true],
  ['1.08001', true],
  ['1.080005', false],
  ['1.08000001', false],
])('%s lies on a tick of EURUSD: %s', (price, isOn) => {
  expect(isOnTick(eurusd, s(price))).toBe(isOn);
});

test.each([
  ['0.01', true],
  ['0.10', true],
  ['0.015', false],
])('%s lots lie on a step of EURUSD: %s', (quantity, isOn) => {
  expect(isOnStep(eurusd, s(quantity))).toBe(isOn);
});

test('amounts are shown with the digits of the instrument, never rounded', () => {
  expect(formatPrice(eurusd, s('1.079'))).toBe('1.07900');
  expect(formatPrice(eurusd, s('1.0790001'))).toBe('1.0790001');
  expect(formatQuantity(eurusd, s('0.1'))).toBe('0.10');
  expect(formatPrice(undefined, s('1.079'))).toBe('1.079');
});

test('the notional of 0.1 lots of EURUSD at 1.07905 is 10790.50', () => {
  expect(notionalOf(eurusd, s('0.1'), s('1.07905'))).toBe(10_790_500_000_000_000_000_000n);
});

test.each<[Partial<InstrumentTerms>, string]>([
  [{ tickSize: '0' }, 'EURUSD: tickSize must be a decimal above zero, was 0'],
  [{ tickSize: '1e-5' }, 'EURUSD: tickSize must be a decimal above zero, was 1e-5'],
  [{ contractSize: '0.5' }, 'EURUSD: contractSize must be a decimal above zero, was 0.5'],
  [{ minQuantity: '200' }, 'EURUSD: minQuantity above maxQuantity'],
  [{ minQuantity: '0.015' }, 'EURUSD: minQuantity off quantityStep'],
  [{ digits: 4 }, 'EURUSD: tickSize finer than digits'],
  [{ quantityDigits: 1 }, 'EURUSD: quantityStep finer than quantityDigits'],
])('terms with %j are refused', (change, message) => {
  expect(() => instrumentFrom({ ...terms, ...change })).toThrow(new RangeError(message));
});
