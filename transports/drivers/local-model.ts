/** An AI provider that needs no key and no network: technical analysis as a model. The same request gives the same text. */
import type { AiProvider, CompletionRequest, CompletionResult } from '../../actors/ai/provider.ts';
import { atr, ema, rsi } from '../../actors/market/indicator.ts';
import type { Clock } from '../../runtime/clock.ts';

export const localModelName = 'technical-analysis-1';

/** Reads the candles of the last user message, as `signalRequest` writes them, and answers as that request asks. */
export function createLocalModel(options: { clock: Clock }): AiProvider {
  const { clock } = options;
  return {
    name: 'local',
    complete: async (request, { signal, model, onPart }): Promise<CompletionResult> => {
      if (signal.aborted) return { ok: false, failure: { code: 'aborted', message: 'the request was withdrawn' } };
      const startedMs = clock.monotonicMs();
      const text = answer(request);
      onPart?.({ type: 'text', text });
      const latencyMs = clock.monotonicMs() - startedMs;
      const usage = {
        inputTokens: request.messages.reduce((sum, message) => sum + tokens(message.content), 0),
        ...{ cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
        ...{ outputTokens: tokens(text), reasoningTokens: 0 },
      };
      const completion = {
        text,
        toolCalls: [],
        finish: 'stop' as const,
        usage,
        model,
        latencyMs,
        firstTokenMs: latencyMs,
      };
      return { ok: true, completion };
    },
    close() {},
  };
}

interface Advice {
  readonly action: 'buy' | 'sell' | 'hold';
  readonly confidence: string;
  readonly rationale: string;
  readonly stopLossDistance?: string;
  readonly takeProfitDistance?: string;
}

function answer(request: CompletionRequest): string {
  const question = request.messages.findLast((message) => message.role === 'user')?.content ?? '';
  const market = marketOf(question);
  const advice = market ? advise(market) : hold('The message holds no candles to analyse.');
  return request.output.type !== 'text'
    ? JSON.stringify(advice)
    : `${advice.action} (${advice.confidence}): ${advice.rationale}`;
}

interface Bar {
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

interface Market {
  readonly digits: number;
  readonly candles: readonly Bar[];
}

const [fastPeriod, slowPeriod, strengthPeriod] = [12, 26, 14];

/** Follows the crossover of two averages, measured in average ranges; stands aside when the move is weak or has run too far. */
function advise({ digits, candles }: Market): Advice {
  const closes = candles.map((candle) => candle.close);
  const [fast, slow] = [ema(closes, fastPeriod), ema(closes, slowPeriod)];
  const [strength, range] = [rsi(closes, strengthPeriod), atr(candles, strengthPeriod)];
  if (fast === undefined || slow === undefined || strength === undefined || range === undefined) {
    return hold(`${candles.length} candles are too few, ${slowPeriod} are needed.`);
  }
  if (range === 0) return hold('The price does not move.');
  const lead = (fast - slow) / range;
  const figures = `EMA${fastPeriod} ${fast.toFixed(digits)}, EMA${slowPeriod} ${slow.toFixed(digits)}, RSI ${strength.toFixed(1)}, ATR ${range.toFixed(digits)}`;
  if (Math.abs(lead) < 0.25) return hold(`No trend: ${figures}.`);
  const action = lead > 0 ? 'buy' : 'sell';
  const hasRunTooFar = action === 'buy' ? strength > 70 : strength < 30;
  if (hasRunTooFar) return hold(`The trend has run too far: ${figures}.`);
  const isBacked = action === 'buy' ? strength > 50 : strength < 50;
  const confidence = 0.5 + 0.3 * Math.min(1, Math.abs(lead) / 2) + (isBacked ? 0.1 : 0);
  const distance = (ranges: number) => Math.max(ranges * range, 10 ** -digits).toFixed(digits);
  return {
    action,
    confidence: confidence.toFixed(2),
    rationale: `${action === 'buy' ? 'Up' : 'Down'} trend: ${figures}.`,
    stopLossDistance: distance(2),
    takeProfitDistance: distance(3),
  };
}

function hold(rationale: string): Advice {
  return { action: 'hold', confidence: '0.50', rationale };
}

/** Undefined where the text is not the market data that we know. */
function marketOf(text: string): Market | undefined {
  let value: { digits?: unknown; candles?: unknown } | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  if (!value || !Array.isArray(value.candles) || !Number.isInteger(value.digits)) return undefined;
  const digits = Math.min(Math.max(Number(value.digits), 0), 8);
  const candles = (value.candles as Record<string, unknown>[]).map(barOf);
  return candles.every((bar) => bar !== undefined) ? { digits, candles } : undefined;
}

function barOf(candle: Readonly<Record<string, unknown>> | null): Bar | undefined {
  const [high, low, close] = [Number(candle?.['high']), Number(candle?.['low']), Number(candle?.['close'])];
  return [high, low, close].every((price) => Number.isFinite(price)) ? { high, low, close } : undefined;
}

/** Roughly what a tokenizer makes of English and JSON. */
function tokens(text: string): number {
  return Math.ceil(text.length / 4);
}
