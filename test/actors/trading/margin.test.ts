import { describe, expect, test } from 'vitest';
import { formatMoney, formatScaled } from '../../../actors/trading/money.ts';
import { marginFor, marginLevelOf, shareOf, unpricedSymbol, valuationOf } from '../../../actors/trading/margin.ts';
import { notionalOf } from '../../../actors/trading/instrument.ts';
import {
  factsOf,
  filled,
  instruments,
  type Ledger,
  limitOrder,
  marketWith,
  marketWithout,
  opened,
  order,
  quote,
  s,
} from './fixtures.ts';

const one = 10n ** 18n;
const rate = (text: string) => s(text) * 10n ** 10n;

describe('margin', () => {
  test.each([
    ['EURUSD', '1', '1.2', 30, '1.2', 'USD', '4000.00'],
    ['EURUSD', '1', '1.2', 500, '1.2', 'USD', '4000.00'],
    ['EURUSD', '1', '1.2', 10, '1.2', 'USD', '12000.00'],
    ['EURUSD', '0.01', '1.2', 30, '1', 'EUR', '33.34'],
    ['USDJPY', '0.01', '150', 30, '150.01', 'JPY', '5001'],
    ['XAUUSD', '1', '2350.25', 30, '1', 'USD', '11751.25'],
    ['BTCUSD', '0.01', '65015', 30, '1', 'USD', '325.08'],
    ['US500', '5', '3451.95', 20, '1.20887', 'EUR', '1043.24'],
  ])(
    '%s %s lots at %s, account leverage %i, rate %s %s: %s',
    (symbol, lots, price, leverage, toAccount, currency, text) => {
      const instrument = instruments.get(symbol)!;
      const notional = notionalOf(instrument, s(lots), s(price));
      const margin = marginFor(
        instrument,
        { side: 'buy', quantity: s(lots), notional },
        leverage,
        rate(toAccount),
        currency,
      );
      expect(formatMoney(margin, currency)).toBe(text);
    },
  );

  test('is rounded up to the minor unit, never down, and stays where it is even', () => {
    const instrument = instruments.get('EURUSD')!;
    const exposure = { side: 'buy', quantity: s('0.03'), notional: 0n } as const;
    expect(formatMoney(marginFor(instrument, exposure, 30, one, 'EUR'), 'EUR')).toBe('100.00');
    expect(formatMoney(marginFor(instrument, exposure, 30, one + 1n, 'EUR'), 'EUR')).toBe('100.01');
  });
});

test.each([
  ['100.00', 1n, 3n, 'USD', '33.34'],
  ['100.00', 1n, 4n, 'USD', '25.00'],
  ['100.00', 0n, 3n, 'USD', '0.00'],
  ['100', 1n, 3n, 'JPY', '34'],
])('a share of margin is rounded up too: of %s, %s / %s in %s is %s', (margin, part, whole, currency, text) => {
  expect(formatMoney(shareOf(s(margin), part, whole, currency), currency)).toBe(text);
});

/** The account's margin, as text. */
function marginOf(ledger: Ledger): string {
  const { margin } = valuationOf(ledger.account, factsOf())!;
  return formatMoney(margin, ledger.account.currency);
}

function holding(side: 'buy' | 'sell', quantity: string): Ledger {
  const ledger = opened();
  ledger.give(order({ side, quantity: s(quantity) }));
  ledger.give(filled('o-1-3', quantity, '1.08'));
  return ledger;
}

// One lot of EURUSD needs 1.0801 × 100,000 ÷ 30 = 3600.34.
describe('netting', () => {
  test('working orders hold margin at once', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.05', { quantity: s('1') }));
    expect(marginOf(ledger)).toBe('3600.34');
  });

  test('of the two sides of a symbol only the larger one needs margin', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.05', { quantity: s('1') }));
    ledger.give(limitOrder('1.10', { quantity: s('2'), side: 'sell' }));
    expect(marginOf(ledger)).toBe('7200.67');
  });

  test('an order that only reduces a position needs no margin', () => {
    const ledger = holding('buy', '1');
    ledger.give(limitOrder('1.10', { quantity: s('1'), side: 'sell' }));
    expect(marginOf(ledger)).toBe('3600.34');
  });

  test('what several orders together are more than the position counts', () => {
    const ledger = holding('buy', '1');
    for (let i = 0; i < 3; i++) ledger.give(limitOrder('1.10', { quantity: s('1'), side: 'sell' }));
    expect(marginOf(ledger)).toBe('7200.68');
  });

  test('the margin of a position on top of orders of its side is the sum', () => {
    const ledger = holding('sell', '1');
    ledger.give(limitOrder('1.10', { quantity: s('1'), side: 'sell' }));
    expect(marginOf(ledger)).toBe('7200.68');
  });

  test('an order that ends gives its margin back', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.05', { quantity: s('1') }));
    ledger.give(filled('o-1-3', '0.25', '1.05'));
    expect(ledger.account.totals.get('EURUSD')!.buy.quantity).toBe(s('0.75'));
    ledger.give(filled('o-1-3', '0.75', '1.05', 'second'));
    expect(ledger.account.totals.size).toBe(0);
    expect(marginOf(ledger)).toBe('3600.34');
  });
});

describe('valuation', () => {
  test('marks a position at the closing side and converts a loss at the higher rate', () => {
    const ledger = opened({ currency: 'EUR' });
    ledger.give(order({ symbol: 'USDJPY', quantity: s('1') }));
    ledger.give(filled('o-1-3', '1', '151'));
    // 100,000 yen lost; a yen is at most 1 ÷ 162 euro.
    expect(formatMoney(valuationOf(ledger.account, factsOf())!.openProfit, 'EUR')).toBe('-617.28');
  });

  test('uses the last quote whatever its age: a resting market keeps its price', () => {
    const ledger = holding('buy', '1');
    const later = factsOf({ nowMicros: 2 ** 53 - 1 });
    expect(valuationOf(ledger.account, later)).toEqual(valuationOf(ledger.account, factsOf()));
  });

  test('is not known while the quote of a position was never seen', () => {
    const ledger = holding('buy', '1');
    const facts = factsOf({ quotes: marketWithout('EURUSD') });
    expect(valuationOf(ledger.account, facts)).toBeUndefined();
    expect(unpricedSymbol(ledger.account, facts)).toBe('EURUSD');
    expect(unpricedSymbol(ledger.account, factsOf())).toBeUndefined();
  });

  test('equity is balance plus open profit, and free margin what equity is above margin', () => {
    const ledger = holding('buy', '1');
    const facts = factsOf({ quotes: marketWith(quote('EURUSD', '1.0795', '1.0796')) });
    const { openProfit, equity, margin, freeMargin } = valuationOf(ledger.account, facts)!;
    expect(formatMoney(openProfit, 'USD')).toBe('-50.00');
    expect(formatMoney(equity, 'USD')).toBe('99950.00');
    expect(formatMoney(margin, 'USD')).toBe('3598.67');
    expect(freeMargin).toBe(equity - margin);
  });

  test.each([
    ['100', '50', '200.00'],
    ['-10', '50', '-20.00'],
    ['100', '30', '333.33'],
  ])('equity %s on margin %s is a level of %s percent', (equity, margin, level) => {
    expect(formatScaled(marginLevelOf({ equity: s(equity), margin: s(margin) })!, 2, 2)).toBe(level);
  });

  test('there is no margin level without margin', () => {
    expect(marginLevelOf({ equity: s('100'), margin: 0n })).toBeUndefined();
  });
});
