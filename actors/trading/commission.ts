/** What a fill costs. */
import type { Execution } from './position.ts';
import { notionalOf, type Instrument } from './instrument.ts';
import { COST_SCALE, MONEY_SCALE, powerOfTen, QUANTITY_SCALE } from './money.ts';

const OF_VALUE = powerOfTen(MONEY_SCALE);
const PER_LOT = powerOfTen(COST_SCALE - MONEY_SCALE - QUANTITY_SCALE);

/** In `currency`, scaled by 10^18, zero or more, not rounded; undefined where fills cost nothing. */
export function commissionOf(
  instrument: Instrument,
  { quantity, price }: Pick<Execution, 'quantity' | 'price'>,
): { readonly amount: bigint; readonly currency: string } | undefined {
  const { commission } = instrument;
  if (!commission) return undefined;
  const { currency } = commission;
  if (commission.kind === 'per-lot') return { amount: commission.amount * quantity * PER_LOT, currency };
  return { amount: (notionalOf(instrument, quantity, price) * commission.amount) / OF_VALUE, currency };
}
