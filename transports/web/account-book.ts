/** What is open on an account, folded from its channels: a snapshot first, then events. Plain values. */
import type { AccountEvent, FillItem, List, OrderItem, PositionItem } from './wire.ts';

export type Orders = ReadonlyMap<string, OrderItem>;
export type Positions = ReadonlyMap<string, PositionItem>;

const statesAfter: Readonly<Record<string, string>> = {
  'order-accepted': 'ACCEPTED',
  'order-triggered': 'TRIGGERED',
  'order-partially-filled': 'PARTIALLY_FILLED',
  'order-pending-update': 'PENDING_UPDATE',
  'order-pending-cancel': 'PENDING_CANCEL',
  'order-unknown': 'UNKNOWN',
};

const ends: ReadonlySet<string> = new Set(['order-filled', 'order-canceled', 'order-expired', 'order-rejected']);

export function ordersOf(snapshot: unknown): Orders {
  return new Map((snapshot as List<OrderItem>).items.map((order) => [order.orderId, order]));
}

export function afterOrderEvent(orders: Orders, event: AccountEvent): Orders {
  const next = new Map(orders);
  if (event.type === 'order-submitted') {
    const order = event as AccountEvent & OrderItem & { orderType: string };
    next.set(order.orderId, { ...order, type: order.orderType, filledQuantity: '0', state: 'SUBMITTED' });
    return next;
  }
  const orderId = String(event['orderId']);
  const order = orders.get(orderId);
  if (order === undefined) return orders;
  if (ends.has(event.type)) {
    next.delete(orderId);
    return next;
  }
  const state = statesAfter[event.type];
  if (state === undefined) return orders;
  const filled = event['filledQuantity'];
  // A fill on the way to a cancel does not call the cancel off.
  const isEnding = order.state === 'PENDING_CANCEL' && event.type !== 'order-pending-cancel';
  const filledQuantity = typeof filled === 'string' ? filled : order.filledQuantity;
  next.set(orderId, { ...order, filledQuantity, state: isEnding ? order.state : state });
  return next;
}

export function positionsOf(snapshot: unknown): Positions {
  return new Map((snapshot as List<PositionItem>).items.map((position) => [position.positionId, position]));
}

export function afterPositionEvent(positions: Positions, event: AccountEvent): Positions {
  const position = event as AccountEvent & PositionItem;
  const next = new Map(positions);
  if (event.type === 'position-closed') next.delete(position.positionId);
  else if (event.type === 'position-opened' || event.type === 'position-changed') {
    next.set(position.positionId, position);
  }
  return next;
}

/** The fill that an event of the `orders` channel tells of, if it tells of one. */
export function fillOf(event: AccountEvent): FillItem | undefined {
  if (event.type !== 'order-filled' && event.type !== 'order-partially-filled') return undefined;
  return event as AccountEvent & FillItem;
}

/** Newest first, each fill once, at most `limit`. */
export function withFills(fills: readonly FillItem[], more: readonly FillItem[], limit: number): readonly FillItem[] {
  const byId = new Map([...more, ...fills].map((fill) => [fill.fillId, fill]));
  return [...byId.values()].toSorted((a, b) => (a.time < b.time ? 1 : -1)).slice(0, limit);
}
