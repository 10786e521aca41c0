import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  COST_SCALE,
  Decimal,
  divideDown,
  divideHalfEven,
  divideUp,
  formatMoney,
  formatScaled,
  minorDigits,
  moneyOf,
  parseScaled,
  powerOfTen,
  roundToMinorUnit,
} from '../../../actors/trading/money.ts';

describe('parseScaled', () => {
  test.each([
    ['0', 0n],
    ['-0', 0n],
    ['1', 100_000_000n],
    ['1.08', 108_000_000n],
    ['-1.5', -150_000_000n],
    ['0.00000001', 1n],
    ['1.07900000', 107_900_000n],
    ['123456789012345678901234567890.12345678', 12345678901234567890123456789012345678n],
  ])('reads %s', (text, value) => {
    expect(parseScaled(text, 8)).toBe(value);
  });

  test.each([
    '',
    ' ',
    '+1',
    '1e3',
    '1E-3',
    'NaN',
    'Infinity',
    ' 1',
    '1 ',
    '1\n',
    '1.39148\r',
    '.5',
    '5.',
    '01',
    '1,5',
    '1_000',
    '0x10',
    '--1',
    '-',
    '１',
    '1.123456789',
    '9'.repeat(65),
  ])('refuses %j', (text) => {
    expect(parseScaled(text, 8)).toBeUndefined();
  });

  test('reads whole numbers alone at scale 0', () => {
    expect(parseScaled('100000', 0)).toBe(100_000n);
    expect(parseScaled('1.0', 0)).toBeUndefined();
  });
});

describe('formatScaled', () => {
  test.each([
    [0n, 8, 0, '0'],
    [0n, 8, 2, '0.00'],
    [1n, 8, 0, '0.00000001'],
    [-1n, 8, 0, '-0.00000001'],
    [107_900_000n, 8, 5, '1.07900'],
    [107_900_001n, 8, 5, '1.07900001'],
    [100_000_000n, 8, 0, '1'],
    [-150_000_000n, 8, 2, '-1.50'],
    [42n, 0, 0, '42'],
    [10n ** 40n, 8, 0, '1' + '0'.repeat(32)],
  ])('writes %s at scale %i with at least %i digits as %s', (value, scale, minDigits, text) => {
    expect(formatScaled(value, scale, minDigits)).toBe(text);
  });

  test('parsing after printing is the identity', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
        fc.constantFrom(0, 2, 8, 18),
        fc.nat(18),
        (value, scale, digits) => {
          expect(parseScaled(formatScaled(value, scale, Math.min(digits, scale)), scale)).toBe(value);
        },
      ),
    );
  });
});

describe('divisions', () => {
  test.each([
    [5n, 2n, 2n, 3n, 2n],
    [7n, 2n, 4n, 4n, 3n],
    [-5n, 2n, -2n, -2n, -3n],
    [-7n, 2n, -4n, -3n, -4n],
    [-1n, 3n, 0n, 0n, -1n],
    [2n, 3n, 1n, 1n, 0n],
    [6n, 3n, 2n, 2n, 2n],
    [-6n, 3n, -2n, -2n, -2n],
  ])('%s ÷ %s is %s half-even, %s up, %s down', (dividend, divisor, halfEven, up, down) => {
    expect(divideHalfEven(dividend, divisor)).toBe(halfEven);
    expect(divideUp(dividend, divisor)).toBe(up);
    expect(divideDown(dividend, divisor)).toBe(down);
  });

  test('agree with decimal arithmetic', () => {
    const dividends = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });
    fc.assert(
      fc.property(dividends, fc.bigInt({ min: 1n, max: 10n ** 9n }), (dividend, divisor) => {
        const exact = new Decimal(dividend.toString()).div(divisor.toString());
        expect(divideUp(dividend, divisor)).toBe(BigInt(exact.ceil().toFixed()));
        expect(divideDown(dividend, divisor)).toBe(BigInt(exact.floor().toFixed()));
        expect(divideHalfEven(dividend, divisor)).toBe(BigInt(exact.toDecimalPlaces(0).toFixed()));
      }),
    );
  });
});

test.each([
  ['USD', 2],
  ['EUR', 2],
  ['JPY', 0],
  ['KWD', 3],
  ['BTC', 8],
])('the minor unit of %s has %i digits', (currency, digits) => {
  expect(minorDigits(currency)).toBe(digits);
});

test.each([
  ['USD', 1_005n * 10n ** 15n, '1.00'],
  ['USD', 1_015n * 10n ** 15n, '1.02'],
  ['JPY', 2_500n * 10n ** 15n, '2'],
  ['BTC', 123_456_789_5n * 10n ** 8n, '0.12345679'],
])('an amount is booked half-even at the minor unit of %s', (currency, value, text) => {
  const booked = roundToMinorUnit(value, COST_SCALE, currency, divideHalfEven);
  expect(formatMoney(booked, currency)).toBe(text);
});

test('the edge sees the same amount as a Decimal with its currency', () => {
  const money = moneyOf(-1_234_000_000n, 'USD');
  expect(money.amount.toFixed(2)).toBe('-12.34');
  expect(money.currency).toBe('USD');
});

test('Decimal text never has an exponent', () => {
  expect(new Decimal('1e-30').toString()).toBe(`0.${'0'.repeat(29)}1`);
  expect(new Decimal('1e30').toString()).toBe(`1${'0'.repeat(30)}`);
});

test('powers of ten end at 63', () => {
  expect(powerOfTen(63)).toBe(10n ** 63n);
  expect(() => powerOfTen(64)).toThrow('exponent must be 0 to 63, was 64');
});
