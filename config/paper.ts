/** How the paper broker treats orders: as it is here they arrive at once, and trade at the quoted price. */
import assert from 'node:assert/strict';
import { limits } from './limits.ts';

export interface PaperConfig {
  /** From us to the book, and back. */
  readonly latencyMs: number;
  /** Up to so much more on the way there. */
  readonly jitterMs: number;
  /** At the market, up to so many ticks worse than quoted, never better. */
  readonly slippageTicks: number;
  /** Of what is left to chance: the same orders fare the same every time. */
  readonly seed: number;
}

export const paper: PaperConfig = { latencyMs: 0, jitterMs: 0, slippageTicks: 0, seed: 1 };

assert(
  2 * paper.latencyMs + paper.jitterMs < limits.broker.answerMs,
  'the paper broker answers before what it was sent counts as unknown',
);
