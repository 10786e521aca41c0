/** What a call costs, exactly, in bigints of 10^-12 US dollars. */
import { formatScaled } from '../trading/money.ts';
import type { Price, PriceTable, Rates } from './price.ts';
import { mostInputTokens } from './routing.ts';
import type { CompletionRequest, TokenUsage } from './provider.ts';

const kinds = [
  ...(['inputTokens', 'cachedInputTokens', 'cacheWriteTokens'] as const),
  ...(['cacheWrite1hTokens', 'outputTokens', 'reasoningTokens'] as const),
];

/** All tokens of a call that reads more than its price's threshold cost what those above it do. */
export function costOf({ rates, above }: Pick<Price, 'rates' | 'above'>, usage: TokenUsage): bigint {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, cacheWrite1hTokens } = usage;
  const read = inputTokens + cachedInputTokens + cacheWriteTokens + cacheWrite1hTokens;
  return sumOf(above && read > above.inputTokens ? above.rates : rates, usage);
}

/**
 * More than a call can cost: as many tokens as its text has bytes, all written to a cache, and as many of an answer as it may have, at
 * the dearest rates of the model. Of a model without a price, at the dearest of the table.
 */
export function mostCostOf(price: Price | undefined, table: PriceTable, request: CompletionRequest): bigint {
  const rates = (price ? [price] : table.prices).flatMap((one) => [one.rates, ...(one.above ? [one.above.rates] : [])]);
  const dearest = (names: readonly (keyof Rates)[]): bigint =>
    rates.flatMap((each) => names.map((name) => each[name])).reduce((most, rate) => (rate > most ? rate : most), 0n);
  const input = dearest(['inputTokens', 'cachedInputTokens', 'cacheWriteTokens', 'cacheWrite1hTokens']);
  const output = dearest(['outputTokens', 'reasoningTokens']);
  return input * BigInt(mostInputTokens(request)) + output * BigInt(request.maxOutputTokens);
}

const picoDigits = 12;

/** Decimal text without zeros at its end. */
export function usdText(picoUsd: bigint): string {
  return formatScaled(picoUsd, picoDigits, picoDigits).replace(/\.?0+$/, '');
}

function sumOf(rates: Rates, usage: TokenUsage): bigint {
  return kinds.reduce((sum, kind) => sum + rates[kind] * BigInt(usage[kind]), 0n);
}
