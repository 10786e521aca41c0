/** Positions are closed: at the market, or by an opposite one. */
import type { Account, Decision, Facts, PositionTerms } from './account.ts';
import { bookQuoteAmount } from './booking.ts';
import type { ClosePosition } from './commands.ts';
import type { AccountEvent, OrderSource, OrderTerms } from './events.ts';
import { formatQuantity } from './instrument.ts';
import { submitOrder } from './order-commands.ts';
import { isClosing, newOrderId, refused } from './order-requests.ts';
import { netPositions } from './position.ts';

/** An order that reduces, through the same checks as any other. */
export function closePosition(account: Account, command: ClosePosition, facts: Facts): Decision {
  const { positionId, requestId, quantity } = command;
  const position = findPosition(account, positionId);
  if (!position) return refused('NOT_FOUND', { positionId });
  if (quantity !== undefined && quantity > position.quantity) {
    const instrument = facts.instrument(position.symbol);
    return refused('QUANTITY_ABOVE_POSITION', {
      was: formatQuantity(instrument, quantity),
      limit: formatQuantity(instrument, position.quantity),
    });
  }
  const terms = closingTerms(account, position, quantity ?? position.quantity, `~close.${requestId}`, 'close');
  return submitOrder(account, terms, facts);
}

/**
 * A market order that closes what no such order is closing already; undefined where all of it is on its way.
 * It passes no check: who must get out, must.
 */
export function closingOrder(
  account: Account,
  position: PositionTerms,
  facts: Facts,
  by: { readonly source: OrderSource; readonly n: number },
): AccountEvent | undefined {
  let quantity = position.quantity;
  for (const order of account.orders.values()) {
    const isOfIt =
      account.oms === 'hedging' ? order.positionId === position.positionId : order.symbol === position.symbol;
    if (isOfIt && order.side !== position.side && isClosing(order)) quantity -= order.quantity - order.filledQuantity;
  }
  if (quantity <= 0n) return undefined;
  const orderId = newOrderId(account, facts, by.n);
  const terms = closingTerms(account, position, quantity, `~${by.source}.${orderId}`, by.source);
  const { currency } = account;
  return {
    ...{ ...terms, type: 'order-submitted', timeMicros: facts.nowMicros, orderId },
    ...{ margin: 0n, currency, conversionRate: 0n },
  };
}

function closingTerms(
  account: Account,
  { symbol, side, positionId }: PositionTerms,
  quantity: bigint,
  clientOrderId: string,
  source: OrderSource,
): OrderTerms {
  return {
    ...{ clientOrderId, symbol, side: side === 'buy' ? 'sell' : 'buy', orderType: 'market', quantity },
    ...{ timeInForce: 'gtc', reduceOnly: true, source },
    ...(account.oms === 'hedging' ? { positionId } : {}),
  };
}

/** No broker takes part in it but in its own books: the two are netted at their own prices. */
export function closeBy(
  account: Account,
  command: { readonly positionId: string; readonly byPositionId: string },
  facts: Facts,
): Decision {
  if (account.oms !== 'hedging') return refused('NOT_HEDGING');
  const [position, by] = [command.positionId, command.byPositionId].map((id) => account.positions.get(id));
  if (!position) return refused('NOT_FOUND', { positionId: command.positionId });
  if (!by) return refused('NOT_FOUND', { positionId: command.byPositionId });
  if (position.symbol !== by.symbol || position.side === by.side) return refused('POSITIONS_NOT_OPPOSITE');
  const instrument = facts.instrument(position.symbol);
  if (!instrument) return refused('NOT_FOUND', { symbol: position.symbol });

  const { changes, realized } = netPositions(position, by);
  const id = `cb-${account.accountId}-${facts.seq}`;
  const common = { timeMicros: facts.nowMicros, orderId: id, fillId: id };
  const events: AccountEvent[] = changes.map(({ type, position: after }) => ({ ...common, type, ...after }));
  events.push(
    bookQuoteAmount(account, 'profit', realized, instrument.quoteCurrency, facts, { orderId: id, fillId: id }),
  );
  const { positionId, byPositionId } = command;
  return { events, reply: { type: 'close-by', positionId, byPositionId } };
}

export function findPosition(account: Account, positionId: string): PositionTerms | undefined {
  if (account.oms === 'hedging') return account.positions.get(positionId);
  for (const position of account.positions.values()) if (position.positionId === positionId) return position;
  return undefined;
}
