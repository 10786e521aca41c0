/** When an account's margin is short, and what is closed then. */
import type { Account } from './account.ts';
import type { Prices } from './conversion.ts';
import type { PositionTerms } from './events.ts';
import { marginLevelOf, openProfitIn, type Valuation } from './margin.ts';

export type MarginState = 'fine' | 'call' | 'stop-out';

/** By the account's own terms: at the level itself all is well still. An account without margin has nothing to be short of. */
export function marginState(
  { stopOut }: Pick<Account, 'stopOut'>,
  valuation: Pick<Valuation, 'equity' | 'margin'>,
): MarginState {
  if (!stopOut || valuation.margin === 0n) return 'fine';
  const level = stopOut.mode === 'percent' ? marginLevelOf(valuation)! : valuation.equity;
  if (level < stopOut.stopLevel) return 'stop-out';
  return level < stopOut.callLevel ? 'call' : 'fine';
}

/** The position to close next: the one that loses most, of equals the one with the lower id. Undefined: nothing is open. */
export function nextStopOutStep(account: Account, prices: Prices): PositionTerms | undefined {
  let worst: { position: PositionTerms; profit: bigint } | undefined;
  for (const position of account.positions.values()) {
    const profit = openProfitIn(account.currency, position, prices) ?? 0n;
    const isWorse =
      !worst || profit < worst.profit || (profit === worst.profit && position.positionId < worst.position.positionId);
    if (isWorse) worst = { position, profit };
  }
  return worst?.position;
}
