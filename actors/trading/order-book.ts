/** The orders of an account: found, added, moved on. All that is derived from them is kept in step here. */
import type { Account, SideTotals, SymbolTotals, WorkingOrder } from './account.ts';
import type { AccountEvent, FillTerms, OrderChange, OrderEvent } from './events.ts';
import { shareOf } from './margin.ts';
import type { OrderInput } from './order.ts';
import { isWorking, recallEnded, rememberEnded, transitions, workingState } from './order.ts';

/** A working order, or one that ended a short while ago. */
export function findOrder(account: Account, orderId: string): WorkingOrder | undefined {
  return account.orders.get(orderId) ?? recallEnded(account.ended, orderId);
}

/** @returns quantity that a fill may still bring: while a larger one is asked for, that counts, since its fills may come first */
export function fillableQuantity({ quantity, pendingChange }: WorkingOrder): bigint {
  const asked = pendingChange?.change.quantity ?? 0n;
  return asked > quantity ? asked : quantity;
}

export function addOrder(account: Account, event: Extract<AccountEvent, { type: 'order-submitted' }>): Account {
  const { type: _type, timeMicros, currency: _currency, ...terms } = event;
  const order: WorkingOrder = {
    ...terms,
    state: 'SUBMITTED',
    filledQuantity: 0n,
    submittedMicros: timeMicros,
    fillIds: [],
  };
  return replaceOrder(account, undefined, order);
}

/** What moves an order on. */
export type OrderMove = Exclude<OrderEvent, { type: 'order-submitted' | 'order-denied' | 'order-report-quarantined' }>;

/** @throws {Error} the order's state has no place for it: the journal is not this account's, or has lost a row */
export function moveOrder(account: Account, event: OrderMove): Account {
  const order = findOrder(account, event.orderId);
  const input = event.type.slice('order-'.length) as OrderInput;
  const state = order ? transitions[order.state][input] : 'quarantine';
  if (!order || state === 'ignored' || state === 'quarantine') {
    throw new Error(`the journal holds "${input}" for order ${event.orderId}, which is ${order?.state ?? 'not known'}`);
  }
  const moved = moveTerms(order, event, account.currency);
  return replaceOrder(account, order, { ...moved, state: state === 'working' ? workingState(moved) : state });
}

function moveTerms(order: WorkingOrder, event: OrderMove, currency: string): WorkingOrder {
  switch (event.type) {
    case 'order-partially-filled':
    case 'order-filled':
      return withFill(order, event, currency);
    case 'order-triggered':
      return { ...order, isTriggered: true };
    case 'order-trailed':
      return { ...order, stopPrice: event.stopPrice };
    case 'order-pending-update': {
      const { requestId, change, margin } = event;
      const pendingChange = { requestId, change, margin, marginBefore: order.margin };
      return { ...order, pendingChange, margin: margin > order.margin ? margin : order.margin };
    }
    case 'order-updated':
      return withChange(order, event.change, currency);
    case 'order-update-rejected': {
      const { pendingChange, ...kept } = order;
      return pendingChange ? { ...kept, margin: pendingChange.marginBefore } : order;
    }
    case 'order-pending-cancel':
      return { ...order, cancelRequested: event.reason ?? 'requested' };
    case 'order-cancel-rejected': {
      const { cancelRequested: _asked, ...kept } = order;
      return kept;
    }
    case 'order-accepted':
    case 'order-rejected':
    case 'order-canceled':
    case 'order-expired':
    case 'order-unknown':
      return order;
  }
}

function withFill(order: WorkingOrder, fill: FillTerms, currency: string): WorkingOrder {
  const { pendingChange, filledQuantity: before } = order;
  const shrunk = (margin: bigint, quantity: bigint): bigint => {
    const open = quantity - before;
    return open <= fill.quantity ? 0n : shareOf(margin, open - fill.quantity, open, currency);
  };
  const filled = { filledQuantity: fill.filledQuantity, fillIds: [...order.fillIds, fill.fillId] };
  if (!pendingChange) return { ...order, ...filled, margin: shrunk(order.margin, order.quantity) };
  const margin = shrunk(pendingChange.margin, pendingChange.change.quantity ?? order.quantity);
  const marginBefore = shrunk(pendingChange.marginBefore, order.quantity);
  return {
    ...{ ...order, ...filled },
    margin: margin > marginBefore ? margin : marginBefore,
    pendingChange: { ...pendingChange, margin, marginBefore },
  };
}

/** A change that the broker made unasked keeps the margin a lot needs: what it is worth now nobody has looked up. */
function withChange(order: WorkingOrder, change: OrderChange, currency: string): WorkingOrder {
  const { pendingChange, ...kept } = order;
  const changed = { ...kept, ...change };
  if (pendingChange) return { ...changed, margin: pendingChange.margin };
  const [open, before] = [changed.quantity - order.filledQuantity, order.quantity - order.filledQuantity];
  if (open === before || before <= 0n) return changed;
  return { ...changed, margin: open <= 0n ? 0n : shareOf(order.margin, open, before, currency) };
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
  const margin = marginOf(after) - marginOf(before);
  if (quantity === 0n && margin === 0n) return totals;

  const next = new Map(totals);
  const moved = addToSide(totals.get(order.symbol), order.side, { quantity, margin });
  if (moved.buy.quantity === 0n && moved.sell.quantity === 0n) next.delete(order.symbol);
  else next.set(order.symbol, moved);
  return next;
}

/** What only reduces opens nothing, so it is in no total. */
function openQuantity(order: WorkingOrder | undefined): bigint {
  if (!order || order.reduceOnly) return 0n;
  const open = fillableQuantity(order) - order.filledQuantity;
  return open > 0n ? open : 0n;
}

function marginOf(order: WorkingOrder | undefined): bigint {
  return !order || order.reduceOnly ? 0n : order.margin;
}

const NONE: SideTotals = { quantity: 0n, margin: 0n };

/** The totals of a symbol with something added to one side, or, below zero, taken from it. */
export function addToSide(totals: SymbolTotals | undefined, side: keyof SymbolTotals, more: SideTotals): SymbolTotals {
  const before = totals?.[side] ?? NONE;
  const after = { quantity: before.quantity + more.quantity, margin: before.margin + more.margin };
  return side === 'buy' ? { buy: after, sell: totals?.sell ?? NONE } : { buy: totals?.buy ?? NONE, sell: after };
}
