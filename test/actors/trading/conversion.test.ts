import { describe, expect, test } from 'vitest';
import { conversionRate, worseSide } from '../../../actors/trading/conversion.ts';
import { parseScaled } from '../../../actors/trading/money.ts';
import { factsOf, marketWith, marketWithout, NOW, quote, type World } from './fixtures.ts';

const rate = (text: string) => parseScaled(text, 18);

describe('a rate', () => {
  test.each([
    ['USD', 'USD', 'low', '1'],
    ['EUR', 'USD', 'low', '1.08'],
    ['EUR', 'USD', 'high', '1.0801'],
    ['USD', 'EUR', 'low', '0.925840199981483196'],
    ['USD', 'EUR', 'high', '0.925925925925925926'],
    ['GBP', 'JPY', 'low', '190.5'],
    ['GBP', 'JPY', 'high', '190.5307012'],
    ['CHF', 'JPY', 'low', '170.4313048220697177'],
  ] as const)('from %s to %s on the %s side is %s', (from, to, side, text) => {
    expect(conversionRate(from, to, side, factsOf(), NOW)).toBe(rate(text));
  });

  test('prefers the direct quote to the way over the dollar', () => {
    expect(conversionRate('EUR', 'GBP', 'low', factsOf(), NOW)).toBe(rate('0.85'));
  });

  // Each step is rounded towards the worse side, so the last digit may be one off the exact quotient.
  test('goes over the dollar where the direct quote may not be used', () => {
    const facts = factsOf({ quotes: marketWithout('EURGBP') });
    expect(conversionRate('EUR', 'GBP', 'high', facts, NOW)).toBe(rate('0.850472440944881891'));
  });
});

const late = NOW + 10_000_001;
test.each<[string, World, bigint | undefined]>([
  ['a quote as old as it may be', { nowMicros: NOW + 10_000_000 }, rate('1.08')],
  ['a stale quote', { nowMicros: late }, undefined],
  ['a crossed quote', { quotes: marketWith(quote('EURUSD', '1.0802', '1.0801')) }, undefined],
  ['a quote whose bid equals its ask', { quotes: marketWith(quote('EURUSD', '1.08', '1.08')) }, rate('1.08')],
  ['a missing quote', { quotes: marketWithout('EURUSD') }, undefined],
  ['a price of zero', { quotes: marketWith(quote('EURUSD', '0', '1.08')) }, undefined],
])('with %s a fresh rate from EUR to USD is what one may trade on', (_, world, expected) => {
  const facts = factsOf(world);
  expect(conversionRate('EUR', 'USD', 'low', facts, facts.nowMicros)).toBe(expected);
});

test('without a moment the last quote counts, however old, and of a crossed one the lower price is the low side', () => {
  const facts = factsOf({ quotes: marketWith(quote('EURUSD', '1.0802', '1.0801', 0)) });
  expect(conversionRate('EUR', 'USD', 'low', facts)).toBe(rate('1.0801'));
  expect(conversionRate('EUR', 'USD', 'high', facts)).toBe(rate('1.0802'));
});

test('currencies that no instrument connects have no rate', () => {
  expect(conversionRate('SEK', 'USD', 'low', factsOf())).toBeUndefined();
  expect(conversionRate('SEK', 'NOK', 'low', factsOf())).toBeUndefined();
});

test('an instrument that is merely named like a pair is none', () => {
  expect(conversionRate('US', '500', 'low', factsOf())).toBeUndefined();
});

test('a gain is converted low and a loss high', () => {
  expect(worseSide(1n)).toBe('low');
  expect(worseSide(-1n)).toBe('high');
});
