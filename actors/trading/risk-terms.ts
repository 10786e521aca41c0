/** Pre-trade checks that look at an order's own terms, its instrument and its market. */
import { isCrossed, isStale, type Quote } from '../market/quote.ts';
import type { OrderTerms, OrderType, TimeInForce } from './events.ts';
import { formatPrice, formatQuantity, isComputed, isOnStep, isOnTick, type Instrument } from './instrument.ts';
import { formatScaled, MONEY_SCALE, powerOfTen } from './money.ts';
import { closingPrice } from './position.ts';
import type { Denial } from './risk.ts';
import { deny, isReducing, type KnownProposal } from './risk-proposal.ts';
import { formatTime } from './time.ts';

type Check = (proposal: KnownProposal) => Denial | undefined;

const RESTING = ['gtc', 'day', 'gtd'] as const;

/** A market order is filled or refused at once, so all but a date to end at mean the same for it. */
const SUPPORTED: Readonly<Record<OrderType, readonly TimeInForce[]>> = {
  market: ['gtc', 'day', 'ioc', 'fok'],
  limit: [...RESTING, 'ioc', 'fok'],
  stop: RESTING,
  'stop-limit': RESTING,
  'trailing-stop': RESTING,
};

const wanted: Readonly<Record<OrderType, readonly PriceField[]>> = {
  market: [],
  limit: ['limitPrice'],
  stop: ['stopPrice'],
  'stop-limit': ['stopPrice', 'limitPrice'],
  'trailing-stop': ['trailBy'],
};
type PriceField = 'limitPrice' | 'stopPrice' | 'trailBy';
const priceFields: readonly PriceField[] = ['limitPrice', 'stopPrice', 'trailBy'];

function checkMode({ instrument: { symbol, calculationMode } }: KnownProposal): Denial | undefined {
  return isComputed(calculationMode) ? undefined : deny('CALCULATION_MODE_UNSUPPORTED', { symbol, calculationMode });
}

function checkTradeMode({ account, order, instrument }: KnownProposal): Denial | undefined {
  const { tradeMode = 'full', symbol } = instrument;
  const isAllowed =
    tradeMode === 'full' ||
    (tradeMode !== 'disabled' && isReducing(account, order)) ||
    tradeMode === (order.side === 'buy' ? 'long-only' : 'short-only');
  return isAllowed ? undefined : deny('TRADE_MODE', { symbol, tradeMode });
}

/** Outside of its sessions a symbol takes no order: what rests would be filled at a price that nobody has seen when it was sent. */
function checkSession({ order: { symbol }, facts }: KnownProposal): Denial | undefined {
  const hours = facts.hours(symbol);
  if (!hours || hours.isOpen(facts.nowMicros)) return undefined;
  const nextOpen = hours.nextOpen(facts.nowMicros);
  return deny('MARKET_CLOSED', { symbol, ...(nextOpen === undefined ? {} : { nextOpen: formatTime(nextOpen) }) });
}

function checkType({ order }: KnownProposal): Denial | undefined {
  const { orderType, timeInForce, postOnly } = order;
  if (!SUPPORTED[orderType].includes(timeInForce)) return deny('TIME_IN_FORCE_UNSUPPORTED', { orderType, timeInForce });
  if (!postOnly || (orderType === 'limit' && timeInForce !== 'ioc' && timeInForce !== 'fok')) return undefined;
  return deny('POST_ONLY_UNSUPPORTED', { orderType, timeInForce });
}

function checkExpiry({ order: { timeInForce, expireAtMicros }, facts }: KnownProposal): Denial | undefined {
  if (timeInForce !== 'gtd') return undefined;
  if (expireAtMicros === undefined) return deny('EXPIRY_INVALID', { now: formatTime(facts.nowMicros) });
  if (expireAtMicros > facts.nowMicros) return undefined;
  return deny('EXPIRY_INVALID', { was: formatTime(expireAtMicros), now: formatTime(facts.nowMicros) });
}

function checkQuantity({ order: { quantity }, instrument, limits }: KnownProposal): Denial | undefined {
  const { minQuantity, maxQuantity, quantityStep } = instrument;
  if (quantity < minQuantity) {
    const minimum = formatQuantity(instrument, minQuantity);
    return deny('QUANTITY_BELOW_MINIMUM', { minimum, was: formatQuantity(instrument, quantity) });
  }
  if (quantity > maxQuantity) {
    const maximum = formatQuantity(instrument, maxQuantity);
    return deny('QUANTITY_ABOVE_MAXIMUM', { maximum, was: formatQuantity(instrument, quantity) });
  }
  if (!isOnStep(instrument, quantity)) {
    const step = formatQuantity(instrument, quantityStep);
    return deny('QUANTITY_STEP', { step, was: formatQuantity(instrument, quantity) });
  }
  const limit = limits.maxOrderQuantity;
  if (limit === undefined || quantity <= limit) return undefined;
  return deny('MAX_ORDER_QUANTITY', {
    limit: formatQuantity(instrument, limit),
    was: formatQuantity(instrument, quantity),
  });
}

function checkPrices({ order, instrument }: KnownProposal): Denial | undefined {
  const { orderType } = order;
  for (const field of priceFields) {
    const price = order[field];
    const isWanted = wanted[orderType].includes(field);
    // A trailing stop may be told where it begins.
    const isAllowed = isWanted || (orderType === 'trailing-stop' && field === 'stopPrice');
    if (price === undefined && isWanted) return deny('PRICE_MISSING', { orderType, field });
    if (price === undefined) continue;
    if (!isAllowed) return deny('PRICE_NOT_ALLOWED', { orderType, [field]: formatPrice(instrument, price) });
    const fault = offTick(instrument, price);
    if (fault) return fault;
  }
  return offTick(instrument, order.stopLoss) ?? offTick(instrument, order.takeProfit);
}

function offTick(instrument: Instrument, price: bigint | undefined): Denial | undefined {
  if (price === undefined || (price > 0n && isOnTick(instrument, price))) return undefined;
  const tickSize = formatPrice(instrument, instrument.tickSize);
  return deny('PRICE_TICK', { tickSize, was: formatPrice(instrument, price) });
}

/** What trades at once, or is measured from the market, wants a price; a limit order may wait for one. */
function checkQuote({ order, quote, instrument, facts }: KnownProposal): Denial | undefined {
  const { symbol, orderType } = order;
  if (orderType === 'limit') return undefined;
  if (!quote) return deny('QUOTE_MISSING', { symbol });
  if (quote.fault === 'diverged') return deny('QUOTE_DIVERGED', { symbol, ...priceFigures(instrument, quote) });
  if (quote.fault !== undefined || isStale(quote, facts.nowMicros, instrument.staleAfterMs)) {
    const staleAfterMs = String(instrument.staleAfterMs);
    return deny('QUOTE_STALE', { symbol, quotedAt: formatTime(quote.timeMicros), staleAfterMs });
  }
  return isCrossed(quote) ? deny('QUOTE_CROSSED', { symbol, ...priceFigures(instrument, quote) }) : undefined;
}

function priceFigures(instrument: Instrument, { bid, ask }: Quote): { bid: string; ask: string } {
  return { bid: formatPrice(instrument, BigInt(bid)), ask: formatPrice(instrument, BigInt(ask)) };
}

/** A stop lies beyond the market, protection on either side of where the order opens, each by the distance that the instrument asks for. */
function checkStops({ order, quote, instrument }: KnownProposal): Denial | undefined {
  const { side, orderType, stopPrice, limitPrice, stopLoss, takeProfit } = order;
  const level = BigInt(instrument.stopsLevel ?? 0) * instrument.tickSize;
  const isBuy = side === 'buy';
  if (stopPrice !== undefined && quote) {
    const market = entryPrice(order, quote);
    const beyond = isBuy ? stopPrice - market : market - stopPrice;
    if (beyond <= 0n || beyond < level) return tooClose('stopPrice', stopPrice, market, instrument);
  }
  if (stopLoss === undefined && takeProfit === undefined) return undefined;
  const opensAt = limitPrice ?? stopPrice ?? (quote && exitPrice(order, quote));
  if (opensAt === undefined) return deny('QUOTE_MISSING', { symbol: order.symbol });
  const rules = [
    ['stopLoss', stopLoss, -1n],
    ['takeProfit', takeProfit, 1n],
  ] as const;
  for (const [name, price, sign] of rules) {
    if (price === undefined) continue;
    const distance = (price - opensAt) * sign * (isBuy ? 1n : -1n);
    if (distance <= 0n || distance < level) return tooClose(name, price, opensAt, instrument);
  }
  return orderType === 'market' || limitPrice !== undefined || stopPrice !== undefined || order.trailBy !== undefined
    ? undefined
    : deny('PRICE_MISSING', { orderType });
}

function tooClose(field: string, price: bigint, from: bigint, instrument: Instrument): Denial {
  return deny('STOPS_TOO_CLOSE', {
    ...{ field, was: formatPrice(instrument, price), from: formatPrice(instrument, from) },
    minimumTicks: String(Math.max(1, instrument.stopsLevel ?? 0)),
  });
}

/** What an order on this side opens at, and closes at. */
function entryPrice({ side }: OrderTerms, quote: Quote): bigint {
  return closingPrice(side === 'buy' ? 'sell' : 'buy', quote);
}
function exitPrice({ side }: OrderTerms, quote: Quote): bigint {
  return closingPrice(side, quote);
}

const ONE = powerOfTen(MONEY_SCALE);

/** How far an order may reach through the market; how far it stays away from it is nobody's risk. */
function checkCollar({ order, quote, instrument, limits, facts }: KnownProposal): Denial | undefined {
  const price = order.limitPrice;
  if (price === undefined) return undefined;
  const { priceCollar, rollingPriceCollar } = limits;
  if (priceCollar !== undefined && quote) {
    const denial = beyondCollar('PRICE_COLLAR', order, price, entryPrice(order, quote), priceCollar, instrument);
    if (denial) return denial;
  }
  const range = rollingPriceCollar === undefined ? undefined : facts.recentRange(order.symbol);
  if (!range) return undefined;
  const reference = BigInt(order.side === 'buy' ? range.high : range.low);
  return beyondCollar('PRICE_COLLAR_ROLLING', order, price, reference, rollingPriceCollar!, instrument);
}

function beyondCollar(
  code: 'PRICE_COLLAR' | 'PRICE_COLLAR_ROLLING',
  { side }: OrderTerms,
  price: bigint,
  reference: bigint,
  collar: bigint,
  instrument: Instrument,
): Denial | undefined {
  const reach = side === 'buy' ? price - reference : reference - price;
  if (reach * ONE <= reference * collar) return undefined;
  return deny(code, {
    ...{ was: formatPrice(instrument, price), reference: formatPrice(instrument, reference) },
    limitPercent: formatScaled(collar * 100n, MONEY_SCALE),
  });
}

/** In this order: the first that has something against an order counts. */
export const termChecks: readonly Check[] = [
  ...[checkMode, checkTradeMode, checkType, checkExpiry, checkQuantity, checkPrices],
  ...[checkSession, checkQuote, checkStops, checkCollar],
];
