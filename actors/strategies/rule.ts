/** What a strategy is: a rule that looks at complete candles, and at advice where it asks for it, and says where it wants to be. */
import type { Candle } from '../market/candle.ts';

/** What a strategy wants to hold of its symbol, in lots, scaled by 10^8: above zero long, below short, zero nothing. */
export type Target = bigint;

/** What one adviser says. */
export interface Vote {
  readonly adviser: string;
  readonly action: 'buy' | 'sell' | 'hold';
  /** 0 to 1, scaled by 10^8. */
  readonly confidence: bigint;
}

export interface Opinion<State> {
  readonly state: State;
  /** Absent: it has none, and what is held stays. */
  readonly target?: Target;
  /** It wants to hear its advisers before it says more. */
  readonly asksAdvice?: true;
}

/** Pure: the same candles and votes bring the same opinions. It never sees a candle that is not complete, nor the time. */
export interface StrategyRule<State> {
  /** Candles of the past that it wants to see first. */
  readonly warmUp: number;
  start(): State;
  onCandle(state: State, candle: Candle): Opinion<State>;
  onVotes(state: State, votes: readonly Vote[]): Opinion<State>;
}

/** A parameter is out of its range. */
export class ParameterFault extends RangeError {}

export function wholeNumber(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new ParameterFault(`${name} must be a whole number from ${least} to ${most}, was ${value}`);
  return value;
}
