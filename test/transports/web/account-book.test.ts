import { describe, expect, test } from 'vitest';
import {
  afterOrderEvent,
  afterPositionEvent,
  fillOf,
  ordersOf,
  positionsOf,
  withFills,
} from '../../../transports/web/account-book.ts';
import type { AccountEvent } from '../../../transports/web/wire.ts';

const submitted = {
  ...{
    type: 'order-submitted',
    orderId: 'o-1-1',
    clientOrderId: 'c-1',
    symbol: 'EURUSD',
    side: 'buy',
    orderType: 'limit',
  },
  ...{ quantity: '0.10', limitPrice: '1.07900', timeInForce: 'gtc' },
} satisfies AccountEvent;
const event = (type: string, more: object = {}): AccountEvent => ({
  type,
  orderId: 'o-1-1',
  symbol: 'EURUSD',
  ...more,
});
const after = (...events: AccountEvent[]) => [...events.reduce(afterOrderEvent, ordersOf({ items: [] })).values()];

describe('working orders', () => {
  test('an order that is submitted is working, as a limit order and not as an event', () => {
    expect(after(submitted)).toMatchObject([
      { orderId: 'o-1-1', type: 'limit', filledQuantity: '0', state: 'SUBMITTED' },
    ]);
  });

  test.each([
    { events: [event('order-accepted')], state: 'ACCEPTED' },
    { events: [event('order-partially-filled', { filledQuantity: '0.04' })], state: 'PARTIALLY_FILLED' },
    { events: [event('order-pending-cancel')], state: 'PENDING_CANCEL' },
    { events: [event('order-pending-cancel'), event('order-partially-filled')], state: 'PENDING_CANCEL' },
    { events: [event('order-of-a-later-version')], state: 'SUBMITTED' },
  ])('after $events.length events it is $state', ({ events, state }) => {
    expect(after(submitted, ...events)).toMatchObject([{ state }]);
  });

  test.each(['order-filled', 'order-canceled', 'order-expired', 'order-rejected'])('%s ends it', (type) => {
    expect(after(submitted, event(type))).toEqual([]);
  });

  test('an event of an order that is not known changes nothing', () => {
    expect(after(event('order-accepted'), { type: 'order-denied', orderId: 'o-1-2' })).toEqual([]);
  });
});

test('positions are opened, changed and closed', () => {
  const position = { positionId: 'p-1', symbol: 'EURUSD', side: 'buy', quantity: '0.10', averagePrice: '1.08014' };
  const opened = afterPositionEvent(positionsOf({ items: [] }), { type: 'position-opened', ...position });
  expect([...opened.keys()]).toEqual(['p-1']);
  const changed = afterPositionEvent(opened, { type: 'position-changed', ...position, quantity: '0.20' });
  expect(changed.get('p-1')?.quantity).toBe('0.20');
  expect(opened.get('p-1')?.quantity).toBe('0.10');
  expect(afterPositionEvent(changed, { type: 'position-closed', ...position, quantity: '0' }).size).toBe(0);
});

test('fills are newest first, each once, and no more than are shown', () => {
  const fill = (n: number) => ({
    ...{ fillId: `f-${n}`, symbol: 'EURUSD', side: 'buy' as const, quantity: '0.10', price: '1' },
    time: `2026-11-24T08:00:0${n}.000000Z`,
  });
  const fills = withFills([fill(1), fill(2)], [fill(2), fill(3)], 2);
  expect(fills.map(({ fillId }) => fillId)).toEqual(['f-3', 'f-2']);
});

test('only fills are fills', () => {
  expect(fillOf(event('order-accepted'))).toBeUndefined();
  expect(fillOf(event('order-partially-filled', { fillId: 'f-1' }))?.fillId).toBe('f-1');
});
