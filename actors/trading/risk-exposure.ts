/** Pre-trade checks of what an order would come to: its value, what would be open then, its margin, and what has been lost already. */
import type { Quote } from '../market/quote.ts';
import { conversionRate } from './conversion.ts';
import type { OrderTerms } from './events.ts';
import { formatQuantity, notionalOf } from './instrument.ts';
import {
  convertHalfEven,
  marginCurrency,
  marginFor,
  marginLevelOf,
  symbolMargin,
  unpricedSymbol,
  valuationOf,
} from './margin.ts';
import { formatMoney, formatScaled } from './money.ts';
import { addToSide } from './order-book.ts';
import { closingPrice } from './position.ts';
import type { Denial } from './risk.ts';
import { dailyLossBreach, drawdownBreach } from './risk-breaches.ts';
import { deny, isReducing, type KnownProposal } from './risk-proposal.ts';

/** What an order costs, in account currency. */
export interface Needs {
  readonly value: bigint;
  readonly margin: bigint;
  readonly conversionRate: bigint;
}

export function needsOf({ account, order, instrument, quote, facts }: KnownProposal): Needs | Denial {
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
  const marginRate = from === instrument.quoteCurrency ? rate : conversionRate(from, currency, 'high', facts, freshAt);
  if (marginRate === undefined) return deny('CONVERSION_UNAVAILABLE', { from, to: currency });

  const { side, quantity } = order;
  return {
    value: convertHalfEven(notional, rate, currency),
    margin: order.reduceOnly ? 0n : marginFor(instrument, { side, quantity, notional }, leverage, marginRate, currency),
    conversionRate: rate,
  };
}

/**
 * The highest price at which an order may trade, so that it is not valued below what it comes to. A buy pays its limit at most, or the
 * ask, or what it is once its stop is reached. A sell is filled at the bid where that is above its limit: the limit alone would make a
 * large sale at next to nothing a small one.
 */
function highestPrice({ side, limitPrice, stopPrice }: OrderTerms, quote: Quote | undefined): bigint | undefined {
  if (side === 'buy') return limitPrice ?? larger(stopPrice, quote && closingPrice('sell', quote));
  if (!quote) return undefined;
  return larger(limitPrice, closingPrice('buy', quote));
}

function larger(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}

export function checkExposure(proposal: KnownProposal, needs: Needs): Denial | undefined {
  const denial = checkValue(proposal, needs);
  if (denial) return denial;
  if (isReducing(proposal.account, proposal.order)) return undefined;
  return checkOpen(proposal, needs) ?? checkMargin(proposal, needs);
}

function checkValue({ account, limits }: KnownProposal, { value }: Needs): Denial | undefined {
  const { currency } = account;
  const limit = limits.maxOrderValue;
  if (limit === undefined || value <= limit) return undefined;
  return deny('MAX_ORDER_VALUE', { limit: formatMoney(limit, currency), was: formatMoney(value, currency), currency });
}

/** What would be open on the order's side if all that works there were filled. */
function checkOpen({ account, order, instrument, limits }: KnownProposal, { value }: Needs): Denial | undefined {
  const { maxOpenQuantity, maxOpenNotional } = limits;
  if (maxOpenQuantity === undefined && maxOpenNotional === undefined) return undefined;
  const { symbol, side, quantity } = order;
  let open = (account.totals.get(symbol)?.[side].quantity ?? 0n) + quantity;
  for (const position of account.positions.values()) {
    if (position.symbol === symbol) open += position.side === side ? position.quantity : -position.quantity;
  }
  if (maxOpenQuantity !== undefined && open > maxOpenQuantity) {
    const figures = { limit: formatQuantity(instrument, maxOpenQuantity), was: formatQuantity(instrument, open) };
    return deny('MAX_OPEN_QUANTITY', { symbol, ...figures });
  }
  const notional = open <= 0n ? 0n : (value * open) / quantity;
  if (maxOpenNotional === undefined || notional <= maxOpenNotional) return undefined;
  const { currency } = account;
  const figures = { limit: formatMoney(maxOpenNotional, currency), was: formatMoney(notional, currency) };
  return deny('MAX_OPEN_NOTIONAL', { symbol, ...figures, currency });
}

/** An order that does not raise the account's margin needs none, even where free margin is below zero. */
function checkMargin({ account, order, facts, limits }: KnownProposal, { margin }: Needs): Denial | undefined {
  const { symbol, side, quantity } = order;
  const working = account.totals.get(symbol);
  const before = symbolMargin(account, symbol, working, facts);
  const after = symbolMargin(account, symbol, addToSide(working, side, { quantity, margin }), facts);
  if (before !== undefined && after !== undefined && after <= before) return undefined;

  const valuation = valuationOf(account, facts);
  if (before === undefined || after === undefined || !valuation) {
    return deny('CONVERSION_UNAVAILABLE', { symbol: unpricedSymbol(account, facts) ?? symbol, to: account.currency });
  }
  const { currency } = account;
  const loss = dailyLossBreach(account, valuation.equity, limits);
  if (loss) return deny('DAILY_LOSS', loss);
  const drawdown = drawdownBreach(account, valuation.equity, limits);
  if (drawdown) return deny('DRAWDOWN', drawdown);
  const required = after - before;
  const { freeMargin, equity } = valuation;
  if (required > freeMargin) {
    const figures = { required: formatMoney(required, currency), free: formatMoney(freeMargin, currency) };
    return deny('MARGIN_EXCEEDS_FREE', { ...figures, currency });
  }
  const floor = limits.minMarginLevel;
  const level = floor === undefined ? undefined : marginLevelOf({ equity, margin: valuation.margin + required });
  if (floor === undefined || level === undefined || level >= floor) return undefined;
  return deny('MARGIN_LEVEL_FLOOR', { limitPercent: formatScaled(floor, 2, 2), wasPercent: formatScaled(level, 2, 2) });
}
