import { expect, test } from 'vitest';
import { instrumentFrom } from '../../../actors/trading/instrument.ts';
import { accountView, orderView, positionView } from '../../../actors/trading/view.ts';
import { emptyAccount } from '../../../actors/trading/account.ts';
import { factsOf, filled, instrument, limitOrder, marketWithout, NOW, opened, order, s } from './fixtures.ts';
import { formatTime } from '../../../actors/trading/time.ts';
import { instruments as configured } from '../../../config/instruments.ts';

function trading() {
  const ledger = opened({ currency: 'EUR', balance: '50000' });
  ledger.give(order({ quantity: s('1') }));
  ledger.give(filled('o-1-3', '1', '1.08050'));
  ledger.give(limitOrder('1.07', { quantity: s('0.5') }));
  return ledger.account;
}

test('an account shows its figures at the last quotes', () => {
  expect(accountView(trading(), 'demo-2', factsOf())).toEqual({
    id: 'demo-2',
    currency: 'EUR',
    mode: 'paper',
    oms: 'netting',
    leverage: 30,
    status: 'open',
    ...{ blocks: [], isMarginCalled: false },
    balance: '50000.00',
    equity: '49953.70',
    margin: '5000.01',
    freeMargin: '44953.69',
    marginLevel: '999.07',
    openProfit: '-46.30',
  });
});

test('figures that nobody can know are null, the balance is known', () => {
  expect(accountView(trading(), 'demo-2', factsOf({ quotes: marketWithout('EURUSD') }))).toMatchObject({
    balance: '50000.00',
    equity: null,
    margin: null,
    freeMargin: null,
    marginLevel: null,
    openProfit: null,
  });
});

test('an account without margin has no margin level', () => {
  expect(accountView(opened().account, 'demo-1', factsOf())).toMatchObject({ margin: '0.00', marginLevel: null });
});

test('an account to which nothing has happened is not open', () => {
  expect(accountView(emptyAccount(1), 'demo-1', factsOf()).status).toBe('not-open');
});

test('a limit order shows its terms and how far it is', () => {
  const account = trading();
  expect(orderView(account.orders.get('o-1-5')!, instrument('EURUSD'))).toEqual({
    orderId: 'o-1-5',
    clientOrderId: 'c-1',
    symbol: 'EURUSD',
    side: 'buy',
    type: 'limit',
    quantity: '0.50',
    filledQuantity: '0.00',
    limitPrice: '1.07000',
    timeInForce: 'gtc',
    source: 'trader',
    state: 'SUBMITTED',
    submittedAt: formatTime(NOW),
  });
});

test('a market order shows no price', () => {
  const ledger = opened();
  ledger.give(order());
  expect(orderView(ledger.account.orders.get('o-1-3')!, instrument('EURUSD'))).not.toHaveProperty('limitPrice');
});

test('a position shows what closing it now would bring', () => {
  const position = trading().positions.get('EURUSD')!;
  const shown = {
    positionId: 'p-1-4',
    symbol: 'EURUSD',
    side: 'buy',
    quantity: '1.00',
    averagePrice: '1.08050',
    currency: 'EUR',
  };
  expect(positionView(position, { currency: 'EUR', leverage: 30 }, factsOf())).toEqual({
    ...shown,
    currentPrice: '1.08000',
    openProfit: '-46.30',
  });
  const blind = factsOf({ quotes: marketWithout('EURUSD') });
  expect(positionView(position, { currency: 'EUR', leverage: 30 }, blind)).toEqual({
    ...shown,
    currentPrice: null,
    openProfit: null,
  });
});

test.each([
  ['binance', 5, '58.83', { venue: 'binance', maintenanceRate: '0.01', maintenanceAmount: '0' }],
  ['bybit', 5, '58.97', { venue: 'bybit', maintenanceRate: '0.01' }],
  [
    'the lower leverage of the account',
    2,
    '36.79',
    { venue: 'gate-okx', maintenanceRate: '0.01', takerFeeRate: '0.0006' },
  ],
] as const)('an isolated position shows when it is taken over: %s', (_, leverage, price, liquidation) => {
  const { simulator: _simulator, ...terms } = configured.find(({ symbol }) => symbol === 'BTCUSD')!;
  const isolated = instrumentFrom({ ...terms, calculationMode: 'isolated', maxLeverage: 5, liquidation });
  const position = {
    ...({ positionId: 'p', symbol: 'BTCUSD', side: 'buy', quantity: s('2') } as const),
    ...{ cost: s('145.6') * 10n ** 10n, averagePrice: s('72.8') },
  };
  const facts = { ...factsOf(), instrument: () => isolated };
  expect(positionView(position, { currency: 'USD', leverage }, facts).liquidationPrice).toBe(price);
});

test('liquidation terms want an isolated instrument and decimals', () => {
  const { simulator: _simulator, ...terms } = configured.find(({ symbol }) => symbol === 'BTCUSD')!;
  const liquidation = { venue: 'bybit', maintenanceRate: '0.01' } as const;
  expect(() => instrumentFrom({ ...terms, liquidation })).toThrow(/not isolated/);
  const wrong = {
    ...terms,
    calculationMode: 'isolated',
    liquidation: { venue: 'bybit', maintenanceRate: '1 %' },
  } as const;
  expect(() => instrumentFrom(wrong)).toThrow(/maintenanceRate/);
});
