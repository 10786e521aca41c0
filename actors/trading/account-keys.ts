/** Under which names the parts of an account stand. */
import type { BlockReason, OrderManagement, PositionTerms } from './events.ts';

/** A position's: its symbol on a netting account, its id on a hedging one. */
export function positionKey(
  { oms }: { readonly oms: OrderManagement },
  { symbol, positionId }: Pick<PositionTerms, 'symbol' | 'positionId'>,
): string {
  return oms === 'netting' ? symbol : positionId;
}

export function blockKey(reason: BlockReason, subject: string): string {
  return `${reason}:${subject}`;
}
