/** A price as the market shows it: what buyers bid and sellers ask. */
import { RecentRange, type PriceRange } from './price-range.ts';

/**
 * Prices are integers scaled by 10^8 (`PRICE_SCALE`), held as numbers: this is the tick path, and `isPrice` guards it.
 * Rules turn them into `bigint` before they multiply.
 */
export interface Quote {
  readonly symbol: string;
  readonly bid: number;
  readonly ask: number;
  /** When the source made it, microseconds since the epoch. */
  readonly timeMicros: number;
  /** Raised by one a quote by the price stream of this symbol. */
  readonly sequence: number;
  /** What is wrong with the source. Absent: nothing is. */
  readonly fault?: SourceFault;
}

/**
 * `stale`: silent for too long while the market is open. `diverged`: too far from a second source of the symbol; its prices go on, and
 * nothing may be traded at them.
 */
export type SourceFault = 'stale' | 'diverged';

/** Whether a number can be a price: rules multiply it exactly, so it must be a safe integer, and above zero. */
export function isPrice(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

/** A bid above the ask: a fault of the source. Nothing may be filled on it. */
export function isCrossed(quote: Pick<Quote, 'bid' | 'ask'>): boolean {
  return quote.bid > quote.ask;
}

/**
 * Older than `staleAfterMs`: no longer a price to trade on. Nor is one that is so far ahead of us: once a clock has been set back,
 * the last quote before that would stay fresh for as long.
 */
export function isStale(quote: Pick<Quote, 'timeMicros'>, nowMicros: number, staleAfterMs: number): boolean {
  return Math.abs(nowMicros - quote.timeMicros) > staleAfterMs * 1000;
}

/** The last quote of each symbol. Written by price streams alone, read synchronously by whoever decides on prices. */
export class QuoteBoard {
  readonly #quotes = new Map<string, Quote>();
  readonly #ranges = new Map<string, RecentRange>();
  readonly #rangeMs: number;

  /** @param rangeMs over how long the range of prices reaches back */
  constructor(rangeMs = 60_000) {
    this.#rangeMs = rangeMs;
  }

  set(quote: Quote): void {
    const { symbol } = quote;
    this.#quotes.set(symbol, quote);
    let range = this.#ranges.get(symbol);
    if (!range) this.#ranges.set(symbol, (range = new RecentRange(this.#rangeMs)));
    range.add(quote.bid, quote.ask, quote.timeMicros);
  }

  /** Lowest bid and highest ask of a short while before the last good quote. */
  range(symbol: string): PriceRange | undefined {
    return this.#ranges.get(symbol)?.range;
  }

  get(symbol: string): Quote | undefined {
    return this.#quotes.get(symbol);
  }

  all(): Iterable<Quote> {
    return this.#quotes.values();
  }
}
