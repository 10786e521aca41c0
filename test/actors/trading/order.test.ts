import { describe, expect, test } from 'vitest';
import type { OrderState } from '../../../actors/trading/account.ts';
import {
  ENDED_ORDERS_KEPT,
  isWorking,
  noEndedOrders,
  recallEnded,
  rememberEnded,
  transitions,
  type OrderInput,
  type Transition,
} from '../../../actors/trading/order.ts';
import { limitOrder, opened } from './fixtures.ts';

const inputs = [
  'accepted',
  'rejected',
  'partially-filled',
  'filled',
  'canceled',
  'expired',
  'pending-cancel',
] as const satisfies readonly OrderInput[];

const _ = 'quarantine';
const same = 'ignored';
// One row a state, in the order of the inputs above.
const table: Record<OrderState, readonly Transition[]> = {
  SUBMITTED: ['ACCEPTED', 'REJECTED', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'PENDING_CANCEL'],
  ACCEPTED: [same, 'REJECTED', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'PENDING_CANCEL'],
  PARTIALLY_FILLED: [same, _, 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'PENDING_CANCEL'],
  PENDING_CANCEL: ['PENDING_CANCEL', 'REJECTED', 'PENDING_CANCEL', 'FILLED', 'CANCELED', 'EXPIRED', 'PENDING_CANCEL'],
  UNKNOWN: ['ACCEPTED', 'REJECTED', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'UNKNOWN'],
  FILLED: [same, _, _, _, _, _, _],
  CANCELED: [same, _, 'CANCELED', 'FILLED', same, _, _],
  EXPIRED: [same, _, 'EXPIRED', 'FILLED', _, same, _],
  REJECTED: [same, same, _, _, _, _, _],
  DENIED: [_, _, _, _, _, _, _],
};

const states = Object.keys(table) as OrderState[];
const cells = states.flatMap((state) => inputs.map((input, i) => [state, input, table[state][i]!] as const));

test.each(cells)('an order that is %s and comes upon %s: %s', (state, input, next) => {
  expect(transitions[state][input]).toBe(next);
});

test('the table has no state or input besides these', () => {
  expect(Object.keys(transitions).toSorted()).toEqual(states.toSorted());
  for (const state of states) expect(Object.keys(transitions[state]).toSorted()).toEqual([...inputs].toSorted());
});

test.each(states)('an ended order never works again: %s', (state) => {
  if (isWorking(state)) return;
  for (const next of Object.values(transitions[state])) {
    expect(next === 'ignored' || next === 'quarantine' || !isWorking(next)).toBe(true);
  }
});

describe('ended orders', () => {
  const ledger = opened();
  ledger.give(limitOrder('1.05'));
  const [order] = ledger.account.orders.values();
  const ended = (i: number) => ({ ...order!, orderId: `o-${i}` });
  const all = Array.from({ length: 1000 }, (_unused, i) => ended(i));

  test('the last ones are remembered, the oldest forgotten', () => {
    const memory = all.reduce(rememberEnded, noEndedOrders);
    const known = all.filter(({ orderId }) => recallEnded(memory, orderId)).length;
    expect(known).toBeGreaterThanOrEqual(ENDED_ORDERS_KEPT);
    expect(known).toBeLessThanOrEqual(2 * ENDED_ORDERS_KEPT);
    expect(recallEnded(memory, 'o-999')).toBe(all[999]);
    expect(recallEnded(memory, `o-${1000 - ENDED_ORDERS_KEPT}`)).toBe(all[1000 - ENDED_ORDERS_KEPT]);
    expect(recallEnded(memory, 'o-0')).toBeUndefined();
  });

  test('remembering again stands before the older self, and earlier memories stay as they were', () => {
    const before = rememberEnded(noEndedOrders, ended(1));
    const after = rememberEnded(before, { ...ended(1), state: 'FILLED' });
    expect(recallEnded(after, 'o-1')?.state).toBe('FILLED');
    expect(recallEnded(before, 'o-1')?.state).toBe('SUBMITTED');
  });
});
