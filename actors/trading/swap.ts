/** What keeping a position over night costs or earns. Formulas: MQL5 reference, ENUM_SYMBOL_SWAP_MODE. */
import type { Quote } from '../market/quote.ts';
import type { PositionTerms } from './events.ts';
import { notionalOf, type Instrument } from './instrument.ts';
import { COST_SCALE, divideHalfEven, MONEY_SCALE, powerOfTen, QUANTITY_SCALE } from './money.ts';
import { closingPrice } from './position.ts';

/** Interest is of a year of 360 days, in percent. */
const YEAR = 360n * 100n * powerOfTen(MONEY_SCALE);
const PER_LOT = powerOfTen(COST_SCALE - MONEY_SCALE - QUANTITY_SCALE);

/**
 * In `currency`, scaled by 10^18, below zero where the holder pays.
 *
 * Points: swap · contract size · 10^-digits · lots · days. Interest: swap ÷ 100 ÷ 360 · price · contract size · lots · days, at the
 * price of now or at the one of the opening.
 * @param days nights that count, three on the day of the triple swap
 * @returns undefined where there is no swap, or no price to compute it on
 */
export function swapOf(
  instrument: Instrument,
  position: PositionTerms,
  quote: Pick<Quote, 'bid' | 'ask'> | undefined,
  days: number,
): { readonly amount: bigint; readonly currency: string } | undefined {
  const { swap, quoteCurrency, contractSize, digits } = instrument;
  if (!swap) return undefined;
  const rate = position.side === 'buy' ? swap.long : swap.short;
  const nights = BigInt(days);
  switch (swap.mode) {
    case 'points':
      return {
        amount: (rate * contractSize * position.quantity * nights * PER_LOT) / powerOfTen(digits),
        currency: quoteCurrency,
      };
    case 'currency':
      return { amount: rate * position.quantity * nights * PER_LOT, currency: swap.currency ?? quoteCurrency };
    case 'interest-open':
      return { amount: divideHalfEven(position.cost * rate * nights, YEAR), currency: quoteCurrency };
    case 'interest-current': {
      if (!quote) return undefined;
      const value = notionalOf(instrument, position.quantity, closingPrice(position.side, quote));
      return { amount: divideHalfEven(value * rate * nights, YEAR), currency: quoteCurrency };
    }
  }
}
