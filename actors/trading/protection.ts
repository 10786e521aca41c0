/** What follows from a fill for other orders: protection is placed, groups are withdrawn, and what reduces nothing any more. */
import type { Account, Facts, PositionTerms, WorkingOrder } from './account.ts';
import type { AccountEvent, OrderTerms } from './events.ts';
import { cancelRequest, newOrderId } from './order-requests.ts';

/**
 * A stop and a limit order for what a fill has opened, as its order wished; each fill has a pair of its own, so that none has to grow.
 * @param opened quantity that the fill opened or added
 */
export function protect(
  account: Account,
  order: WorkingOrder,
  fill: { readonly fillId: string; readonly opened: bigint; readonly positionId: string },
  facts: Facts,
): AccountEvent[] {
  const { stopLoss, takeProfit, symbol, side, strategyId, orderId: parentOrderId } = order;
  if (fill.opened === 0n) return [];
  const events: AccountEvent[] = [];
  const place = (name: 'sl' | 'tp', prices: Pick<OrderTerms, 'orderType' | 'stopPrice' | 'limitPrice'>): void => {
    const orderId = newOrderId(account, facts, events.length + 1);
    events.push({
      ...{
        type: 'order-submitted',
        timeMicros: facts.nowMicros,
        orderId,
        clientOrderId: `~${name}.${orderId}`,
        symbol,
      },
      ...{ side: side === 'buy' ? 'sell' : 'buy', quantity: fill.opened, ...prices, timeInForce: 'gtc' },
      ...{ reduceOnly: true, ocoGroup: `~${fill.fillId}`, parentOrderId, source: 'bracket' },
      ...(account.oms === 'hedging' ? { positionId: fill.positionId } : {}),
      ...(strategyId === undefined ? {} : { strategyId }),
      ...{ margin: 0n, currency: account.currency, conversionRate: order.conversionRate },
    });
  };
  if (stopLoss !== undefined) place('sl', { orderType: 'stop', stopPrice: stopLoss });
  if (takeProfit !== undefined) place('tp', { orderType: 'limit', limitPrice: takeProfit });
  return events;
}

/**
 * Withdraws what a fill makes superfluous: the rest of its group (one cancels others), and orders that would reduce what is gone.
 * Of an order that only reduces, the group ends with the fill that completes it: until then the others guard what is left,
 * and a broker lets none of them reduce more than that.
 * @param account before the fill
 * @param filled the order after it
 * @param positions after it
 */
export function superfluous(
  account: Account,
  filled: WorkingOrder,
  isComplete: boolean,
  positions: Account['positions'],
  facts: Facts,
): AccountEvent[] {
  const reduced = reducedBy(account, filled, account.positions);
  const endedGroup = isComplete || !filled.reduceOnly ? filled.ocoGroup : undefined;
  if (!reduced && endedGroup === undefined) return [];

  const left = reducedBy(account, filled, positions);
  const events: AccountEvent[] = [];
  const pairs = new Map<string, WorkingOrder[]>();
  for (const order of account.orders.values()) {
    if (order.orderId === filled.orderId || order.cancelRequested) continue;
    if (endedGroup !== undefined && order.ocoGroup === endedGroup) events.push(cancelRequest(order, facts, 'oco'));
    else if (!reduced || !order.reduceOnly || reducedBy(account, order, account.positions) !== reduced) continue;
    else if (!left) events.push(cancelRequest(order, facts, 'position-closed'));
    else if (order.source === 'bracket') pairs.set(order.ocoGroup!, [...(pairs.get(order.ocoGroup!) ?? []), order]);
  }
  // Each pair guards what one fill has opened: the youngest are withdrawn when there is less than they guard together.
  let unguarded = left?.quantity ?? 0n;
  for (const [group, pair] of pairs) {
    const guarded = (group === filled.ocoGroup ? [...pair, filled] : pair).map(openQuantity).reduce(smaller);
    if (guarded <= unguarded) unguarded -= guarded;
    else events.push(...pair.map((order) => cancelRequest(order, facts, 'position-closed')));
  }
  return events;
}

/** The position that an order would reduce. */
function reducedBy({ oms }: Account, order: WorkingOrder, positions: Account['positions']): PositionTerms | undefined {
  const key = oms === 'netting' ? order.symbol : order.positionId;
  const position = key === undefined ? undefined : positions.get(key);
  return position && position.side !== order.side ? position : undefined;
}

function openQuantity({ quantity, filledQuantity }: WorkingOrder): bigint {
  return quantity - filledQuantity;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
