/** An order as the pre-trade checks look at it. */
import type { Quote } from '../market/quote.ts';
import type { Account, Facts } from './account.ts';
import type { OrderTerms } from './events.ts';
import type { Instrument } from './instrument.ts';
import type { Denial, DenialCode } from './risk.ts';
import type { RiskLimits } from './risk-limits.ts';

export interface Proposal {
  readonly account: Account;
  readonly order: OrderTerms;
  readonly quote: Quote | undefined;
  readonly facts: Facts;
  readonly limits: RiskLimits;
}
export type KnownProposal = Proposal & { readonly instrument: Instrument };

export function deny(code: DenialCode, figures: Readonly<Record<string, string>> = {}): Denial {
  return { code, figures };
}

/**
 * Whether an order can only lower what is open: its owner must always be able to get out. An order that only reduces, one that names
 * its position, and on a netting account one that with all that works on its side is no more than what is open against it.
 */
export function isReducing(account: Account, order: OrderTerms): boolean {
  if (order.reduceOnly || order.positionId !== undefined) return true;
  if (account.oms === 'hedging') return false;
  const position = account.positions.get(order.symbol);
  if (!position || position.side === order.side) return false;
  const working = account.totals.get(order.symbol)?.[order.side].quantity ?? 0n;
  return working + order.quantity <= position.quantity;
}
