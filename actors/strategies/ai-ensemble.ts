/** Asks its advisers now and then, and follows enough of them that agree. Who abstains, or is not sure enough, does not count. */
import { ParameterFault, wholeNumber, type StrategyRule, type Vote } from './rule.ts';

export interface EnsembleParameters {
  /** Candles from one round of advice to the next. */
  readonly everyCandles: number;
  /** Advisers that have to agree, and to be more than those against. */
  readonly quorum: number;
  /** 0 to 1, scaled by 10^8. */
  readonly minConfidence: bigint;
  /** To hold, scaled by 10^8, above zero. */
  readonly lots: bigint;
}

/** Candles since the last round. */
type Waited = number;

/** @throws {ParameterFault} */
export function aiEnsemble({ everyCandles, quorum, minConfidence, lots }: EnsembleParameters): StrategyRule<Waited> {
  wholeNumber('everyCandles', everyCandles, 1, 10_000);
  wholeNumber('quorum', quorum, 1, 100);
  if (minConfidence < 0n || minConfidence > 10n ** 8n) throw new ParameterFault('minConfidence must be from 0 to 1');
  if (lots <= 0n) throw new ParameterFault('lots must be above zero');
  const count = (votes: readonly Vote[], action: Vote['action']): number =>
    votes.filter((vote) => vote.action === action && vote.confidence >= minConfidence).length;
  return {
    warmUp: 0,
    start: () => everyCandles - 1,
    onCandle(waited) {
      return waited + 1 >= everyCandles ? { state: 0, asksAdvice: true } : { state: waited + 1 };
    },
    onVotes(state, votes) {
      const [buys, sells] = [count(votes, 'buy'), count(votes, 'sell')];
      if (buys >= quorum && buys > sells) return { state, target: lots };
      if (sells >= quorum && sells > buys) return { state, target: -lots };
      return { state };
    },
  };
}
