import { describe, expect, test } from 'vitest';
import { emptyAccount } from '../../../actors/trading/account.ts';
import type { OrderTerms } from '../../../actors/trading/events.ts';
import { assess, type Denial } from '../../../actors/trading/risk.ts';
import { formatTime } from '../../../actors/trading/time.ts';
import {
  factsOf,
  filled,
  type Ledger,
  limitOrder,
  marketWith,
  marketWithout,
  NOW,
  opened,
  order,
  quote,
  s,
  type World,
} from './fixtures.ts';

function denialOf(ledger: Ledger, change: Partial<OrderTerms>, world: World = {}): Denial | undefined {
  const assessment = assess(ledger.account, order(change), factsOf(world));
  return 'denial' in assessment ? assessment.denial : undefined;
}

const limit = (limitPrice: string, change: Partial<OrderTerms> = {}): Partial<OrderTerms> => ({
  orderType: 'limit',
  limitPrice: s(limitPrice),
  timeInForce: 'gtc',
  ...change,
});

describe('what an order says of itself', () => {
  test.each<[string, Partial<OrderTerms>, Denial | undefined]>([
    ['a market order', {}, undefined],
    ['a market order good till canceled', { timeInForce: 'gtc' }, undefined],
    ['a market order for the day', { timeInForce: 'day' }, undefined],
    ['a market order, fill or kill', { timeInForce: 'fok' }, undefined],
    [
      'a market order till a date',
      { timeInForce: 'gtd' },
      { code: 'TIME_IN_FORCE_UNSUPPORTED', figures: { orderType: 'market', timeInForce: 'gtd' } },
    ],
    ['a limit order', limit('1.05'), undefined],
    ['a limit order, immediate or cancel', limit('1.05', { timeInForce: 'ioc' }), undefined],
    ['a limit order, fill or kill', limit('1.05', { timeInForce: 'fok' }), undefined],
    ['a limit order for the day', limit('1.05', { timeInForce: 'day' }), undefined],
    [
      'a limit order till a date that is not given',
      limit('1.05', { timeInForce: 'gtd' }),
      { code: 'EXPIRY_INVALID', figures: { now: formatTime(NOW) } },
    ],
    [
      'a stop order that is immediate or cancel',
      { orderType: 'stop', stopPrice: s('1.09000'), timeInForce: 'ioc' },
      { code: 'TIME_IN_FORCE_UNSUPPORTED', figures: { orderType: 'stop', timeInForce: 'ioc' } },
    ],
    ['an unknown symbol', { symbol: 'EURXXX' }, { code: 'SYMBOL_UNKNOWN', figures: { symbol: 'EURXXX' } }],
    ['the smallest quantity', { quantity: s('0.01') }, undefined],
    [
      'less than the smallest quantity',
      { quantity: s('0.009') },
      { code: 'QUANTITY_BELOW_MINIMUM', figures: { minimum: '0.01', was: '0.009' } },
    ],
    ['no quantity', { quantity: 0n }, { code: 'QUANTITY_BELOW_MINIMUM', figures: { minimum: '0.01', was: '0.00' } }],
    [
      'a quantity below zero',
      { quantity: s('-0.10') },
      { code: 'QUANTITY_BELOW_MINIMUM', figures: { minimum: '0.01', was: '-0.10' } },
    ],
    [
      'more than the largest quantity',
      { quantity: s('100.01') },
      { code: 'QUANTITY_ABOVE_MAXIMUM', figures: { maximum: '100.00', was: '100.01' } },
    ],
    [
      'a quantity off the step',
      { quantity: s('0.015') },
      { code: 'QUANTITY_STEP', figures: { step: '0.01', was: '0.015' } },
    ],
    [
      'a market order with a price',
      { limitPrice: s('1.08') },
      { code: 'PRICE_NOT_ALLOWED', figures: { orderType: 'market', limitPrice: '1.08000' } },
    ],
    [
      'a limit order without a price',
      { orderType: 'limit', timeInForce: 'gtc' },
      { code: 'PRICE_MISSING', figures: { orderType: 'limit', field: 'limitPrice' } },
    ],
    [
      'a price off the tick',
      limit('1.050005'),
      { code: 'PRICE_TICK', figures: { tickSize: '0.00001', was: '1.050005' } },
    ],
    ['a price of zero', limit('0'), { code: 'PRICE_TICK', figures: { tickSize: '0.00001', was: '0.00000' } }],
    ['a price below zero', limit('-1.05'), { code: 'PRICE_TICK', figures: { tickSize: '0.00001', was: '-1.05000' } }],
  ])('%s', (_, change, denial) => {
    expect(denialOf(opened({ balance: '10000000' }), change)).toEqual(denial);
  });

  test('the largest quantity is allowed', () => {
    expect(
      denialOf(opened({ balance: '10000000' }), { quantity: s('100') }, { maxOrderValue: s('20000000') }),
    ).toBeUndefined();
  });
});

describe('the quote', () => {
  const staleAfterMs = '10000';
  test.each<[string, World, Denial | undefined]>([
    ['as old as it may be', { nowMicros: NOW + 10_000_000 }, undefined],
    [
      'older',
      { nowMicros: NOW + 10_000_001 },
      { code: 'QUOTE_STALE', figures: { symbol: 'EURUSD', quotedAt: formatTime(NOW), staleAfterMs } },
    ],
    ['from as far ahead as it may be, after our clock was set back', { nowMicros: NOW - 10_000_000 }, undefined],
    [
      'from further ahead',
      { nowMicros: NOW - 10_000_001 },
      { code: 'QUOTE_STALE', figures: { symbol: 'EURUSD', quotedAt: formatTime(NOW), staleAfterMs } },
    ],
    ['with no spread', { quotes: marketWith(quote('EURUSD', '1.08', '1.08')) }, undefined],
    [
      'crossed',
      { quotes: marketWith(quote('EURUSD', '1.08001', '1.08')) },
      { code: 'QUOTE_CROSSED', figures: { symbol: 'EURUSD', bid: '1.08001', ask: '1.08000' } },
    ],
    [
      'doubted by another source',
      { quotes: marketWith({ ...quote('EURUSD', '1.08', '1.08001'), fault: 'diverged' }) },
      { code: 'QUOTE_DIVERGED', figures: { symbol: 'EURUSD', bid: '1.08000', ask: '1.08001' } },
    ],
    ['missing', { quotes: marketWithout('EURUSD') }, { code: 'QUOTE_MISSING', figures: { symbol: 'EURUSD' } }],
  ])('%s decides over a market order', (_, world, denial) => {
    expect(denialOf(opened(), {}, world)).toEqual(denial);
  });

  test('a limit to buy needs none of its own symbol, only rates that are fresh', () => {
    const world = { quotes: marketWithout('EURGBP') };
    expect(denialOf(opened(), limit('0.85', { symbol: 'EURGBP' }), world)).toBeUndefined();
  });

  test('a limit to sell needs one, of any age, since it may be filled far above its limit', () => {
    const sell = limit('0.85', { symbol: 'EURGBP', side: 'sell' });
    const missing = { code: 'QUOTE_MISSING', figures: { symbol: 'EURGBP' } };
    expect(denialOf(opened(), sell, { quotes: marketWithout('EURGBP') })).toEqual(missing);
    const old = { quotes: marketWith(quote('EURGBP', '0.85', '0.851', 0)) };
    expect(denialOf(opened(), sell, old)).toBeUndefined();
  });

  test('a limit to sell what is held needs none', () => {
    const ledger = opened({ currency: 'GBP' });
    ledger.give(order({ symbol: 'EURGBP' }));
    ledger.give(filled('o-1-3', '0.10', '0.85'));
    const sell = limit('0.86', { symbol: 'EURGBP', side: 'sell' });
    const world = { quotes: marketWithout('EURGBP') };
    expect(denialOf(ledger, sell, world)).toBeUndefined();
    expect(denialOf(ledger, { ...sell, quantity: s('0.11') }, world)?.code).toBe('QUOTE_MISSING');
  });
});

describe('conversion', () => {
  test.each<[string, string, World, Denial['figures']]>([
    ['the quote currency', 'USDJPY', { quotes: marketWithout('USDJPY', 'EURJPY') }, { from: 'JPY', to: 'EUR' }],
    [
      'a stale rate',
      'EURGBP',
      { quotes: marketWith(quote('EURGBP', '0.85', '0.851', NOW - 10_000_001), quote('EURUSD', '1.08', '1.09', 0)) },
      { from: 'GBP', to: 'EUR' },
    ],
    ['the margin currency', 'GBPUSD', { quotes: marketWithout('GBPUSD', 'EURGBP') }, { from: 'GBP', to: 'EUR' }],
  ])('without %s an order is denied', (_, symbol, world, figures) => {
    const denial = denialOf(opened({ currency: 'EUR' }), limit('1', { symbol }), world);
    expect(denial).toEqual({ code: 'CONVERSION_UNAVAILABLE', figures });
  });

  test('an order that only reduces a position goes through on the last rate', () => {
    const ledger = opened({ currency: 'EUR' });
    ledger.give(order({ symbol: 'USDJPY', quantity: s('1') }));
    ledger.give(filled('o-1-3', '1', '150'));
    const nowMicros = NOW + 60_000_000;
    const close = limit('150.100', { symbol: 'USDJPY', side: 'sell', quantity: s('1') });
    expect(denialOf(ledger, close, { nowMicros })).toBeUndefined();
    const more = { ...close, quantity: s('1.01') };
    expect(denialOf(ledger, more, { nowMicros })?.code).toBe('CONVERSION_UNAVAILABLE');
    expect(denialOf(ledger, { ...close, side: 'buy' }, { nowMicros })?.code).toBe('CONVERSION_UNAVAILABLE');
  });

  test('an account with a position that was never priced may not take on more', () => {
    const ledger = opened();
    ledger.give(order());
    ledger.give(filled('o-1-3', '0.10', '1.08'));
    expect(denialOf(ledger, { symbol: 'US500', quantity: s('1') }, { quotes: marketWithout('EURUSD') })).toEqual({
      code: 'CONVERSION_UNAVAILABLE',
      figures: { symbol: 'EURUSD', to: 'USD' },
    });
  });
});

describe('the account', () => {
  test('that is not open trades nothing', () => {
    const assessment = assess(emptyAccount(1), order(), factsOf());
    expect(assessment).toEqual({ denial: { code: 'ACCOUNT_NOT_OPEN', figures: {} } });
  });

  test.each([
    ['trader', false, undefined],
    ['trader', true, undefined],
    ['ai', true, undefined],
    ['ai', false, { code: 'AI_ORDERS_NOT_ALLOWED', figures: {} }],
  ] as const)('an order from %s where the AI may order (%s)', (source, aiMayOrder, denial) => {
    expect(denialOf(opened({ aiMayOrder }), { source })).toEqual(denial);
  });

  test('has so many working orders and no more', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.05'));
    expect(denialOf(ledger, {}, { maxWorkingOrders: 2 })).toBeUndefined();
    ledger.give(limitOrder('1.05'));
    expect(denialOf(ledger, {}, { maxWorkingOrders: 2 })).toEqual({
      code: 'MAX_WORKING_ORDERS',
      figures: { limit: '2', was: '3' },
    });
  });
});

describe('the value of an order', () => {
  test.each([
    ['EURUSD at market', 'USD', {}, '10801.00'],
    ['EURUSD at a limit', 'USD', limit('1.05'), '10500.00'],
    ['EURUSD sold at a limit above the market', 'USD', limit('1.09', { side: 'sell' }), '10900.00'],
    ['EURUSD sold at a limit below the market', 'USD', limit('0.00001', { side: 'sell' }), '10800.00'],
    ['EURUSD at market', 'EUR', {}, '10000.93'],
    ['USDJPY sold at market', 'USD', { symbol: 'USDJPY', side: 'sell' }, '10000.00'],
    ['US500 at market', 'JPY', { symbol: 'US500', quantity: s('1') }, '780127'],
  ] as const)(
    '%s, in %s: as much as it is worth is allowed, a minor unit less is not',
    (_, currency, change, value) => {
      const ledger = opened({ currency, balance: '10000000' });
      const unit = currency === 'JPY' ? s('1') : s('0.01');
      expect(denialOf(ledger, change, { maxOrderValue: s(value) })).toBeUndefined();
      const denial = denialOf(ledger, change, { maxOrderValue: s(value) - unit });
      expect(denial?.code).toBe('MAX_ORDER_VALUE');
      expect(denial?.figures).toMatchObject({ was: value, currency });
    },
  );
});

describe('margin', () => {
  // 0.10 lots need 10,000 × 1.0801 ÷ 30 = 360.04 (rounded up).
  test.each([
    ['360.04', undefined],
    ['360.03', { code: 'MARGIN_EXCEEDS_FREE', figures: { required: '360.04', free: '360.03', currency: 'USD' } }],
  ])('with %s free', (balance, denial) => {
    expect(denialOf(opened({ balance }), {})).toEqual(denial);
  });

  test('of a sale at next to nothing is that of a sale at the bid, which is what it comes to', () => {
    const sale = limit('0.01', { symbol: 'BTCUSD', side: 'sell', quantity: s('8') });
    expect(denialOf(opened(), sale)?.figures).toMatchObject({ required: '260000.00', free: '100000.00' });
  });

  test('of working orders counts at once', () => {
    const ledger = opened({ balance: '720.07' });
    ledger.give(limitOrder('1.05'));
    expect(denialOf(ledger, {})?.figures).toEqual({ required: '360.04', free: '360.03', currency: 'USD' });
  });

  test('an account without free margin may still reduce, and turn round to the size it has', () => {
    const ledger = opened({ balance: '361' });
    ledger.give(order());
    ledger.give(filled('o-1-3', '0.10', '1.0801'));
    const crashed = { quotes: marketWith(quote('EURUSD', '1.05', '1.0501')) };
    expect(denialOf(ledger, { side: 'buy', quantity: s('0.01') }, crashed)?.code).toBe('MARGIN_EXCEEDS_FREE');
    expect(denialOf(ledger, { side: 'sell' }, crashed)).toBeUndefined();
    expect(denialOf(ledger, { side: 'sell', quantity: s('0.20') }, crashed)).toBeUndefined();
    expect(denialOf(ledger, { side: 'sell', quantity: s('0.21') }, crashed)?.code).toBe('MARGIN_EXCEEDS_FREE');
  });
});

test('the first reason counts: the account, then the order, then the market, then the money', () => {
  const ledger = opened({ balance: '1' });
  const wrong: Partial<OrderTerms> = { source: 'ai', symbol: 'EURXXX', orderType: 'stop', quantity: 0n };
  expect(denialOf(ledger, wrong)?.code).toBe('AI_ORDERS_NOT_ALLOWED');
  expect(denialOf(ledger, { ...wrong, source: 'trader' })?.code).toBe('SYMBOL_UNKNOWN');
  expect(denialOf(ledger, { orderType: 'stop', quantity: 0n })?.code).toBe('TIME_IN_FORCE_UNSUPPORTED');
  const noQuote = { quotes: marketWithout('EURUSD') };
  expect(denialOf(ledger, { quantity: 0n }, noQuote)?.code).toBe('QUANTITY_BELOW_MINIMUM');
  expect(denialOf(ledger, {}, noQuote)?.code).toBe('QUOTE_MISSING');
  expect(denialOf(ledger, {}, { maxOrderValue: s('1') })?.code).toBe('MAX_ORDER_VALUE');
  expect(denialOf(ledger, {})?.code).toBe('MARGIN_EXCEEDS_FREE');
});
