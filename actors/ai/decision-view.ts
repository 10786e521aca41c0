/** A decision as clients see it: decimal text, and everything that led to it. */
import { formatScaled } from '../trading/money.ts';
import { usdText } from './cost.ts';
import type { RoutedResult } from './routing.ts';
import type { TokenUsage } from './provider.ts';
import type { Verdict } from './guard.ts';
import type { Signal, SignalFault } from './signal.ts';
import { formatTime } from '../trading/time.ts';

/** Everything that led to a decision. */
export interface DecisionParts {
  readonly id: string;
  readonly request: { readonly symbol: string; readonly interval: string; readonly account?: string };
  readonly timeMicros: number;
  readonly routed: RoutedResult | undefined;
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
  const { id, request, timeMicros, routed, signal, evidence, verdict, failure } = decision;
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
    votes: routed ? [voteOf(routed, signal)] : [],
    costUsd: costUsd(routed),
    verdict: verdict ? verdictView(verdict) : null,
    order: order ?? null,
    failure: failure ?? null,
  };
}

function voteOf(routed: RoutedResult, signal: DecisionParts['signal']): object {
  if (!routed.ok)
    return {
      provider: routed.refusal.attempts.at(-1)?.provider ?? null,
      failure: routed.refusal.failure ?? routed.refusal.code,
    };
  const { completion, provider, model } = routed.answer;
  const advice = signal?.ok
    ? { action: signal.signal.action, confidence: formatScaled(signal.signal.confidence, 8, 2) }
    : { fault: signal?.fault };
  const latencyMs = Math.round(completion.latencyMs);
  return { provider, model, ...advice, usage: usageView(completion.usage), latencyMs, costUsd: costUsd(routed) };
}

function usageView(usage: TokenUsage): object {
  const read = usage.inputTokens + usage.cachedInputTokens + usage.cacheWriteTokens + usage.cacheWrite1hTokens;
  return { inputTokens: read, outputTokens: usage.outputTokens + usage.reasoningTokens };
}

/** All attempts together; null where a price is not known. */
function costUsd(routed: RoutedResult | undefined): string | null {
  const cost = routed?.ok ? routed.answer.costPicoUsd : 0n;
  if (cost === undefined) return null;
  return usdText(cost);
}

function verdictView(verdict: Verdict): object {
  if (verdict.type === 'no-order') return { type: 'no-order', code: verdict.code, figures: verdict.figures };
  const { clientOrderId, symbol, side, quantity } = verdict.terms;
  return { type: 'order', clientOrderId, symbol, side, quantity: formatScaled(quantity, 8, 2) };
}
