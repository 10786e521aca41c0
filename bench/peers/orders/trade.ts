/** The rules: what stands against an order, and what its fill does to the account. */
import { Decimal } from 'decimal.js';
import type { Instrument } from './instruments.ts';
import type { Order } from './messages.ts';
import type { Quote } from './quotes.ts';

export interface Account {
  readonly leverage: number;
  readonly balance: Decimal;
  /** Held for the open positions. */
  readonly margin: Decimal;
  /** Of the order's symbol, signed: below zero is short. */
  readonly quantity: Decimal;
  readonly averagePrice: Decimal;
}

export interface Denial {
  readonly code: string;
  readonly figures: Readonly<Record<string, string>>;
}

export interface Fill {
  readonly quantity: Decimal;
  readonly price: Decimal;
  readonly profit: Decimal;
  readonly after: Account;
}

/** What can be told without the account. */
export function checkOrder(
  order: Order,
  instrument: Instrument | undefined,
  quote: Quote | undefined,
): Denial | undefined {
  if (!instrument) return { code: 'SYMBOL_UNKNOWN', figures: { symbol: order.symbol } };
  const quantity = new Decimal(order.quantity);
  const { minQuantity, maxQuantity, quantityStep, staleAfterMs } = instrument;
  const deny = (code: string, limit: Decimal) => ({ code, figures: { limit: limit.toString(), was: order.quantity } });
  if (quantity.lessThan(minQuantity)) return deny('QUANTITY_BELOW_MINIMUM', minQuantity);
  if (quantity.greaterThan(maxQuantity)) return deny('QUANTITY_ABOVE_MAXIMUM', maxQuantity);
  if (!quantity.modulo(quantityStep).isZero()) return deny('QUANTITY_STEP', quantityStep);
  if (!quote) return { code: 'QUOTE_MISSING', figures: { symbol: order.symbol } };
  const ageMs = Date.now() - quote.timeMs;
  if (ageMs > staleAfterMs) return { code: 'QUOTE_STALE', figures: { limitMs: `${staleAfterMs}`, wasMs: `${ageMs}` } };
  if (quote.bid.greaterThan(quote.ask)) {
    return { code: 'QUOTE_CROSSED', figures: { bid: quote.bid.toString(), ask: quote.ask.toString() } };
  }
  return undefined;
}

export function fillOrder(order: Order, instrument: Instrument, quote: Quote, account: Account): Fill | Denial {
  const isBuy = order.side === 'buy';
  const price = isBuy ? quote.ask : quote.bid;
  const quantity = new Decimal(order.quantity);
  const change = isBuy ? quantity : quantity.negated();
  const before = account.quantity;
  const after = before.plus(change);

  const grows = before.isZero() || before.isPositive() === isBuy;
  const closed = grows ? new Decimal(0) : Decimal.min(quantity, before.abs());
  const gain = isBuy ? account.averagePrice.minus(price) : price.minus(account.averagePrice);
  const profit = gain.times(closed).times(instrument.contractSize).toDecimalPlaces(2, Decimal.ROUND_HALF_EVEN);
  const averagePrice = averageAfter(account, before, change, after, price, grows);

  const held = marginOf(before, account.averagePrice, instrument, account.leverage);
  const needed = marginOf(after, averagePrice, instrument, account.leverage);
  const free = account.balance.plus(openProfit(account, instrument, quote)).minus(account.margin);
  const required = needed.minus(held);
  if (required.greaterThan(free)) {
    return { code: 'MARGIN_EXCEEDS_FREE', figures: { required: required.toString(), free: free.toString() } };
  }
  const balance = account.balance.plus(profit);
  const margin = account.margin.plus(required);
  return { quantity, price, profit, after: { ...account, balance, margin, quantity: after, averagePrice } };
}

function averageAfter(
  account: Account,
  before: Decimal,
  change: Decimal,
  after: Decimal,
  price: Decimal,
  grows: boolean,
): Decimal {
  if (after.isZero()) return new Decimal(0);
  if (grows) return account.averagePrice.times(before).plus(price.times(change)).dividedBy(after);
  const turned = before.isPositive() !== after.isPositive();
  return turned ? price : account.averagePrice;
}

function marginOf(quantity: Decimal, price: Decimal, { contractSize }: Instrument, leverage: number): Decimal {
  return quantity.abs().times(price).times(contractSize).dividedBy(leverage).toDecimalPlaces(2, Decimal.ROUND_UP);
}

function openProfit(account: Account, { contractSize }: Instrument, { bid, ask }: Quote): Decimal {
  const price = account.quantity.isPositive() ? bid : ask;
  return price.minus(account.averagePrice).times(account.quantity).times(contractSize);
}
