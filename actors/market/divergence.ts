/** Two sources of one symbol against each other: which of them is wrong cannot be known, so neither is believed while they differ. */
import { isStale, type Quote } from './quote.ts';

type Price = Pick<Quote, 'bid' | 'ask' | 'timeMicros'>;

export interface DivergenceLimits {
  /** Of the price: the middles of the two may lie that far apart. Above 0, below 1. */
  readonly maxShare: number;
  /** For so long without a break. */
  readonly afterMs: number;
  /** A price older than that is compared with nothing. */
  readonly staleAfterMs: number;
}

export interface Comparison {
  /** How far apart, as a share of the reference's price; undefined where there are not two fresh prices. */
  readonly share: number | undefined;
  /** Since when without a break they have been too far apart. */
  readonly sinceMicros: number | undefined;
  readonly isDiverged: boolean;
}

export const notCompared: Comparison = { share: undefined, sinceMicros: undefined, isDiverged: false };

/** Once they have diverged they agree again at half of what they may differ by: at the limit itself they would come and go. */
export function compared(
  before: Comparison,
  prices: { readonly own: Price | undefined; readonly reference: Price | undefined },
  nowMicros: number,
  { maxShare, afterMs, staleAfterMs }: DivergenceLimits,
): Comparison {
  const { own, reference } = prices;
  if (!own || !reference) return notCompared;
  if (isStale(own, nowMicros, staleAfterMs) || isStale(reference, nowMicros, staleAfterMs)) return notCompared;
  const middle = (reference.bid + reference.ask) / 2;
  const share = Math.abs((own.bid + own.ask) / 2 - middle) / middle;
  if (before.isDiverged) return share > maxShare / 2 ? { ...before, share } : { ...notCompared, share };
  if (share <= maxShare) return { ...notCompared, share };
  const sinceMicros = before.sinceMicros ?? nowMicros;
  return { share, sinceMicros, isDiverged: nowMicros - sinceMicros >= afterMs * 1_000 };
}
