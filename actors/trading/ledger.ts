/**
 * Double entry: what a change of the balance moves between which accounts of the books. What one gets another gives, so the postings of an
 * entry sum to zero in each currency; where it came from another currency, the exchange stands between the two, and what was lost to
 * rounding stays with it.
 */
import type { AccountEvent, BalanceReason } from './events.ts';
import { COST_SCALE, MONEY_SCALE, powerOfTen } from './money.ts';

export type BalanceChange = Pick<
  Extract<AccountEvent, { type: 'balance-changed' }>,
  'reason' | 'amount' | 'currency' | 'quoteAmount' | 'quoteCurrency'
>;

/**
 * `client`: what is owed to the holder of the account, its balance. Against it stand the money that came in and went out, what the market
 * brought, what was charged, swap, and what was forgiven; and the exchange between two currencies.
 */
export type LedgerAccount = 'client' | 'funding' | 'market' | 'commission' | 'swap' | 'protection' | 'exchange';

export interface Posting {
  readonly account: LedgerAccount;
  readonly currency: string;
  /** Scaled by 10^18; above zero: it gets, below: it gives. */
  readonly amount: bigint;
}

const counterparts: Readonly<Record<BalanceReason, LedgerAccount>> = {
  ...{ deposit: 'funding', withdrawal: 'funding', profit: 'market', commission: 'commission', swap: 'swap' },
  'negative-balance-protection': 'protection',
};

const TO_COST = powerOfTen(COST_SCALE - MONEY_SCALE);

export function postingsOf({
  reason,
  amount,
  currency,
  quoteAmount,
  quoteCurrency,
}: BalanceChange): readonly Posting[] {
  const booked = amount * TO_COST;
  const counterpart = counterparts[reason];
  const client: Posting = { account: 'client', currency, amount: booked };
  // Nothing was exchanged, or it was booked before the other currency was written down.
  if (quoteAmount === undefined || quoteCurrency === undefined)
    return [client, { account: counterpart, currency, amount: -booked }];
  const from: Posting = { account: counterpart, currency: quoteCurrency, amount: -quoteAmount };
  const exchange: readonly Posting[] = [
    { account: 'exchange', currency: quoteCurrency, amount: quoteAmount },
    { account: 'exchange', currency, amount: -booked },
  ];
  // In one currency the two are one: what rounding took or gave.
  if (quoteCurrency !== currency) return [client, ...exchange, from];
  const rounding = quoteAmount - booked;
  return rounding === 0n ? [client, from] : [client, { account: 'exchange', currency, amount: rounding }, from];
}
