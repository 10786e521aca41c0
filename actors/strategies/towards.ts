/** The order that brings an account from what it holds to what a strategy wants to hold. */
import type { Account } from '../trading/account.ts';
import type { OrderTerms } from '../trading/events.ts';
import type { Instrument } from '../trading/instrument.ts';
import type { Target } from './rule.ts';

export interface StrategyLimits {
  /** More than this is never held, whatever the rule wants; scaled by 10^8. */
  readonly maxLots: bigint;
  readonly maxOrdersPerHour: number;
  /** Denials in a row after which it stops until somebody has looked. */
  readonly maxDenials: number;
}

/**
 * @param orderKey makes the order's id: the same again is the same order
 * @returns undefined where nothing is to be done, or something is on its way already
 */
export function orderTowards(
  account: Account,
  instrument: Instrument,
  strategyId: string,
  target: Target,
  { maxLots }: Pick<StrategyLimits, 'maxLots'>,
  orderKey: string,
): OrderTerms | undefined {
  const { symbol, quantityStep, minQuantity } = instrument;
  for (const order of account.orders.values())
    if (order.strategyId === strategyId && order.symbol === symbol) return undefined;
  const wanted = target > maxLots ? maxLots : target < -maxLots ? -maxLots : target;
  const missing = wanted - heldOf(account, symbol);
  const quantity = ((missing < 0n ? -missing : missing) / quantityStep) * quantityStep;
  if (quantity < minQuantity) return undefined;
  return {
    ...{ clientOrderId: `${strategyId}.${orderKey}`, symbol, side: missing > 0n ? 'buy' : 'sell', orderType: 'market' },
    ...{ quantity, timeInForce: 'ioc', strategyId, source: 'strategy' },
  };
}

/** Net, above zero for a long position. */
function heldOf({ positions }: Account, symbol: string): bigint {
  let net = 0n;
  for (const position of positions.values())
    if (position.symbol === symbol) net += position.side === 'buy' ? position.quantity : -position.quantity;
  return net;
}
