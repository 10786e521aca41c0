/**
 * What an account has ordered and traded a short while ago: enough to see the same order sent twice, and a strategy that trades in circles.
 * Follows from events alone, so that a replay remembers the same.
 */
import type { OrderTerms } from './events.ts';

export interface RecentOrders {
  /** Newest first. */
  readonly orders: readonly RecentOrder[];
  /** Moments of the latest fills, newest first, by what may be blocked for them: a strategy, or else a symbol. */
  readonly fills: ReadonlyMap<string, readonly number[]>;
}

export interface RecentOrder {
  /** What makes two orders the same, whoever numbered them. */
  readonly key: string;
  readonly orderId: string;
  readonly timeMicros: number;
}

/** At most this many of each are remembered; windows that hold more are cut to it. Part of the rules: a replay must forget at the same moment. */
export const RECENT_ORDERS_KEPT = 32;
export const RECENT_FILLS_KEPT = 64;

export const noRecentOrders: RecentOrders = { orders: [], fills: new Map() };

export function orderKey({ symbol, side, orderType, quantity, limitPrice, stopPrice }: OrderTerms): string {
  return `${symbol} ${side} ${orderType} ${quantity} ${limitPrice ?? ''} ${stopPrice ?? ''}`;
}

/** A strategy answers for its fills; what nobody automated has sent, its symbol. */
export function executionSubject({
  strategyId,
  symbol,
}: {
  readonly symbol: string;
  readonly strategyId?: string | undefined;
}): string {
  return strategyId ?? symbol;
}

export function rememberOrder(
  recent: RecentOrders,
  order: OrderTerms,
  orderId: string,
  timeMicros: number,
): RecentOrders {
  const orders = [{ key: orderKey(order), orderId, timeMicros }, ...recent.orders.slice(0, RECENT_ORDERS_KEPT - 1)];
  return { ...recent, orders };
}

export function rememberFill(recent: RecentOrders, subject: string, timeMicros: number): RecentOrders {
  const before = recent.fills.get(subject) ?? [];
  const fills = new Map(recent.fills).set(subject, [timeMicros, ...before.slice(0, RECENT_FILLS_KEPT - 1)]);
  return { ...recent, fills };
}

/** How many fills of a subject lie within the window before `nowMicros`. */
export function fillsWithin(recent: RecentOrders, subject: string, nowMicros: number, windowMs: number): number {
  const since = nowMicros - windowMs * 1_000;
  let count = 0;
  for (const timeMicros of recent.fills.get(subject) ?? []) {
    if (timeMicros <= since) break;
    count += 1;
  }
  return count;
}
