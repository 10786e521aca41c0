import { expect, test } from 'vitest';
import { bookOf, orderToPlace, pendingCancels } from '../../../actors/trading/reconcile.ts';
import { filled, limitOrder, opened, order, report, s } from './fixtures.ts';

test('the orders that work are placed again as they were, oldest first; those that ended are not', () => {
  const ledger = opened();
  ledger.give(limitOrder('1.07', { quantity: s('1') }));
  ledger.give(order({ clientOrderId: 'c-2' }));
  ledger.give(order({ clientOrderId: 'c-3', side: 'sell' }));
  ledger.give(report({ type: 'accepted', orderId: 'o-1-3' }));
  ledger.give(filled('o-1-3', '0.4', '1.07'));
  ledger.give(filled('o-1-4', '0.1', '1.08'));
  expect(bookOf(ledger.account).orders).toEqual([
    {
      orderId: 'o-1-3',
      symbol: 'EURUSD',
      side: 'buy',
      orderType: 'limit',
      quantity: s('1'),
      ...{ filledQuantity: s('0.4'), executions: 1 },
      limitPrice: s('1.07'),
      timeInForce: 'gtc',
    },
    { orderId: 'o-1-5', symbol: 'EURUSD', side: 'sell', orderType: 'market', quantity: s('0.1'), timeInForce: 'ioc' },
  ]);
});

test('cancels that the broker has not answered are asked for again, and their orders are not placed', () => {
  const ledger = opened();
  ledger.give(limitOrder('1.07'));
  ledger.give(limitOrder('1.06'));
  ledger.give({ type: 'cancel-order', orderId: 'o-1-4', requestId: 'r' });
  expect(pendingCancels(ledger.account)).toEqual(['o-1-4']);
  expect(bookOf(ledger.account).orders.map(({ orderId }) => orderId)).toEqual(['o-1-3']);
});

test('to a broker a market order for the day is one till canceled', () => {
  const placed = { orderId: 'o-1-3', ...order({ timeInForce: 'day' }) };
  expect(orderToPlace(placed).timeInForce).toBe('gtc');
});
