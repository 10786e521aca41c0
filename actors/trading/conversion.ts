/** Rates between currencies, from the platform's own last quotes. */
import type { Quote } from '../market/quote.ts';
import { isCrossed, isStale } from '../market/quote.ts';
import type { Instrument } from './instrument.ts';
import { divideDown, divideUp, powerOfTen, PRICE_SCALE, RATE_SCALE } from './money.ts';

/** Where rules find prices and terms. */
export interface Prices {
  quote(symbol: string): Quote | undefined;
  instrument(symbol: string): Instrument | undefined;
}

/** `low` is worse for who receives the amount, `high` for who owes it. */
export type RateSide = 'low' | 'high';

const ONE = powerOfTen(RATE_SCALE);
const PRICE_TO_RATE = powerOfTen(RATE_SCALE - PRICE_SCALE);
const INVERSE = powerOfTen(RATE_SCALE + PRICE_SCALE);
const PIVOT = 'USD';

/**
 * What one unit of `from` is worth in `to`, scaled by 10^18: directly quoted, else inverse, else over USD.
 * @param freshAtMicros when given, only quotes that one may trade on at that moment count; without it the last quote counts,
 *   whatever its age; of a crossed one the lower price counts as its low side
 * @returns undefined when a quote is missing or may not be used
 */
export function conversionRate(
  from: string,
  to: string,
  side: RateSide,
  prices: Prices,
  freshAtMicros?: number,
): bigint | undefined {
  if (from === to) return ONE;
  const rate = pairRate(from, to, side, prices, freshAtMicros);
  if (rate !== undefined || from === PIVOT || to === PIVOT) return rate;
  const toPivot = pairRate(from, PIVOT, side, prices, freshAtMicros);
  const fromPivot = pairRate(PIVOT, to, side, prices, freshAtMicros);
  if (toPivot === undefined || fromPivot === undefined) return undefined;
  return side === 'low' ? divideDown(toPivot * fromPivot, ONE) : divideUp(toPivot * fromPivot, ONE);
}

/** The side on which a trader's profit or loss in another currency is converted: a gain low, a loss high. */
export function worseSide(amount: bigint): RateSide {
  return amount > 0n ? 'low' : 'high';
}

function pairRate(
  from: string,
  to: string,
  side: RateSide,
  prices: Prices,
  freshAtMicros: number | undefined,
): bigint | undefined {
  const direct = usableQuote(from, to, prices, freshAtMicros);
  if (direct) return BigInt(side === 'low' ? lower(direct) : higher(direct)) * PRICE_TO_RATE;
  const inverse = usableQuote(to, from, prices, freshAtMicros);
  if (!inverse) return undefined;
  return side === 'low' ? divideDown(INVERSE, BigInt(higher(inverse))) : divideUp(INVERSE, BigInt(lower(inverse)));
}

function usableQuote(
  base: string,
  quoted: string,
  prices: Prices,
  freshAtMicros: number | undefined,
): Quote | undefined {
  const instrument = prices.instrument(base + quoted);
  if (instrument?.baseCurrency !== base || instrument.quoteCurrency !== quoted) return undefined;
  const quote = prices.quote(instrument.symbol);
  if (!quote || lower(quote) <= 0) return undefined;
  if (freshAtMicros === undefined) return quote;
  return isCrossed(quote) || quote.fault !== undefined || isStale(quote, freshAtMicros, instrument.staleAfterMs)
    ? undefined
    : quote;
}

function lower(quote: Quote): number {
  return Math.min(quote.bid, quote.ask);
}

function higher(quote: Quote): number {
  return Math.max(quote.bid, quote.ask);
}
