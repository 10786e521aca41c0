/** The orders of an account: found, added, moved on. All that is derived from them is kept in step here. */
import type { Account, SideTotals, SymbolTotals, WorkingOrder } from './account.ts';
import type { AccountEvent, FillTerms } from './events.ts';
import { shareOf } from './margin.ts';
import type { OrderInput } from './order.ts';
import { isWorking, recallEnded, rememberEnded, transitions } from './order.ts';

/** A working order, or one that ended a short while ago. */
export function findOrder(account: Account, orderId: string): WorkingOrder | undefined {
  return account.orders.get(orderId) ?? recallEnded(account.ended, orderId);
}

export function addOrder(account: Account, event: Extract<AccountEvent, { type: 'order-submitted' }>): Account {
  const { orderId, clientOrderId, symbol, side, orderType, quantity, limitPrice, timeInForce, source } = event;
  const { margin, conversionRate, timeMicros } = event;
  const order: WorkingOrder = {
    ...{ orderId, clientOrderId, symbol, side, orderType, quantity, timeInForce, source, margin, conversionRate },
    ...(limitPrice === undefined ? {} : { limitPrice }),
    state: 'SUBMITTED',
    filledQuantity: 0n,
    submittedMicros: timeMicros,
    fillIds: [],
  };
  return replaceOrder(account, undefined, order);
}

/** @throws {Error} the order's state has no place for it: the journal is not this account's, or has lost a row */
export function moveOrder(account: Account, orderId: string, input: OrderInput, fill?: FillTerms): Account {
  const order = findOrder(account, orderId);
  const state = order ? transitions[order.state][input] : 'quarantine';
  if (!order || state === 'ignored' || state === 'quarantine') {
    throw new Error(`the journal holds "${input}" for order ${orderId}, which is ${order?.state ?? 'not known'}`);
  }
  if (!fill) return replaceOrder(account, order, { ...order, state });
  const open = order.quantity - order.filledQuantity;
  const margin = shareOf(order.margin, open - fill.quantity, open, account.currency);
  const fillIds = [...order.fillIds, fill.fillId];
  return replaceOrder(account, order, { ...order, state, filledQuantity: fill.filledQuantity, margin, fillIds });
}

function replaceOrder(account: Account, before: WorkingOrder | undefined, after: WorkingOrder): Account {
  if (before && !isWorking(before.state)) return { ...account, ended: rememberEnded(account.ended, after) };

  if (isWorking(after.state)) {
    const orders = account.orders.with(after.orderId, after);
    return { ...account, orders, totals: moveTotals(account.totals, before, after) };
  }
  const orders = account.orders.without(after.orderId);
  const ended = rememberEnded(account.ended, { ...after, margin: 0n });
  return { ...account, orders, ended, totals: moveTotals(account.totals, before, undefined) };
}

function moveTotals(
  totals: Account['totals'],
  before: WorkingOrder | undefined,
  after: WorkingOrder | undefined,
): Account['totals'] {
  const order = after ?? before;
  if (!order) return totals;
  const quantity = openQuantity(after) - openQuantity(before);
  const margin = (after?.margin ?? 0n) - (before?.margin ?? 0n);
  if (quantity === 0n && margin === 0n) return totals;

  const next = new Map(totals);
  const moved = addToSide(totals.get(order.symbol), order.side, { quantity, margin });
  if (moved.buy.quantity === 0n && moved.sell.quantity === 0n) next.delete(order.symbol);
  else next.set(order.symbol, moved);
  return next;
}

function openQuantity(order: WorkingOrder | undefined): bigint {
  return order ? order.quantity - order.filledQuantity : 0n;
}

const NONE: SideTotals = { quantity: 0n, margin: 0n };

/** The totals of a symbol with something added to one side, or, below zero, taken from it. */
export function addToSide(totals: SymbolTotals | undefined, side: keyof SymbolTotals, more: SideTotals): SymbolTotals {
  const before = totals?.[side] ?? NONE;
  const after = { quantity: before.quantity + more.quantity, margin: before.margin + more.margin };
  return side === 'buy' ? { buy: after, sell: totals?.sell ?? NONE } : { buy: totals?.buy ?? NONE, sell: after };
}
