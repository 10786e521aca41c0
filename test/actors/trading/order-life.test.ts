/** Given events, when a command or a report comes, then events: what becomes of orders beyond the plain ones. */
import { describe, expect, test } from 'vitest';
import type { AccountTerms } from '../../../actors/trading/events.ts';
import { factsOf, filled, Ledger, limitOrder, marketWith, NOW, opened, order, quote, report, s } from './fixtures.ts';

function account(terms: Partial<AccountTerms> = {}, balance = '100000'): Ledger {
  const ledger = new Ledger();
  ledger.give({ type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false, ...terms });
  ledger.give({ type: 'deposit', reference: 'seed', amount: s(balance) });
  return ledger;
}
const types = (ledger: Ledger, row = -1) => ledger.rows.at(row)!.events.map(({ type }) => type);
const accepted = (orderId: string) => report({ type: 'accepted', orderId });
const stateOf = (ledger: Ledger, orderId: string) => ledger.account.orders.get(orderId)?.state;

describe('a change', () => {
  test('is asked for, holds the margin of both meanwhile, and becomes the order', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.07'));
    ledger.give(accepted('o-1-3'));
    const change = { quantity: s('0.30'), limitPrice: s('1.06') };
    const { reply } = ledger.give({ type: 'amend-order', orderId: 'o-1-3', requestId: 'r', change });
    expect(reply).toEqual({ type: 'amend', orderId: 'o-1-3', state: 'PENDING_UPDATE' });
    expect(ledger.account.totals.get('EURUSD')?.buy).toEqual({ quantity: s('0.30'), margin: s('1080.10') });
    ledger.give(report({ type: 'updated', orderId: 'o-1-3', change, requestId: 'r' }));
    expect(ledger.account.orders.get('o-1-3')).toMatchObject({ ...change, state: 'ACCEPTED', margin: s('1080.10') });
  });

  test('that the broker refuses leaves everything as it was', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.07'));
    ledger.give(accepted('o-1-3'));
    const before = ledger.account.orders.get('o-1-3');
    ledger.give({ type: 'amend-order', orderId: 'o-1-3', requestId: 'r', change: { quantity: s('0.30') } });
    ledger.give(report({ type: 'update-rejected', orderId: 'o-1-3', reason: 'no', requestId: 'r' }));
    expect(ledger.account.orders.get('o-1-3')).toEqual(before);
    expect(ledger.account.totals.get('EURUSD')?.buy.quantity).toBe(s('0.10'));
  });

  test.each([
    ['more than margin allows', { quantity: s('50') }, 'MARGIN_EXCEEDS_FREE'],
    ['a price off its tick', { limitPrice: s('1.0700001') }, 'PRICE_TICK'],
    ['what is filled already', { quantity: s('0.04') }, 'QUANTITY_BELOW_FILLED'],
    ['a stop loss on the wrong side', { stopLoss: s('1.08') }, 'STOPS_TOO_CLOSE'],
  ])('to %s is denied and leaves no trace', (_name, change, code) => {
    const ledger = opened();
    ledger.give(limitOrder('1.07'));
    ledger.give(accepted('o-1-3'));
    ledger.give(filled('o-1-3', '0.04', '1.07'));
    const before = ledger.account;
    const { events, reply } = ledger.give({ type: 'amend-order', orderId: 'o-1-3', requestId: 'r', change });
    expect([events, reply]).toMatchObject([[], { type: 'denied', denial: { code } }]);
    expect(ledger.account).toBe(before);
  });

  test('of the protection alone is our own, and needs no broker', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.07', { stopLoss: s('1.06') }));
    ledger.give({ type: 'amend-order', orderId: 'o-1-3', requestId: 'r', change: { stopLoss: s('1.05') } });
    expect([types(ledger), ledger.account.orders.get('o-1-3')?.stopLoss]).toEqual([['order-updated'], s('1.05')]);
  });

  test('is one at a time, and none while a cancel is on its way', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.07'));
    const amend = (requestId: string) =>
      ledger.give({ type: 'amend-order', orderId: 'o-1-3', requestId, change: { quantity: s('0.20') } }).reply;
    amend('a');
    expect(amend('b')).toMatchObject({
      type: 'refused',
      code: 'ORDER_NOT_WORKING',
      figures: { state: 'PENDING_UPDATE' },
    });
    ledger.give({ type: 'cancel-order', orderId: 'o-1-3', requestId: 'c' });
    expect(amend('d')).toMatchObject({ code: 'ORDER_PENDING_CANCEL' });
  });

  test('whose fills come before its answer is filled as far as it goes', () => {
    const ledger = opened();
    ledger.give(limitOrder('1.07'));
    ledger.give({ type: 'amend-order', orderId: 'o-1-3', requestId: 'r', change: { quantity: s('0.30') } });
    ledger.give(filled('o-1-3', '0.20', '1.07'));
    expect(types(ledger)[0]).toBe('order-partially-filled');
    ledger.give(filled('o-1-3', '0.10', '1.07', 'x'));
    expect([types(ledger)[0], ledger.account.orders.size]).toEqual(['order-filled', 0]);
  });
});

describe('protection', () => {
  const bracket = order({ stopLoss: s('1.07000'), takeProfit: s('1.09000'), quantity: s('1') });

  test('comes with each fill, as a pair of which one withdraws the other', () => {
    const ledger = opened();
    ledger.give(bracket);
    ledger.give(filled('o-1-3', '0.4', '1.08'));
    expect(types(ledger)).toEqual(['order-partially-filled', 'position-opened', 'order-submitted', 'order-submitted']);
    const [stop, take] = [...ledger.account.orders.values()].filter(({ source }) => source === 'bracket');
    expect(stop).toMatchObject({
      side: 'sell',
      orderType: 'stop',
      stopPrice: s('1.07'),
      quantity: s('0.4'),
      reduceOnly: true,
    });
    expect(take).toMatchObject({ side: 'sell', orderType: 'limit', limitPrice: s('1.09'), parentOrderId: 'o-1-3' });
    expect(stop!.ocoGroup).toBe(take!.ocoGroup);
    ledger.give(filled(take!.orderId, '0.4', '1.09'));
    expect(types(ledger)).toEqual(['order-filled', 'position-closed', 'balance-changed', 'order-pending-cancel']);
    expect(ledger.account.orders.get(stop!.orderId)?.cancelRequested).toBe('oco');
  });

  test('holds no margin, and does not count as open', () => {
    const ledger = opened();
    ledger.give(bracket);
    ledger.give(filled('o-1-3', '1', '1.08'));
    expect([ledger.account.orders.size, ledger.account.totals.size]).toEqual([2, 0]);
  });

  test('stays with what is left when half of it is filled', () => {
    const ledger = opened();
    ledger.give(bracket);
    ledger.give(filled('o-1-3', '1', '1.08'));
    const [, take] = [...ledger.account.orders.keys()];
    ledger.give(filled(take!, '0.3', '1.09'));
    expect(types(ledger)).toEqual(['order-partially-filled', 'position-changed', 'balance-changed']);
  });

  test('goes when its position is closed by hand, and the youngest pair when a part of it is', () => {
    const ledger = opened();
    ledger.give(bracket);
    ledger.give(filled('o-1-3', '0.4', '1.08'));
    ledger.give(filled('o-1-3', '0.6', '1.08', 'x'));
    const orders = [...ledger.account.orders.keys()];
    ledger.give(order({ clientOrderId: 'c-2', side: 'sell', quantity: s('0.5') }));
    ledger.give(filled('o-1-6', '0.5', '1.08', 'y'));
    const canceled = () =>
      [...ledger.account.orders.values()]
        .filter((each) => each.cancelRequested === 'position-closed')
        .map(({ orderId }) => orderId);
    expect(canceled()).toEqual(orders.slice(2));
    ledger.give({ type: 'close-position', positionId: 'p-1-4', requestId: 'r' });
    ledger.give(filled('o-1-8', '0.5', '1.08', 'z'));
    expect(canceled()).toEqual(orders);
    expect(ledger.account.positions.size).toBe(0);
  });

  test('is of what a fill opens alone: what closes needs none', () => {
    const ledger = opened();
    ledger.give(order({ side: 'sell', quantity: s('0.5') }));
    ledger.give(filled('o-1-3', '0.5', '1.08'));
    ledger.give(bracket);
    ledger.give(filled('o-1-5', '1', '1.08'));
    expect([...ledger.account.orders.values()].map(({ quantity }) => quantity)).toEqual([s('0.5'), s('0.5')]);
  });
});

test('a fill of one order of a group withdraws the others, and nobody elses', () => {
  const ledger = opened();
  for (const [price, group] of [
    ['1.07', 'a'],
    ['1.06', 'a'],
    ['1.05', 'b'],
  ] as const)
    ledger.give(limitOrder(price, { ocoGroup: group }));
  ledger.give(filled('o-1-3', '0.04', '1.07'));
  expect([...ledger.account.orders.values()].map(({ state }) => state)).toEqual([
    'PARTIALLY_FILLED',
    'PENDING_CANCEL',
    'SUBMITTED',
  ]);
});

test('an order that the broker does not answer is unknown until it does, and a wish to cancel it is remembered', () => {
  const ledger = opened();
  ledger.give(limitOrder('1.07'));
  ledger.give(report({ type: 'unknown', orderId: 'o-1-3', reason: 'silent', requestId: 'u1' }));
  expect(stateOf(ledger, 'o-1-3')).toBe('UNKNOWN');
  expect(ledger.give({ type: 'cancel-order', orderId: 'o-1-3', requestId: 'r' }).reply).toMatchObject({
    state: 'UNKNOWN',
  });
  expect(stateOf(ledger, 'o-1-3')).toBe('UNKNOWN');
  ledger.give(report({ type: 'accepted', orderId: 'o-1-3', requestId: 'q1' }));
  expect(stateOf(ledger, 'o-1-3')).toBe('PENDING_CANCEL');
  ledger.give(report({ type: 'cancel-rejected', orderId: 'o-1-3', reason: 'no', requestId: 'q1' }));
  expect(stateOf(ledger, 'o-1-3')).toBe('ACCEPTED');
});

test('a stop is triggered and trails, and what its owner knows moves with it', () => {
  const ledger = opened();
  ledger.give(order({ orderType: 'trailing-stop', trailBy: s('0.00500'), timeInForce: 'gtc' }));
  ledger.give(report({ type: 'trailed', orderId: 'o-1-3', stopPrice: s('1.08200') }));
  expect(ledger.account.orders.get('o-1-3')).toMatchObject({ stopPrice: s('1.08200'), state: 'ACCEPTED' });
  ledger.give(report({ type: 'triggered', orderId: 'o-1-3' }));
  expect(stateOf(ledger, 'o-1-3')).toBe('TRIGGERED');
});

test.each([
  ['dead-man', 1],
  ['disconnected', 1],
  ['kill-switch', 3],
] as const)('with %s what protects a position stays only where its owner is lost', (reason, canceling) => {
  const ledger = opened();
  ledger.give(order({ stopLoss: s('1.07'), takeProfit: s('1.09') }));
  ledger.give(filled('o-1-3', '0.10', '1.0801'));
  ledger.give(limitOrder('1.05', { clientOrderId: 'c-2' }));
  const protection = [...ledger.account.orders.values()].filter(({ source }) => source === 'bracket');
  expect(protection).toHaveLength(2);
  expect(ledger.give({ type: 'cancel-all', requestId: 'r', reason }).reply).toMatchObject({ canceling });
  const stays = [...ledger.account.orders.values()].filter(({ cancelRequested }) => !cancelRequested);
  expect(stays.map(({ source }) => source)).toEqual(reason === 'kill-switch' ? [] : ['bracket', 'bracket']);
});

test('a block for the losses of a day ends with it, also where nothing is open; and no day begins twice', () => {
  const ledger = opened();
  const on = (day: string, n: number) =>
    ledger.give(limitOrder('1.05', { clientOrderId: `d-${n}` }), { facts: { day } });
  on('2027-01-15', 1);
  ledger.account = {
    ...ledger.account,
    orders: opened().account.orders,
    blocks: new Map([['daily-loss:', { reason: 'daily-loss', subject: '', sinceMicros: NOW, figures: {} }]]),
  };
  expect(on('2027-01-15', 2).events.map(({ type }) => type)).toEqual(['order-denied']);
  // A clock that was set back.
  expect(on('2027-01-14', 3).events.map(({ type }) => type)).toEqual(['order-denied']);
  const types = on('2027-01-16', 4).events.map(({ type }) => type);
  expect(types).toEqual(['day-opened', 'trading-unblocked', 'order-submitted']);
  expect([...ledger.account.blocks.keys()]).toEqual([]);
  expect(ledger.give({ type: 'roll-day', day: '2027-01-15', swapDays: 1 }).events).toEqual([]);
});

test('an order of somebody else is adopted, counts, and can be withdrawn', () => {
  const ledger = opened();
  const placed = {
    symbol: 'EURUSD',
    side: 'buy',
    orderType: 'limit',
    quantity: s('1'),
    limitPrice: s('1.05'),
    timeInForce: 'gtc',
  } as const;
  ledger.give(report({ type: 'external', orderId: 'x-1', order: placed }));
  expect(ledger.account.orders.get('x-1')).toMatchObject({ source: 'external', state: 'ACCEPTED' });
  ledger.give(report({ type: 'external', orderId: 'x-1', order: placed }));
  expect(ledger.rows.at(-1)!.events).toEqual([]);
  expect(ledger.give({ type: 'cancel-order', orderId: 'x-1', requestId: 'r' }).reply).toMatchObject({
    state: 'PENDING_CANCEL',
  });
});

describe('positions', () => {
  test('of a hedging account stand beside each other, and each is closed by its id', () => {
    const ledger = account({ oms: 'hedging' });
    ledger.give(order());
    ledger.give(filled('o-1-3', '0.10', '1.0801'));
    ledger.give(order({ clientOrderId: 'c-2', side: 'sell' }));
    ledger.give(filled('o-1-5', '0.10', '1.08'));
    expect([...ledger.account.positions.values()].map(({ positionId, side }) => [positionId, side])).toEqual([
      ['p-1-4', 'buy'],
      ['p-1-6', 'sell'],
    ]);
    ledger.give({ type: 'close-position', positionId: 'p-1-4', requestId: 'r', quantity: s('0.04') });
    expect(ledger.account.orders.get('o-1-7')).toMatchObject({
      side: 'sell',
      reduceOnly: true,
      positionId: 'p-1-4',
      quantity: s('0.04'),
    });
    ledger.give(filled('o-1-7', '0.04', '1.08'));
    expect(ledger.account.positions.get('p-1-4')?.quantity).toBe(s('0.06'));
    expect(
      ledger.give({ type: 'close-position', positionId: 'p-1-4', requestId: 's', quantity: s('0.07') }).reply,
    ).toEqual({
      ...{ type: 'refused', code: 'QUANTITY_ABOVE_POSITION', figures: { was: '0.07', limit: '0.06' } },
    });
  });

  test('that are opposite close each other at their own prices, and what is left stays', () => {
    const ledger = account({ oms: 'hedging' });
    ledger.give(order({ quantity: s('0.30') }));
    ledger.give(filled('o-1-3', '0.30', '1.08'));
    ledger.give(order({ clientOrderId: 'c-2', side: 'sell' }));
    ledger.give(filled('o-1-5', '0.10', '1.09'));
    const { reply } = ledger.give({ type: 'close-by', positionId: 'p-1-4', byPositionId: 'p-1-6', requestId: 'r' });
    expect(reply).toEqual({ type: 'close-by', positionId: 'p-1-4', byPositionId: 'p-1-6' });
    expect(ledger.account.positions.get('p-1-4')?.quantity).toBe(s('0.20'));
    expect([ledger.account.positions.size, ledger.account.balance]).toEqual([1, s('100100')]);
    expect(
      ledger.give({ type: 'close-by', positionId: 'p-1-4', byPositionId: 'p-1-4', requestId: 's' }).reply,
    ).toMatchObject({
      code: 'POSITIONS_NOT_OPPOSITE',
    });
  });
});

describe('everything at once', () => {
  test('is withdrawn and closed, and what closes already is left alone', () => {
    const ledger = opened();
    ledger.give(order());
    ledger.give(filled('o-1-3', '0.10', '1.08'));
    ledger.give(limitOrder('1.05', { clientOrderId: 'c-2' }));
    ledger.give(limitOrder('140', { clientOrderId: 'c-3', symbol: 'USDJPY' }));
    const all = (requestId: string) =>
      ledger.give({ type: 'cancel-all', requestId, reason: 'kill-switch', symbol: 'EURUSD', flatten: true });
    expect(all('a').reply).toEqual({ type: 'cancel-all', canceling: 1, closing: 1 });
    expect(ledger.account.orders.get('o-1-7')).toMatchObject({
      side: 'sell',
      quantity: s('0.10'),
      source: 'kill-switch',
    });
    expect(all('b').reply).toEqual({ type: 'cancel-all', canceling: 0, closing: 0 });
    ledger.give(report({ type: 'canceled', orderId: 'o-1-5', reason: 'requested' }));
    expect(ledger.rows.at(-1)!.events).toMatchObject([{ type: 'order-canceled', reason: 'kill-switch' }]);
  });
});

describe('the margin of an account with terms for it', () => {
  const terms = {
    stopOut: { mode: 'percent', callLevel: 100_00n, stopLevel: 50_00n },
    negativeBalanceProtection: true,
  } as const;
  const at = (bid: string, ask: string) => ({ quotes: marketWith(quote('EURUSD', bid, ask)) });

  test('is called below one level and restored above it', () => {
    const ledger = account(terms, '4000');
    ledger.give(order({ quantity: s('1') }));
    ledger.give(filled('o-1-3', '1', '1.08'));
    const enforce = (requestId: string, bid: string) => (
      ledger.give({ type: 'enforce', requestId }, at(bid, bid)),
      types(ledger)
    );
    expect(enforce('a', '1.08')).toEqual([]);
    expect(enforce('b', '1.07')).toEqual(['margin-called']);
    expect(enforce('c', '1.07')).toEqual([]);
    expect(enforce('d', '1.08')).toEqual(['margin-restored']);
  });

  test('falls below the other: orders are withdrawn, the worst position is closed first, and what is owed is forgiven', () => {
    const ledger = account(terms, '4000');
    ledger.give(order({ quantity: s('0.9') }));
    ledger.give(filled('o-1-3', '0.9', '1.08'));
    ledger.give(limitOrder('1.05', { clientOrderId: 'c-2', quantity: s('0.01') }));
    ledger.give({ type: 'enforce', requestId: 'a' }, at('1.03', '1.03'));
    expect(types(ledger)).toEqual(['margin-called', 'stopped-out', 'order-pending-cancel', 'order-submitted']);
    ledger.give({ type: 'enforce', requestId: 'b' }, at('1.03', '1.03'));
    expect(ledger.rows.at(-1)!.events).toEqual([]);
    ledger.give(filled('o-1-6', '0.9', '1.02'), at('1.02', '1.02'));
    expect(types(ledger)).toEqual([
      'order-filled',
      'position-closed',
      'balance-changed',
      'margin-restored',
      'balance-changed',
    ]);
    expect(ledger.rows.at(-1)!.events.at(-1)).toMatchObject({
      reason: 'negative-balance-protection',
      amount: s('1400'),
    });
    expect([ledger.account.balance, ledger.account.isMarginCalled]).toEqual([0n, false]);
  });
});

describe('a day', () => {
  const day = { facts: { day: '2027-01-15' } };

  test('begins with its first order, and its losses stop what would open more', () => {
    const ledger = opened();
    ledger.give(order({ quantity: s('1') }), day);
    expect(types(ledger)).toEqual(['day-opened', 'order-submitted']);
    ledger.give(filled('o-1-3', '1', '1.08'));
    const fallen = { quotes: marketWith(quote('EURUSD', '1.0690', '1.0691')), limits: { maxDailyLoss: s('1000') } };
    ledger.give({ type: 'enforce', requestId: 'a' }, fallen);
    expect(ledger.rows.at(-1)!.events).toMatchObject([
      { type: 'trading-blocked', reason: 'daily-loss', figures: { was: '1100.00', limit: '1000.00' } },
    ]);
    expect(ledger.give(order({ clientOrderId: 'c-2' }), fallen).reply).toMatchObject({
      denial: { code: 'TRADING_BLOCKED', figures: { reason: 'daily-loss' } },
    });
    expect(ledger.give(order({ clientOrderId: 'c-3', side: 'sell', reduceOnly: true }), fallen).reply).toMatchObject({
      state: 'SUBMITTED',
    });
    ledger.give({ type: 'roll-day', day: '2027-01-16', swapDays: 1 }, fallen);
    expect(types(ledger)).toEqual(['day-opened', 'trading-unblocked']);
  });
});

test('what differs from the broker blocks the account, and the end of the difference frees it', () => {
  const ledger = opened();
  ledger.give({ type: 'reconcile', requestId: 'a', mismatches: ['EURUSD: 1 lots here, 2 at the broker'] });
  expect(ledger.give(order()).reply).toMatchObject({
    denial: { code: 'TRADING_BLOCKED', figures: { mismatches: '1' } },
  });
  ledger.give({ type: 'reconcile', requestId: 'b', mismatches: [] });
  expect(ledger.give(order({ clientOrderId: 'c-2' })).reply).toMatchObject({ state: 'SUBMITTED' });
});

test('a strategy that fills too often is stopped until a person takes it back, and others trade on', () => {
  const ledger = opened();
  const limits = { repeatedExecutions: 2, repeatedExecutionWindowMs: 1_000 };
  const sent = (i: number, strategyId: string) =>
    ledger.give(order({ clientOrderId: `c-${i}`, strategyId, source: 'strategy' }), { limits });
  for (let i = 0; i < 3; i++) {
    const { reply } = sent(i, 'cross');
    if (reply.type === 'order') ledger.give(filled(reply.orderId, '0.10', '1.08'), { limits });
  }
  expect(types(ledger).at(-1)).toBe('trading-blocked');
  expect(sent(4, 'cross').reply).toMatchObject({ denial: { code: 'TRADING_BLOCKED', figures: { subject: 'cross' } } });
  expect(sent(5, 'other').reply).toMatchObject({ state: 'SUBMITTED' });
  const rearm = { type: 'rearm', reason: 'repeated-execution', subject: 'cross', by: 'k-1' } as const;
  ledger.give({ ...rearm, requestId: 'r' });
  expect(sent(6, 'cross').reply).toMatchObject({ state: 'SUBMITTED' });
  expect(ledger.give({ ...rearm, requestId: 's' }).reply).toMatchObject({ code: 'NOT_BLOCKED' });
});

test('money leaves as far as no margin needs it', () => {
  const ledger = opened();
  ledger.give(order({ quantity: s('1') }));
  ledger.give(filled('o-1-3', '1', '1.08'));
  const withdraw = (amount: string) => ledger.give({ type: 'withdraw', reference: amount, amount: s(amount) }).reply;
  expect(withdraw('99000')).toMatchObject({ type: 'denied', denial: { code: 'MARGIN_EXCEEDS_FREE' } });
  expect(withdraw('90000')).toEqual({ type: 'done' });
  expect(ledger.account.balance).toBe(s('10000'));
});

test('an order for the day ends with it, one till a date on that date', () => {
  const ledger = opened();
  ledger.give(limitOrder('1.07', { timeInForce: 'day' }));
  const midnight = (Math.floor(NOW / 86_400_000_000) + 1) * 86_400_000_000;
  expect(ledger.account.orders.get('o-1-3')?.expireAtMicros).toBe(midnight);
  const hours = { isOpen: () => true, nextOpen: () => undefined, dayEnd: () => NOW + 5 };
  ledger.give(limitOrder('1.06', { timeInForce: 'day', clientOrderId: 'c-2' }), { facts: { hours: () => hours } });
  expect(ledger.account.orders.get('o-1-4')?.expireAtMicros).toBe(NOW + 5);
  expect(factsOf().nowMicros).toBe(NOW);
});
