/**
 * Margin and what depends on it: equity, free margin, margin level.
 *
 * A symbol needs the larger of what its long and its short side need, since netting leaves only one of them. A side is the
 * position, if it is on that side, and the working orders of that side as far as they are more than an opposite position takes up;
 * of these, that share of their margin counts.
 */
import type { Account, SideTotals, SymbolTotals } from './account.ts';
import type { PositionTerms } from './events.ts';
import type { Instrument } from './instrument.ts';
import type { Prices } from './conversion.ts';
import { conversionRate, worseSide } from './conversion.ts';
import {
  COST_SCALE,
  divideHalfEven,
  divideUp,
  minorDigits,
  MONEY_SCALE,
  powerOfTen,
  QUANTITY_SCALE,
  RATE_SCALE,
  roundToMinorUnit,
} from './money.ts';
import { openProfitOf } from './position.ts';

/** In account currency, scaled by 10^8. */
export interface Valuation {
  readonly openProfit: bigint;
  readonly equity: bigint;
  readonly margin: bigint;
  /** May be below zero. */
  readonly freeMargin: bigint;
}

/**
 * Marks an account at the last quotes, whatever their age: an open position keeps its last price while its market rests.
 * @returns undefined when a position cannot be priced or converted: a quote was never seen
 */
export function valuationOf(account: Account, prices: Prices): Valuation | undefined {
  let openProfit = 0n;
  let margin = 0n;
  for (const position of account.positions.values()) {
    const profit = openProfitIn(account.currency, position, prices);
    const held = symbolMargin(account, position.symbol, account.totals.get(position.symbol), prices);
    if (profit === undefined || held === undefined) return undefined;
    openProfit += profit;
    margin += held;
  }
  for (const [symbol, totals] of account.totals) {
    if (!account.positions.has(symbol)) margin += larger(totals.buy.margin, totals.sell.margin);
  }
  const equity = account.balance + openProfit;
  return { openProfit, equity, margin, freeMargin: equity - margin };
}

/** The first symbol for whose sake an account cannot be valued. */
export function unpricedSymbol(account: Account, prices: Prices): string | undefined {
  for (const position of account.positions.values()) {
    const isPriced =
      openProfitIn(account.currency, position, prices) !== undefined &&
      positionMargin(account, position, prices) !== undefined;
    if (!isPriced) return position.symbol;
  }
  return undefined;
}

/** Equity in percent of margin, scaled by 10^2, rounded half-even; undefined when no margin is used. */
export function marginLevelOf({ equity, margin }: Pick<Valuation, 'equity' | 'margin'>): bigint | undefined {
  return margin === 0n ? undefined : divideHalfEven(equity * 10_000n, margin);
}

/** Open profit of one position in `currency`, scaled by 10^8, converted at the side that is worse for its holder. */
export function openProfitIn(currency: string, position: PositionTerms, prices: Prices): bigint | undefined {
  const instrument = prices.instrument(position.symbol);
  const quote = prices.quote(position.symbol);
  if (!instrument || !quote) return undefined;
  const profit = openProfitOf(position, instrument, quote);
  const rate = conversionRate(instrument.quoteCurrency, currency, worseSide(profit), prices);
  return rate === undefined ? undefined : convertHalfEven(profit, rate, currency);
}

/** @param amount in quote currency, scaled by 10^18; the result is rounded half-even to the minor unit, scaled by 10^8 */
export function convertHalfEven(amount: bigint, rate: bigint, currency: string): bigint {
  return roundToMinorUnit(amount * rate, COST_SCALE + RATE_SCALE, currency, divideHalfEven);
}

/**
 * Margin that a symbol needs.
 * @param totals of its working orders; pass those that would be there to see what an order adds
 */
export function symbolMargin(
  account: Account,
  symbol: string,
  totals: SymbolTotals | undefined,
  prices: Prices,
): bigint | undefined {
  const position = account.positions.get(symbol);
  if (!position) return totals ? larger(totals.buy.margin, totals.sell.margin) : 0n;
  const held = positionMargin(account, position, prices);
  if (held === undefined) return undefined;
  if (!totals) return held;
  const { buy, sell } = totals;
  return position.side === 'buy'
    ? larger(held + buy.margin, uncovered(sell, position.quantity, account.currency))
    : larger(held + sell.margin, uncovered(buy, position.quantity, account.currency));
}

/** Margin of the part of a side's orders that an opposite position of `cover` lots does not take up. */
function uncovered(side: SideTotals, cover: bigint, currency: string): bigint {
  if (side.quantity <= cover) return 0n;
  return shareOf(side.margin, side.quantity - cover, side.quantity, currency);
}

/** Rounded up to the minor unit. */
export function shareOf(margin: bigint, part: bigint, whole: bigint, currency: string): bigint {
  const unit = powerOfTen(MONEY_SCALE - minorDigits(currency));
  return divideUp(margin * part, whole * unit) * unit;
}

function positionMargin(account: Account, position: PositionTerms, prices: Prices): bigint | undefined {
  const instrument = prices.instrument(position.symbol);
  if (!instrument) return undefined;
  const rate = conversionRate(marginCurrency(instrument), account.currency, 'high', prices);
  if (rate === undefined) return undefined;
  return marginFor(instrument, position.quantity, position.cost, account.leverage, rate, account.currency);
}

/** The currency in which an instrument's margin arises, before conversion. */
export function marginCurrency(instrument: Instrument): string {
  return instrument.calculationMode === 'forex' ? instrument.baseCurrency : instrument.quoteCurrency;
}

/**
 * Margin to hold for a quantity, in account currency, scaled by 10^8, rounded up to the minor unit.
 *
 * @param notional its value in quote currency, scaled by 10^18; plays no part in mode `forex`
 * @param accountLeverage 1 to 500; the lower of it and the instrument's counts
 * @param rate margin currency → account currency, scaled by 10^18
 */
export function marginFor(
  instrument: Instrument,
  quantity: bigint,
  notional: bigint,
  accountLeverage: number,
  rate: bigint,
  currency: string,
): bigint {
  const leverage = BigInt(Math.min(accountLeverage, instrument.maxLeverage));
  const digits = minorDigits(currency);
  const [exposure, scale] =
    instrument.calculationMode === 'forex'
      ? [quantity * instrument.contractSize, QUANTITY_SCALE + RATE_SCALE]
      : [notional, COST_SCALE + RATE_SCALE];
  return divideUp(exposure * rate, leverage * powerOfTen(scale - digits)) * powerOfTen(MONEY_SCALE - digits);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
