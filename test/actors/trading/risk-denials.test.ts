/** Every bound at its limit, where it lets an order through, and a step beyond, where it does not. */
import { describe, expect, test } from 'vitest';
import type { Account } from '../../../actors/trading/account.ts';
import type { OrderTerms } from '../../../actors/trading/events.ts';
import type { Instrument } from '../../../actors/trading/instrument.ts';
import { assess, type Denial } from '../../../actors/trading/risk.ts';
import {
  factsOf,
  filled,
  instruments,
  limitOrder,
  marketWith,
  NOW,
  opened,
  order,
  quote,
  s,
  type World,
} from './fixtures.ts';

interface Case {
  readonly account?: Account;
  readonly order?: Partial<OrderTerms>;
  readonly world?: World;
  readonly instrument?: Partial<Instrument>;
}

function denialOf({
  account = opened().account,
  order: change = {},
  world = {},
  instrument = {},
}: Case): Denial | undefined {
  const facts = { ...factsOf(world), instrument: (symbol: string) => ({ ...instruments.get(symbol)!, ...instrument }) };
  const assessment = assess(account, order(change), facts);
  return 'denial' in assessment ? assessment.denial : undefined;
}

const limit = (limitPrice: string, change: Partial<OrderTerms> = {}): Partial<OrderTerms> => ({
  ...{ orderType: 'limit', limitPrice: s(limitPrice), timeInForce: 'gtc', ...change },
});

/** Long one lot of EURUSD at 1.0801, as the market has it. */
function long(change: Parameters<typeof opened>[0] = {}) {
  const ledger = opened(change);
  ledger.give(order({ quantity: s('1') }));
  ledger.give(filled('o-1-3', '1', '1.0801'));
  return ledger;
}

/** Equity moves by 1,000 a pip of a hundredth. */
const fallen = (bid: string): World => ({ quotes: marketWith(quote('EURUSD', bid, bid)) });
const day = { day: '2027-01-15' };

function withDay(openEquity: string, peakEquity = openEquity): Account {
  const { account } = long();
  return { ...account, day: { ...day, openEquity: s(openEquity), peakEquity: s(peakEquity) } };
}

describe.each<[code: string, within: Case, beyond: Case, figures: Readonly<Record<string, string>>]>([
  [
    'MAX_ORDER_QUANTITY',
    { order: { quantity: s('0.50') }, world: { limits: { maxOrderQuantity: s('0.5') } } },
    { order: { quantity: s('0.51') }, world: { limits: { maxOrderQuantity: s('0.5') } } },
    { limit: '0.50', was: '0.51' },
  ],
  [
    'MAX_ORDER_VALUE',
    { world: { maxOrderValue: s('10801') } },
    { world: { maxOrderValue: s('10800.99') } },
    { limit: '10800.99', was: '10801.00', currency: 'USD' },
  ],
  [
    'MAX_OPEN_QUANTITY',
    { account: long().account, order: { quantity: s('0.50') }, world: { limits: { maxOpenQuantity: s('1.5') } } },
    { account: long().account, order: { quantity: s('0.51') }, world: { limits: { maxOpenQuantity: s('1.5') } } },
    { symbol: 'EURUSD', limit: '1.50', was: '1.51' },
  ],
  [
    'MAX_OPEN_NOTIONAL',
    { account: long().account, order: { quantity: s('1') }, world: { limits: { maxOpenNotional: s('216020') } } },
    { account: long().account, order: { quantity: s('1') }, world: { limits: { maxOpenNotional: s('216019.99') } } },
    { symbol: 'EURUSD', limit: '216019.99', was: '216020.00', currency: 'USD' },
  ],
  [
    'MAX_WORKING_ORDERS',
    { world: { maxWorkingOrders: 1 } },
    {
      world: { maxWorkingOrders: 1 },
      account: (() => {
        const ledger = opened();
        ledger.give(limitOrder('1.05'));
        return ledger.account;
      })(),
    },
    { limit: '1', was: '2' },
  ],
  [
    'PRICE_COLLAR',
    { order: limit('1.18811'), world: { limits: { priceCollar: s('0.1') } } },
    { order: limit('1.18812'), world: { limits: { priceCollar: s('0.1') } } },
    { was: '1.18812', reference: '1.08010', limitPercent: '10' },
  ],
  [
    'PRICE_COLLAR_ROLLING',
    {
      order: limit('1.05000', { side: 'sell' }),
      world: {
        limits: { rollingPriceCollar: s('0') },
        facts: { recentRange: () => ({ low: 105_000_000, high: 108_000_000 }) },
      },
    },
    {
      order: limit('1.04999', { side: 'sell' }),
      world: {
        limits: { rollingPriceCollar: s('0') },
        facts: { recentRange: () => ({ low: 105_000_000, high: 108_000_000 }) },
      },
    },
    { was: '1.04999', reference: '1.05000', limitPercent: '0' },
  ],
  [
    'DUPLICATE_ORDER',
    {
      account: sent(1_001),
      world: { limits: { duplicateWindowMs: 1_000 } },
      order: limit('1.05', { clientOrderId: 'c-2' }),
    },
    {
      account: sent(999),
      world: { limits: { duplicateWindowMs: 1_000 } },
      order: limit('1.05', { clientOrderId: 'c-2' }),
    },
    { orderId: 'o-1-3', windowMs: '1000' },
  ],
  [
    'DAILY_LOSS',
    { account: withDay('100000'), world: { ...fallen('1.0751'), limits: { maxDailyLoss: s('500') } } },
    { account: withDay('100000'), world: { ...fallen('1.07509'), limits: { maxDailyLoss: s('500') } } },
    { limit: '500.00', was: '501.00', from: '100000.00', equity: '99499.00', currency: 'USD' },
  ],
  [
    'DRAWDOWN',
    { account: withDay('100000', '100200'), world: { ...fallen('1.0771'), limits: { maxDrawdown: s('500') } } },
    { account: withDay('100000', '100200'), world: { ...fallen('1.07709'), limits: { maxDrawdown: s('500') } } },
    { limit: '500.00', was: '501.00', from: '100200.00', equity: '99699.00', currency: 'USD' },
  ],
  [
    'MARGIN_LEVEL_FLOOR',
    {
      account: long().account,
      order: { quantity: s('1') },
      world: { ...fallen('1.0801'), limits: { minMarginLevel: 138_876n } },
    },
    {
      account: long().account,
      order: { quantity: s('1') },
      world: { ...fallen('1.0801'), limits: { minMarginLevel: 138_877n } },
    },
    { limitPercent: '1388.77', wasPercent: '1388.76' },
  ],
  [
    'SYMBOL_RESTRICTED',
    { account: long().account, order: { side: 'sell', quantity: s('1') }, world: { limits: { isRestricted: true } } },
    {
      account: long().account,
      order: { side: 'sell', quantity: s('1.01') },
      world: { limits: { isRestricted: true } },
    },
    { symbol: 'EURUSD' },
  ],
  [
    'KILL_SWITCH',
    {
      account: long().account,
      order: { side: 'sell' },
      world: { facts: { killed: () => ({ id: 'k-1', scope: 'tenant' }) } },
    },
    {
      account: long().account,
      order: { side: 'buy' },
      world: { facts: { killed: () => ({ id: 'k-1', scope: 'tenant' }) } },
    },
    { id: 'k-1', scope: 'tenant' },
  ],
  [
    'MARKET_CLOSED',
    { world: { facts: { hours: () => ({ isOpen: () => true, nextOpen: () => 0, dayEnd: () => NOW }) } } },
    {
      world: {
        facts: {
          hours: () => ({ isOpen: () => false, nextOpen: () => Date.UTC(2027, 0, 18) * 1_000, dayEnd: () => NOW }),
        },
      },
    },
    { symbol: 'EURUSD', nextOpen: '2027-01-18T00:00:00.000000Z' },
  ],
  [
    'TRADE_MODE',
    { instrument: { tradeMode: 'long-only' } },
    { instrument: { tradeMode: 'long-only' }, order: { side: 'sell' } },
    { symbol: 'EURUSD', tradeMode: 'long-only' },
  ],
  [
    'NOTHING_TO_REDUCE',
    { account: long().account, order: { side: 'sell', reduceOnly: true } },
    { account: long().account, order: { side: 'buy', reduceOnly: true } },
    { symbol: 'EURUSD', side: 'buy' },
  ],
  [
    'STOPS_TOO_CLOSE',
    { order: { stopLoss: s('1.07990') }, instrument: { stopsLevel: 10 } },
    { order: { stopLoss: s('1.07991') }, instrument: { stopsLevel: 10 } },
    { field: 'stopLoss', was: '1.07991', from: '1.08000', minimumTicks: '10' },
  ],
  [
    'POST_ONLY_UNSUPPORTED',
    { order: limit('1.05', { postOnly: true }) },
    { order: limit('1.05', { postOnly: true, timeInForce: 'ioc' }) },
    { orderType: 'limit', timeInForce: 'ioc' },
  ],
  [
    'EXPIRY_INVALID',
    { order: limit('1.05', { timeInForce: 'gtd', expireAtMicros: NOW + 1 }) },
    { order: limit('1.05', { timeInForce: 'gtd', expireAtMicros: NOW }) },
    {},
  ],
  [
    'CALCULATION_MODE_UNSUPPORTED',
    { instrument: { calculationMode: 'cfd' } },
    { instrument: { calculationMode: 'exchange-bonds' } },
    { symbol: 'EURUSD', calculationMode: 'exchange-bonds' },
  ],
  [
    'QUOTE_STALE',
    { world: { nowMicros: NOW + 10_000_000 } },
    { world: { nowMicros: NOW + 10_000_001 } },
    { symbol: 'EURUSD', staleAfterMs: '10000' },
  ],
  [
    'MARGIN_EXCEEDS_FREE',
    { account: opened({ balance: '360.04' }).account },
    { account: opened({ balance: '360.03' }).account },
    { required: '360.04', free: '360.03', currency: 'USD' },
  ],
])('%s', (code, within, beyond, figures) => {
  test('lets through what is within', () => {
    expect(denialOf(within)).toBeUndefined();
  });
  test('denies what is beyond, with its figures', () => {
    const denial = denialOf(beyond);
    expect(denial?.code).toBe(code);
    expect(denial?.figures).toMatchObject(figures);
  });
});

/** An account that has sent a limit order so long ago. */
function sent(agoMs: number): Account {
  const ledger = opened();
  ledger.give(limitOrder('1.05'), { nowMicros: NOW - agoMs * 1_000 });
  return ledger.account;
}
