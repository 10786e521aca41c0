/** Long while the average of the last few closes is above that of more of them, short (or out) while it is below. */
import { ParameterFault, wholeNumber, type StrategyRule } from './rule.ts';

export interface CrossParameters {
  /** Closes in the faster average. */
  readonly fast: number;
  /** In the slower: more than that. */
  readonly slow: number;
  /** To hold, scaled by 10^8, above zero. */
  readonly lots: bigint;
  /** Below, it goes out instead of short. */
  readonly isLongOnly?: boolean;
}

/** The last closes, oldest first. */
type Closes = readonly number[];

const mostCloses = 400;

/** @throws {ParameterFault} */
export function movingAverageCross({ fast, slow, lots, isLongOnly = false }: CrossParameters): StrategyRule<Closes> {
  wholeNumber('fast', fast, 1, mostCloses);
  wholeNumber('slow', slow, fast + 1, mostCloses);
  if (lots <= 0n) throw new ParameterFault('lots must be above zero');
  return {
    warmUp: slow,
    start: () => [],
    onCandle(before, { close }) {
      const closes = [...before.slice(-(slow - 1)), close];
      if (closes.length < slow) return { state: closes };
      // Sums crosswise in place of averages: exact.
      const above = sumOf(closes.slice(-fast)) * BigInt(slow);
      const below = sumOf(closes) * BigInt(fast);
      if (above === below) return { state: closes };
      return { state: closes, target: above > below ? lots : isLongOnly ? 0n : -lots };
    },
    onVotes: (state) => ({ state }),
  };
}

function sumOf(closes: Closes): bigint {
  return closes.reduce((sum, close) => sum + BigInt(close), 0n);
}
