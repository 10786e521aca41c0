/**
 * Margin and what depends on it: equity, free margin, margin level.
 *
 * A symbol needs the larger of what its long and its short side need, since netting leaves only one of them. A side is the
 * position, if it is on that side, and the working orders of that side as far as they are more than an opposite position takes up;
 * of these, that share of their margin counts.
 */
import type { Account, SideTotals, SymbolTotals } from './account.ts';
import type { PositionTerms, Side } from './events.ts';
import { notionalOf, type Instrument } from './instrument.ts';
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
import { closingPrice, openProfitOf } from './position.ts';

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
    if (profit === undefined) return undefined;
    openProfit += profit;
  }
  for (const symbol of symbolsOf(account)) {
    const held = symbolMargin(account, symbol, account.totals.get(symbol), prices);
    if (held === undefined) return undefined;
    margin += held;
  }
  const equity = account.balance + openProfit;
  return { openProfit, equity, margin, freeMargin: equity - margin };
}

/** What an account has something open or working in. */
function symbolsOf({ oms, positions, totals }: Account): Iterable<string> {
  if (oms === 'netting' && totals.size === 0) return positions.keys();
  const symbols = new Set<string>(totals.keys());
  for (const { symbol } of positions.values()) symbols.add(symbol);
  return symbols;
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
  if (account.oms === 'hedging') return hedgedMargin(account, symbol, totals, prices);
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

/**
 * On a hedging account a symbol has two legs, of positions and of orders that would open more. As the instrument has it, either the leg
 * that needs more counts alone; or the part of the larger leg that the smaller does not cover, and of the covered part what its
 * contract size for hedged volume makes (MQL5 book, "Margin of hedged positions").
 */
function hedgedMargin(
  account: Account,
  symbol: string,
  totals: SymbolTotals | undefined,
  prices: Prices,
): bigint | undefined {
  const legs = { buy: totals?.buy ?? NOTHING, sell: totals?.sell ?? NOTHING };
  for (const position of account.positions.values()) {
    if (position.symbol !== symbol) continue;
    const held = positionMargin(account, position, prices);
    if (held === undefined) return undefined;
    const { quantity, margin } = legs[position.side];
    legs[position.side] = { quantity: quantity + position.quantity, margin: margin + held };
  }
  const instrument = prices.instrument(symbol);
  if (!instrument) return undefined;
  if (instrument.hedgedMarginUsesLeg) return larger(legs.buy.margin, legs.sell.margin);
  const { uncovered, side, hedged } = coverOf(legs.buy.quantity, legs.sell.quantity);
  const long = legs[side];
  if (long.quantity === 0n) return 0n;
  const { currency } = account;
  const open = shareOf(long.margin, uncovered, long.quantity, currency);
  const covered = instrument.hedgedMargin ?? 0n;
  if (covered === 0n || hedged === 0n) return open;
  return open + shareOf(long.margin, hedged * covered, long.quantity * instrument.contractSize, currency);
}

/** Of two opposite legs, how much of the larger one the smaller does not cover, and how much it does. */
export function coverOf(
  buy: bigint,
  sell: bigint,
): { readonly uncovered: bigint; readonly side: Side; readonly hedged: bigint } {
  return buy >= sell
    ? { uncovered: buy - sell, side: 'buy', hedged: sell }
    : { uncovered: sell - buy, side: 'sell', hedged: buy };
}

const NOTHING: SideTotals = { quantity: 0n, margin: 0n };

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
  const { side, quantity } = position;
  const notional = marginValueOf(position, instrument, prices);
  if (notional === undefined) return undefined;
  return marginFor(instrument, { side, quantity, notional }, account.leverage, rate, account.currency);
}

/** Of shares the last price counts, of all else the price at which the position was opened. */
function marginValueOf(position: PositionTerms, instrument: Instrument, prices: Prices): bigint | undefined {
  if (instrument.calculationMode !== 'exchange-stocks') return position.cost;
  const quote = prices.quote(position.symbol);
  return quote && notionalOf(instrument, position.quantity, closingPrice(position.side, quote));
}

/** The currency in which an instrument's margin arises, before conversion. */
export function marginCurrency(instrument: Instrument): string {
  const { calculationMode } = instrument;
  return calculationMode === 'forex' || calculationMode === 'forex-no-leverage'
    ? instrument.baseCurrency
    : instrument.quoteCurrency;
}

/** What margin is computed of. */
export interface Exposure {
  readonly side: Side;
  readonly quantity: bigint;
  /** Its value in quote currency, scaled by 10^18; plays no part where margin goes by lots. */
  readonly notional: bigint;
}

/**
 * Margin to hold, in account currency, scaled by 10^8, rounded up to the minor unit. Formulas: MQL5 reference, ENUM_SYMBOL_CALC_MODE.
 *
 * @param accountLeverage 1 to 500; the lower of it and the instrument's counts, in the modes that know leverage
 * @param rate margin currency → account currency, scaled by 10^18
 * @throws {TypeError} a calculation mode that nothing here computes
 */
export function marginFor(
  instrument: Instrument,
  { side, quantity, notional }: Exposure,
  accountLeverage: number,
  rate: bigint,
  currency: string,
): bigint {
  const [exposure, scale, divisor] = exposureOf(instrument, quantity, notional, accountLeverage);
  const share = instrument.marginRates?.[side];
  const digits = minorDigits(currency);
  const total = share === undefined ? exposure * rate : exposure * rate * share;
  const scales = scale + RATE_SCALE + (share === undefined ? 0 : MONEY_SCALE);
  return divideUp(total, divisor * powerOfTen(scales - digits)) * powerOfTen(MONEY_SCALE - digits);
}

/** The formula of a mode as a fraction: what it is of, the digits that this is scaled by, and what it is divided by. */
function exposureOf(
  instrument: Instrument,
  quantity: bigint,
  notional: bigint,
  accountLeverage: number,
): readonly [exposure: bigint, scale: number, divisor: bigint] {
  const { calculationMode: mode, contractSize, initialMargin, tickValue, tickSize } = instrument;
  const leverage = BigInt(Math.min(accountLeverage, instrument.maxLeverage));
  if (initialMargin !== undefined && mode !== 'forex')
    return [quantity * initialMargin, QUANTITY_SCALE + MONEY_SCALE, 1n];
  switch (mode) {
    case 'forex':
      return [quantity * contractSize, QUANTITY_SCALE, leverage];
    case 'forex-no-leverage':
      return [quantity * contractSize, QUANTITY_SCALE, 1n];
    case 'cfd':
    case 'exchange-stocks':
      return [notional, COST_SCALE, 1n];
    case 'cfd-index':
      return [notional * (tickValue ?? 1n), COST_SCALE, tickValue === undefined ? 1n : tickSize];
    case 'cfd-leverage':
    case 'isolated':
      return [notional, COST_SCALE, leverage];
    case 'futures':
    case 'exchange-futures':
    case 'exchange-futures-forts':
    case 'exchange-bonds':
    case 'exchange-stocks-moex':
    case 'exchange-bonds-moex':
    case 'collateral':
      throw new TypeError(`margin of calculation mode ${mode} is not computed without an initial margin`);
  }
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
