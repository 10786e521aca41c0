/** A decision as clients see it: decimal text, and everything that led to it. */
import { formatScaled } from '../trading/money.ts';
import type { CompletionResult } from './provider.ts';
import type { Verdict } from './guard.ts';
import type { Signal, SignalFault } from './signal.ts';
import { formatTime } from '../trading/time.ts';

/** Everything that led to a decision. */
export interface DecisionParts {
  readonly id: string;
  readonly request: { readonly symbol: string; readonly interval: string; readonly account?: string };
  readonly timeMicros: number;
  readonly provider: string;
  readonly completion: CompletionResult | undefined;
  /** The advice, or why the model's text is none. */
  readonly signal:
    | { readonly ok: true; readonly signal: Signal }
    | { readonly ok: false; readonly fault: SignalFault }
    | undefined;
  /** Figures the model was shown: bid and ask scaled by 10^8, and how many candles. */
  readonly evidence: { readonly bid: number; readonly ask: number; readonly candles: number } | undefined;
  readonly verdict: Verdict | undefined;
  /** Why there is no decision at all. */
  readonly failure: string | undefined;
}

/** @param order what the account answered, as JSON, where an order was sent */
export function decisionView(decision: DecisionParts, digits: number, order: object | undefined): object {
  const { id, request, timeMicros, provider, completion, signal, evidence, verdict, failure } = decision;
  const price = (value: number): string => formatScaled(BigInt(value), 8, digits);
  const action = signal?.ok ? signal.signal.action : 'hold';
  return {
    ...{
      id,
      symbol: request.symbol,
      interval: request.interval,
      account: request.account ?? null,
      time: formatTime(timeMicros),
      action,
    },
    confidence: signal?.ok ? formatScaled(signal.signal.confidence, 8, 2) : null,
    rationale: signal?.ok ? signal.signal.rationale : null,
    evidence: evidence ? { bid: price(evidence.bid), ask: price(evidence.ask), candles: evidence.candles } : null,
    votes: completion ? [voteOf(provider, completion, signal)] : [],
    costUsd: completion?.ok ? completion.completion.costUsd : '0',
    verdict: verdict ? verdictView(verdict) : null,
    order: order ?? null,
    failure: failure ?? null,
  };
}

function voteOf(provider: string, completion: CompletionResult, signal: DecisionParts['signal']): object {
  if (!completion.ok) return { provider, failure: completion.failure.code };
  const { usage, latencyMs, costUsd } = completion.completion;
  const advice = signal?.ok
    ? { action: signal.signal.action, confidence: formatScaled(signal.signal.confidence, 8, 2) }
    : { fault: signal?.fault };
  return { provider, ...advice, usage, latencyMs: Math.round(latencyMs), costUsd };
}

function verdictView(verdict: Verdict): object {
  if (verdict.type === 'no-order') return { type: 'no-order', code: verdict.code, figures: verdict.figures };
  const { clientOrderId, symbol, side, quantity } = verdict.terms;
  return { type: 'order', clientOrderId, symbol, side, quantity: formatScaled(quantity, 8, 2) };
}
