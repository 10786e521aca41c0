/** Amounts in another currency become a change of the balance. */
import type { Account, Facts } from './account.ts';
import { conversionRate, worseSide } from './conversion.ts';
import type { AccountEvent, BalanceReason } from './events.ts';
import { convertHalfEven } from './margin.ts';
import { COST_SCALE, divideUp, RATE_SCALE, roundToMinorUnit } from './money.ts';

export type BalanceChanged = Extract<AccountEvent, { type: 'balance-changed' }>;

/** What a change of the balance came from, and a rate for the case that no price was ever seen. */
export interface BookingSource {
  readonly orderId?: string;
  readonly fillId?: string;
  readonly positionId?: string;
  readonly lastRate?: bigint;
  /** The balance before this change, where the row has changed it already. */
  readonly balance?: bigint;
}

/**
 * Books an amount, scaled by 10^18: profit and swap half-even at the minor unit, what is owed up; at the rate that is worse for the trader.
 * What has happened must be booked, so a rate is always found: fresh quotes, else the last ones whatever their age,
 * else (the board is still empty after a restart) the rate at which the order was valued when it was let through.
 * @throws {Error} there is no rate at all: the account cannot say what it has
 */
export function bookQuoteAmount(
  account: Account,
  reason: BalanceReason,
  quoteAmount: bigint,
  from: string,
  facts: Facts,
  source: BookingSource,
): BalanceChanged {
  const { currency } = account;
  const side = worseSide(quoteAmount);
  const { lastRate, balance: before = account.balance, ...names } = source;
  const rate =
    conversionRate(from, currency, side, facts, facts.nowMicros) ??
    conversionRate(from, currency, side, facts) ??
    (lastRate === 0n ? undefined : lastRate);
  if (rate === undefined) throw new Error(`there is no rate from ${from} to ${currency}`);
  // A charge is rounded up, so that what comes off the balance is rounded down.
  const amount =
    reason === 'commission'
      ? -roundToMinorUnit(-quoteAmount * rate, COST_SCALE + RATE_SCALE, currency, divideUp)
      : convertHalfEven(quoteAmount, rate, currency);
  return {
    ...{ type: 'balance-changed', timeMicros: facts.nowMicros, reason, amount, balance: before + amount, currency },
    ...{ ...names, quoteAmount, quoteCurrency: from, conversionRate: rate },
  };
}
