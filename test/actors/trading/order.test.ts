import { describe, expect, test } from 'vitest';
import type { OrderState } from '../../../actors/trading/account.ts';
import {
  ENDED_ORDERS_KEPT,
  isWorking,
  noEndedOrders,
  recallEnded,
  rememberEnded,
  transitions,
  workingState,
  type OrderInput,
  type Transition,
} from '../../../actors/trading/order.ts';
import { limitOrder, opened } from './fixtures.ts';

const inputs = [
  ...(['accepted', 'rejected', 'triggered', 'trailed', 'partially-filled', 'filled', 'canceled', 'expired'] as const),
  ...(['pending-update', 'updated', 'update-rejected', 'pending-cancel', 'cancel-rejected', 'unknown'] as const),
] as const satisfies readonly OrderInput[];

const _ = 'quarantine';
const same = 'ignored';
const on = 'working';
const [acc, rej, trg, prt, fil, can, exp] = [
  ...(['ACCEPTED', 'REJECTED', 'TRIGGERED', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED'] as const),
] as const;
const [upd, wdr, unk] = ['PENDING_UPDATE', 'PENDING_CANCEL', 'UNKNOWN'] as const;
// One row a state, in the order of the inputs above.
const table: Record<OrderState, readonly Transition[]> = {
  SUBMITTED: [acc, rej, trg, on, prt, fil, can, exp, upd, on, same, wdr, same, unk],
  ACCEPTED: [same, rej, trg, on, prt, fil, can, exp, upd, on, same, wdr, same, unk],
  TRIGGERED: [same, rej, same, same, prt, fil, can, exp, upd, on, same, wdr, same, unk],
  PARTIALLY_FILLED: [same, _, same, same, prt, fil, can, exp, upd, on, same, wdr, same, unk],
  PENDING_UPDATE: [upd, rej, upd, upd, upd, fil, can, exp, _, on, on, wdr, same, unk],
  PENDING_CANCEL: [wdr, rej, wdr, wdr, wdr, fil, can, exp, _, wdr, wdr, wdr, on, unk],
  UNKNOWN: [on, rej, on, on, on, fil, can, exp, _, on, on, unk, on, same],
  FILLED: [same, _, same, same, _, _, _, _, _, same, same, _, same, same],
  CANCELED: [same, _, same, same, can, fil, same, _, _, same, same, _, same, same],
  EXPIRED: [same, _, same, same, exp, fil, _, same, _, same, same, _, same, same],
  REJECTED: [same, same, same, same, _, _, _, _, _, same, same, _, same, same],
  DENIED: [_, _, _, _, _, _, _, _, _, _, _, _, _, _],
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
    expect(next === 'ignored' || next === 'quarantine' || (next !== 'working' && !isWorking(next))).toBe(true);
  }
});

test.each([
  [{}, 'ACCEPTED'],
  [{ isTriggered: true }, 'TRIGGERED'],
  [{ isTriggered: true, filledQuantity: 1n }, 'PARTIALLY_FILLED'],
  [{ filledQuantity: 2n }, 'FILLED'],
  [
    { filledQuantity: 2n, pendingChange: { requestId: '', change: {}, margin: 0n, marginBefore: 0n } },
    'PENDING_UPDATE',
  ],
  [{ filledQuantity: 1n, cancelRequested: 'requested' }, 'PENDING_CANCEL'],
] as const)('an order that is known to work, with %o, is %s', (order, state) => {
  expect(workingState({ quantity: 2n, filledQuantity: 0n, ...order })).toBe(state);
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
