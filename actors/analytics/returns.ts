/** What a row of returns says: growth, its swings, and what a trade brings. Shares of one, such as 0.01 for a percent. */
import { Decimal } from '../trading/money.ts';

/** A return that was not observed is left out, not taken for zero. */
export type Returns = readonly (Decimal | undefined)[];

const ZERO = new Decimal(0);
const ONE = new Decimal(1);

/** Trading days of a year. */
export const TRADING_DAYS = 252;
/** Days of the year that growth is told for; interest on positions counts 360. */
export const CALENDAR_DAYS = 365;

/**
 * Mean over sample standard deviation (n − 1), times the root of the periods of a year.
 * @param periodsPerYear 252 for daily returns
 * @returns undefined for fewer than two returns, and where they do not differ
 */
export function sharpeRatio(returns: Returns, periodsPerYear = TRADING_DAYS, riskFree = ZERO): Decimal | undefined {
  const excess = observed(returns).map((each) => each.minus(riskFree));
  if (excess.length < 2) return undefined;
  const mean = sum(excess).div(excess.length);
  const variance = sum(excess.map((each) => each.minus(mean).pow(2))).div(excess.length - 1);
  return variance.isZero() ? undefined : mean.div(variance.sqrt()).times(new Decimal(periodsPerYear).sqrt());
}

/** The deepest fall below a peak, compounded: zero or below. The beginning counts as a peak. */
export function maxDrawdown(returns: Returns): Decimal {
  let [value, peak, deepest] = [ONE, ONE, ZERO];
  for (const each of observed(returns)) {
    value = value.times(ONE.plus(each));
    peak = Decimal.max(peak, value);
    deepest = Decimal.min(deepest, value.div(peak).minus(ONE));
  }
  return deepest;
}

/**
 * Growth a year, compounded, of a year of 365 days.
 * @param start above zero
 * @param days above zero
 * @throws {RangeError}
 */
export function annualGrowth(start: Decimal, end: Decimal, days: number): Decimal {
  if (!(start.gt(0) && end.gte(0) && days > 0))
    throw new RangeError(
      `start and days must be above zero and end not below, were ${start.toString()}, ${days} and ${end.toString()}`,
    );
  return end.div(start).pow(new Decimal(CALENDAR_DAYS).div(days)).minus(ONE);
}

/** What a trade brings on average: average win × share of wins − average loss × share of losses, which is the mean of them all. */
export function expectancy(profits: readonly Decimal[]): Decimal | undefined {
  if (profits.length === 0) return undefined;
  return sum(profits).div(profits.length);
}

function observed(returns: Returns): readonly Decimal[] {
  return returns.filter((each) => each !== undefined);
}

function sum(values: readonly Decimal[]): Decimal {
  return values.reduce((total, value) => total.plus(value), ZERO);
}
