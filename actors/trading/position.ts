/**
 * What fills make of positions. Netting: one position a symbol; fills on its side add to it, fills against it close it and, what is
 * left over, opens the other side. Hedging: a fill opens a position of its own, or closes the one that its order names.
 */
import type { Quote } from '../market/quote.ts';
import type { OrderManagement, PositionTerms, Side } from './events.ts';
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

export interface Applied extends Netted {
  /** Of the fill, what opened or enlarged a position, which is the last one of `changes`. */
  readonly opened: bigint;
  readonly positionId: string;
}

/**
 * @param fill `positionId`: the position that it is to close, on a hedging account
 * @param newPositionId the id of a position that the fill opens
 */
export function applyFill(
  account: { readonly oms: OrderManagement; readonly positions: ReadonlyMap<string, PositionTerms> },
  fill: Execution & { readonly symbol: string; readonly positionId?: string },
  instrument: Instrument,
  newPositionId: string,
): Applied | 'position-not-known' | 'beyond-position' {
  let position = account.oms === 'netting' ? account.positions.get(fill.symbol) : undefined;
  if (account.oms === 'hedging' && fill.positionId !== undefined) {
    position = account.positions.get(fill.positionId);
    if (!position || position.side === fill.side) return 'position-not-known';
    if (fill.quantity > position.quantity) return 'beyond-position';
  }
  const netted = netFill(position, fill, instrument, newPositionId);
  const last = netted.changes.at(-1)!;
  const isOpened = last.position.side === fill.side;
  const closed = position && position.side !== fill.side ? smaller(position.quantity, fill.quantity) : 0n;
  return { ...netted, opened: isOpened ? fill.quantity - closed : 0n, positionId: last.position.positionId };
}

/**
 * Two opposite positions close each other as far as the smaller one goes: each gives up its part of the cost, and the difference is the
 * profit, which is what selling the long one at the short one's price would bring.
 */
export function netPositions(
  a: PositionTerms,
  b: PositionTerms,
): { readonly changes: readonly PositionChange[]; readonly realized: bigint } {
  const closed = smaller(a.quantity, b.quantity);
  const [released, against] = [releasedCost(a, closed), releasedCost(b, closed)];
  const realized = a.side === 'buy' ? against - released : released - against;
  return { changes: [reduce(a, closed, released), reduce(b, closed, against)], realized };
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
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
  return divideHalfEven(cost, quantity * instrument.pointValue * COST_TO_PRICE);
}
