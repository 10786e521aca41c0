/** Pre-trade checks: an order, the account, its limits and the quote → accepted, or the first reason against it. */
import type { Quote } from '../market/quote.ts';
import { isCrossed, isStale } from '../market/quote.ts';
import type { Account, Facts } from './account.ts';
import { conversionRate } from './conversion.ts';
import type { OrderTerms, TimeInForce } from './events.ts';
import type { Instrument } from './instrument.ts';
import { formatPrice, formatQuantity, isOnStep, isOnTick, notionalOf } from './instrument.ts';
import { convertHalfEven, marginCurrency, marginFor, symbolMargin, unpricedSymbol, valuationOf } from './margin.ts';
import { formatMoney } from './money.ts';
import { addToSide } from './order-book.ts';
import { closingPrice } from './position.ts';
import { formatTime } from './time.ts';

/** Bounds that an operator sets. */
export interface RiskLimits {
  /** Highest value of one order, in account currency, scaled by 10^8. */
  readonly maxOrderValue: bigint;
  /** Highest number of orders that work at the same time. */
  readonly maxWorkingOrders: number;
}

/** Why we refuse an order, with the figures that explain it as decimal text. Codes are stable and documented under docs/errors/. */
export interface Denial {
  readonly code: DenialCode;
  readonly figures: Readonly<Record<string, string>>;
}

export type DenialCode =
  | 'SYMBOL_UNKNOWN'
  | 'ORDER_TYPE_UNSUPPORTED'
  | 'TIME_IN_FORCE_UNSUPPORTED'
  | 'QUANTITY_BELOW_MINIMUM'
  | 'QUANTITY_ABOVE_MAXIMUM'
  | 'QUANTITY_STEP'
  | 'PRICE_TICK'
  | 'PRICE_MISSING'
  | 'PRICE_NOT_ALLOWED'
  | 'QUOTE_MISSING'
  | 'QUOTE_STALE'
  | 'QUOTE_CROSSED'
  | 'CONVERSION_UNAVAILABLE'
  | 'MARGIN_EXCEEDS_FREE'
  | 'ACCOUNT_NOT_OPEN'
  | 'AI_ORDERS_NOT_ALLOWED'
  | 'MAX_ORDER_VALUE'
  | 'MAX_WORKING_ORDERS';

export type Assessment =
  | { readonly denial: Denial }
  | {
      /** What the order needs on its own, before netting; account currency, scaled by 10^8, rounded up. */
      readonly margin: bigint;
      /** Quote → account currency, scaled by 10^18. */
      readonly conversionRate: bigint;
    };

/** Whether an order may be sent. The first reason against it counts; the order of the checks is part of the contract. */
export function assess(account: Account, order: OrderTerms, facts: Facts): Assessment {
  const instrument = facts.instrument(order.symbol);
  const quote = facts.quote(order.symbol);
  const proposal = { account, order, instrument, quote, facts };
  for (const check of accountChecks) {
    const denial = check(proposal);
    if (denial) return { denial };
  }
  if (!instrument) return { denial: deny('SYMBOL_UNKNOWN', { symbol: order.symbol }) };

  const known = { ...proposal, instrument };
  for (const check of orderChecks) {
    const denial = check(known);
    if (denial) return { denial };
  }

  const needs = needsOf(known);
  if ('code' in needs) return { denial: needs };
  const denial = checkValue(known, needs) ?? checkMargin(known, needs);
  return denial ? { denial } : { margin: needs.margin, conversionRate: needs.conversionRate };
}

interface Proposal {
  readonly account: Account;
  readonly order: OrderTerms;
  readonly quote: Quote | undefined;
  readonly facts: Facts;
}
type KnownProposal = Proposal & { readonly instrument: Instrument };

function deny(code: DenialCode, figures: Readonly<Record<string, string>> = {}): Denial {
  return { code, figures };
}

const accountChecks: readonly ((proposal: Proposal) => Denial | undefined)[] = [
  ({ account }) => (account.isOpen ? undefined : deny('ACCOUNT_NOT_OPEN')),
  ({ account, order }) => (order.source === 'ai' && !account.aiMayOrder ? deny('AI_ORDERS_NOT_ALLOWED') : undefined),
  ({ account, facts }) => {
    const limit = facts.limits.maxWorkingOrders;
    const was = account.orders.size + 1;
    return was > limit ? deny('MAX_WORKING_ORDERS', { limit: String(limit), was: String(was) }) : undefined;
  },
];

/** A market order is filled or refused at once, so all but a date to end at mean the same for it. */
const SUPPORTED: Readonly<Partial<Record<OrderTerms['orderType'], readonly TimeInForce[]>>> = {
  market: ['gtc', 'day', 'ioc', 'fok'],
  limit: ['gtc', 'ioc', 'fok'],
};

const orderChecks: readonly ((proposal: KnownProposal) => Denial | undefined)[] = [
  checkType,
  checkQuantity,
  checkPrice,
  checkQuote,
];

function checkType({ order: { orderType, timeInForce } }: KnownProposal): Denial | undefined {
  const supported = SUPPORTED[orderType];
  if (!supported) return deny('ORDER_TYPE_UNSUPPORTED', { orderType });
  return supported.includes(timeInForce) ? undefined : deny('TIME_IN_FORCE_UNSUPPORTED', { orderType, timeInForce });
}

function checkQuantity({ order: { quantity }, instrument }: KnownProposal): Denial | undefined {
  const was = formatQuantity(instrument, quantity);
  const { minQuantity, maxQuantity, quantityStep } = instrument;
  if (quantity < minQuantity) {
    return deny('QUANTITY_BELOW_MINIMUM', { minimum: formatQuantity(instrument, minQuantity), was });
  }
  if (quantity > maxQuantity) {
    return deny('QUANTITY_ABOVE_MAXIMUM', { maximum: formatQuantity(instrument, maxQuantity), was });
  }
  return isOnStep(instrument, quantity)
    ? undefined
    : deny('QUANTITY_STEP', { step: formatQuantity(instrument, quantityStep), was });
}

function checkPrice({ order: { orderType, limitPrice }, instrument }: KnownProposal): Denial | undefined {
  if (orderType === 'market') {
    return limitPrice === undefined
      ? undefined
      : deny('PRICE_NOT_ALLOWED', { orderType, limitPrice: formatPrice(instrument, limitPrice) });
  }
  if (limitPrice === undefined) return deny('PRICE_MISSING', { orderType });
  if (limitPrice > 0n && isOnTick(instrument, limitPrice)) return undefined;
  return deny('PRICE_TICK', {
    tickSize: formatPrice(instrument, instrument.tickSize),
    was: formatPrice(instrument, limitPrice),
  });
}

/** A market order trades at once and wants a price to trade on; a limit order may wait for one. */
function checkQuote({ order, quote, instrument, facts }: KnownProposal): Denial | undefined {
  if (order.orderType !== 'market') return undefined;
  const { symbol } = order;
  if (!quote) return deny('QUOTE_MISSING', { symbol });
  if (isStale(quote, facts.nowMicros, instrument.staleAfterMs)) {
    const staleAfterMs = String(instrument.staleAfterMs);
    return deny('QUOTE_STALE', { symbol, quotedAt: formatTime(quote.timeMicros), staleAfterMs });
  }
  if (!isCrossed(quote)) return undefined;
  const bid = formatPrice(instrument, BigInt(quote.bid));
  const ask = formatPrice(instrument, BigInt(quote.ask));
  return deny('QUOTE_CROSSED', { symbol, bid, ask });
}

/** What an order costs, in account currency. */
interface Needs {
  readonly value: bigint;
  readonly margin: bigint;
  readonly conversionRate: bigint;
}

function needsOf({ account, order, instrument, quote, facts }: KnownProposal): Needs | Denial {
  // Who only wants out must not be held in by a price or a conversion that rests: the last one, however old, does for that.
  const isWayOut = isReducing(account, order);
  const price = highestPrice(order, quote) ?? (isWayOut ? order.limitPrice : undefined);
  if (price === undefined) return deny('QUOTE_MISSING', { symbol: order.symbol });
  const notional = notionalOf(instrument, order.quantity, price);
  const freshAt = isWayOut ? undefined : facts.nowMicros;
  const { currency, leverage } = account;

  const rate = conversionRate(instrument.quoteCurrency, currency, 'high', facts, freshAt);
  if (rate === undefined) return deny('CONVERSION_UNAVAILABLE', { from: instrument.quoteCurrency, to: currency });
  const from = marginCurrency(instrument);
  const marginRate = conversionRate(from, currency, 'high', facts, freshAt);
  if (marginRate === undefined) return deny('CONVERSION_UNAVAILABLE', { from, to: currency });

  return {
    value: convertHalfEven(notional, rate, currency),
    margin: marginFor(instrument, order.quantity, notional, leverage, marginRate, currency),
    conversionRate: rate,
  };
}

/**
 * The highest price at which an order may trade, so that it is not valued below what it comes to. A buy pays its limit at most, or the
 * ask. A sell is filled at the bid where that is above its limit: the limit alone would make a large sale at next to nothing a small one.
 */
function highestPrice({ side, limitPrice }: OrderTerms, quote: Quote | undefined): bigint | undefined {
  if (side === 'buy') return limitPrice ?? (quote && closingPrice('sell', quote));
  if (!quote) return undefined;
  const bid = closingPrice('buy', quote);
  return limitPrice !== undefined && limitPrice > bid ? limitPrice : bid;
}

/** Whether all that works on this side, the order included, is no more than what is open against it. */
function isReducing(account: Account, order: OrderTerms): boolean {
  const position = account.positions.get(order.symbol);
  if (!position || position.side === order.side) return false;
  const working = account.totals.get(order.symbol)?.[order.side].quantity ?? 0n;
  return working + order.quantity <= position.quantity;
}

function checkValue({ account, facts }: KnownProposal, { value }: Needs): Denial | undefined {
  const { currency } = account;
  const limit = facts.limits.maxOrderValue;
  if (value <= limit) return undefined;
  return deny('MAX_ORDER_VALUE', { limit: formatMoney(limit, currency), was: formatMoney(value, currency), currency });
}

/** An order that does not raise the account's margin needs none, even where free margin is below zero. */
function checkMargin({ account, order, facts }: KnownProposal, { margin }: Needs): Denial | undefined {
  const { symbol, side, quantity } = order;
  const working = account.totals.get(symbol);
  const before = symbolMargin(account, symbol, working, facts);
  const after = symbolMargin(account, symbol, addToSide(working, side, { quantity, margin }), facts);
  if (before !== undefined && after !== undefined && after <= before) return undefined;

  const valuation = valuationOf(account, facts);
  if (before === undefined || after === undefined || !valuation) {
    return deny('CONVERSION_UNAVAILABLE', { symbol: unpricedSymbol(account, facts) ?? symbol, to: account.currency });
  }
  const required = after - before;
  const { freeMargin } = valuation;
  if (required <= freeMargin) return undefined;
  const { currency } = account;
  return deny('MARGIN_EXCEEDS_FREE', {
    required: formatMoney(required, currency),
    free: formatMoney(freeMargin, currency),
    currency,
  });
}
