/** What a broker session does after a restart: our orders are told to the broker again, which changes nothing for those it knows. */
import type { Account } from './account.ts';
import type { BrokerOrder } from './broker.ts';

/**
 * Orders to place again, oldest first. The quantity is the order's whole one: `orderId` is the broker's key.
 * One that is to be withdrawn is not among them: a broker that does not know it would fill it, against its owner's wish.
 */
export function workingOrders(account: Account): BrokerOrder[] {
  return [...account.orders.values()].filter(({ state }) => state !== 'PENDING_CANCEL').map(orderToPlace);
}

/** Ids of the orders whose cancel may have been lost on the way: to be asked for again. */
export function pendingCancels(account: Account): string[] {
  return [...account.orders.values()].filter(({ state }) => state === 'PENDING_CANCEL').map(({ orderId }) => orderId);
}

/** An order as the broker is to know it. A market order is filled at once, so brokers need not know that it was good for the day. */
export function orderToPlace(order: BrokerOrder): BrokerOrder {
  const { orderId, symbol, side, orderType, quantity, limitPrice } = order;
  const timeInForce = orderType === 'market' && order.timeInForce === 'day' ? 'gtc' : order.timeInForce;
  const terms = { orderId, symbol, side, orderType, quantity, timeInForce };
  return limitPrice === undefined ? terms : { ...terms, limitPrice };
}
