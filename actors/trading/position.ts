/** Netting: one position a symbol; fills on its side add to it, fills against it close it and, what is left over, opens the other side. */
import type { Quote } from '../market/quote.ts';
import type { PositionTerms, Side } from './events.ts';
import type { Instrument } from './instrument.ts';
import { notionalOf } from './instrument.ts';
import { COST_SCALE, divideHalfEven, powerOfTen, PRICE_SCALE, QUANTITY_SCALE } from './money.ts';

export interface PositionChange {
  readonly type: 'position-opened' | 'position-changed' | 'position-closed';
  readonly position: PositionTerms;
}

export interface Netted {
  /** In the order in which they happen. */
  readonly changes: readonly PositionChange[];
  /** Profit of what was closed, in quote currency, scaled by 10^18, before fees; undefined when nothing was closed. */
  readonly realized: bigint | undefined;
}

export interface Execution {
  readonly side: Side;
  /** Above zero. */
  readonly quantity: bigint;
  readonly price: bigint;
}

/**
 * What a fill makes of the position of its symbol.
 * @param newPositionId the id of a position that the fill opens
 */
export function netFill(
  position: PositionTerms | undefined,
  fill: Execution,
  instrument: Instrument,
  newPositionId: string,
): Netted {
  if (!position) return { changes: [open(fill, fill.quantity, instrument, newPositionId)], realized: undefined };
  if (position.side === fill.side) return { changes: [increase(position, fill, instrument)], realized: undefined };

  const closed = fill.quantity < position.quantity ? fill.quantity : position.quantity;
  const released = releasedCost(position, closed);
  const proceeds = notionalOf(instrument, closed, fill.price);
  const realized = position.side === 'buy' ? proceeds - released : released - proceeds;
  const changes = [reduce(position, closed, released)];
  if (closed < fill.quantity) changes.push(open(fill, fill.quantity - closed, instrument, newPositionId));
  return { changes, realized };
}

/** Profit in quote currency, scaled by 10^18, if all of the position were closed on this quote: a long at the bid, a short at the ask. */
export function openProfitOf(position: PositionTerms, instrument: Instrument, quote: Quote): bigint {
  const value = notionalOf(instrument, position.quantity, closingPrice(position.side, quote));
  return position.side === 'buy' ? value - position.cost : position.cost - value;
}

/** The price at which a position of this side closes. Of a crossed quote, the price that is worse for its holder. */
export function closingPrice(side: Side, quote: Pick<Quote, 'bid' | 'ask'>): bigint {
  return BigInt(side === 'buy' ? Math.min(quote.bid, quote.ask) : Math.max(quote.bid, quote.ask));
}

function open(fill: Execution, quantity: bigint, instrument: Instrument, positionId: string): PositionChange {
  const { side, price } = fill;
  const cost = notionalOf(instrument, quantity, price);
  const position = { positionId, symbol: instrument.symbol, side, quantity, cost, averagePrice: price };
  return { type: 'position-opened', position };
}

function increase(position: PositionTerms, fill: Execution, instrument: Instrument): PositionChange {
  const quantity = position.quantity + fill.quantity;
  const cost = position.cost + notionalOf(instrument, fill.quantity, fill.price);
  return {
    type: 'position-changed',
    position: { ...position, quantity, cost, averagePrice: averagePrice(cost, quantity, instrument) },
  };
}

/** The average price is the one at which the position was opened: closing some of it, or all, does not move it. */
function reduce(position: PositionTerms, closed: bigint, released: bigint): PositionChange {
  const quantity = position.quantity - closed;
  const type = quantity === 0n ? 'position-closed' : 'position-changed';
  return { type, position: { ...position, quantity, cost: position.cost - released } };
}

/** The whole position releases its whole cost, so that nothing is left behind by rounding. */
function releasedCost(position: PositionTerms, closed: bigint): bigint {
  if (closed === position.quantity) return position.cost;
  return divideHalfEven(position.cost * closed, position.quantity);
}

const COST_TO_PRICE = powerOfTen(COST_SCALE - PRICE_SCALE - QUANTITY_SCALE);

function averagePrice(cost: bigint, quantity: bigint, instrument: Instrument): bigint {
  return divideHalfEven(cost, quantity * instrument.contractSize * COST_TO_PRICE);
}
