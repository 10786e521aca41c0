/**
 * At which price an isolated position is taken over, because its own margin no longer carries it. Venues differ in what they count; the
 * formulas are those of their contract specifications, as freqtrade's exchange classes have them.
 */
import type { Side } from './events.ts';
import { divideHalfEven, powerOfTen } from './money.ts';

/** Digits behind the point of every figure here: margins come from divisions. */
export const LIQUIDATION_SCALE = 18;

export interface IsolatedPosition {
  readonly side: Side;
  /** Above zero. */
  readonly quantity: bigint;
  readonly entryPrice: bigint;
  /** What was set aside for the position; where no margin was added, quantity · entry ÷ leverage. */
  readonly wallet: bigint;
  /** 1 or more, not scaled. Only Bybit's formula asks for it. */
  readonly leverage: bigint;
}

/** Shares are scaled like all else; `binance` alone knows an amount that is taken off its maintenance margin. */
export type LiquidationTerms =
  | { readonly venue: 'binance'; readonly maintenanceRate: bigint; readonly maintenanceAmount: bigint }
  | { readonly venue: 'gate-okx'; readonly maintenanceRate: bigint; readonly takerFeeRate: bigint }
  | { readonly venue: 'bybit'; readonly maintenanceRate: bigint };

const ONE = powerOfTen(LIQUIDATION_SCALE);

/**
 * Scaled by 10^18, rounded half-even; with s = 1 for a long position and −1 for a short one:
 *
 * Binance (wallet + amount − s·quantity·entry) ÷ (quantity·rate − s·quantity); Gate and OKX (entry − s·wallet ÷ quantity) ÷
 * (1 − s·(rate + fee)); Bybit entry·(1 − s÷leverage + s·rate), whatever margin was added.
 *
 * @throws {RangeError} a quantity or leverage of zero or less, or shares of one or more, with which there is no such price
 */
export function liquidationPrice(position: IsolatedPosition, terms: LiquidationTerms): bigint {
  const { side, quantity, entryPrice, wallet, leverage } = position;
  if (quantity <= 0n || leverage < 1n)
    throw new RangeError(`quantity and leverage must be above zero, were ${quantity} and ${leverage}`);
  const s = side === 'buy' ? 1n : -1n;
  switch (terms.venue) {
    case 'binance': {
      const value = quantity * entryPrice;
      const above = (wallet + terms.maintenanceAmount) * ONE - s * value;
      return quotient(above, quantity * (terms.maintenanceRate - s * ONE));
    }
    case 'gate-okx': {
      const above = entryPrice * quantity - s * wallet * ONE;
      const share = ONE - s * (terms.maintenanceRate + terms.takerFeeRate);
      return quotient(above, quantity * share);
    }
    case 'bybit':
      return divideHalfEven(
        entryPrice * (ONE * leverage - s * ONE + s * terms.maintenanceRate * leverage),
        ONE * leverage,
      );
  }
}

/** Both scaled by 10^36. */
function quotient(above: bigint, below: bigint): bigint {
  if (below === 0n) throw new RangeError('a maintenance margin of the whole value leaves no price to liquidate at');
  return below < 0n ? divideHalfEven(-above * ONE, -below) : divideHalfEven(above * ONE, below);
}
