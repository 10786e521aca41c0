import { calcPrice } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { costOf, mostCostOf, usdText } from '../../../actors/ai/cost.ts';
import { priceOf, readPrices, type PriceTable } from '../../../actors/ai/price.ts';
import type { CompletionRequest, TokenUsage } from '../../../actors/ai/provider.ts';
import prices from '../../../config/ai-prices.json' with { type: 'json' };
import { models } from '../../../config/models.ts';

const usages = Math.max(200, Math.round(10_000 * Number(process.env['TEST_SCALE'] ?? 1)));
const now = Date.parse('2026-11-24T12:00:00Z');

function tableOf(): PriceTable {
  const read = readPrices(prices);
  if (!read.ok) throw new Error(read.faults.join('\n'));
  return read.table;
}
const table = tableOf();
const vendors = table.prices.filter(({ provider }) => provider !== 'local' && provider !== 'ollama');

const count = fc.oneof(fc.nat({ max: 2_000 }), fc.nat({ max: 400_000 }));
const usage: fc.Arbitrary<TokenUsage> = fc.record({
  ...{ inputTokens: count, cachedInputTokens: count, cacheWriteTokens: count, cacheWrite1hTokens: count },
  ...{ outputTokens: count, reasoningTokens: count },
});

const used = (change: Partial<TokenUsage>): TokenUsage => ({
  ...{ inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
  ...{ outputTokens: 0, reasoningTokens: 0, ...change },
});

test(`${usages} usages of ${vendors.length} prices cost what another table makes of them, to a billionth of a dollar`, () => {
  expect(new Set(vendors.map(({ model }) => model)).size).toBeGreaterThanOrEqual(25);
  fc.assert(
    fc.property(fc.constantFrom(...vendors), usage, (price, drawn) => {
      // Only one vendor has a cache for an hour, and only some charge for writing at all.
      const hasHour = price.provider === 'anthropic';
      const asked = hasHour ? drawn : { ...drawn, cacheWrite1hTokens: 0 };
      const atMs = Math.max(price.fromMicros / 1_000, Math.min(now, price.untilMicros / 1_000 - 1));
      const { inputTokens, cachedInputTokens, cacheWriteTokens, cacheWrite1hTokens, outputTokens, reasoningTokens } =
        asked;
      const written = cacheWriteTokens + cacheWrite1hTokens;
      const theirs = calcPrice(
        {
          ...{ input_tokens: inputTokens + cachedInputTokens + written, cache_read_tokens: cachedInputTokens },
          ...{ cache_write_tokens: written, ...(hasHour && { cache_write_1h_tokens: cacheWrite1hTokens }) },
          output_tokens: outputTokens + reasoningTokens,
        },
        price.model,
        { providerId: price.provider, timestamp: new Date(atMs) },
      )!;
      const ours = priceOf(table, price.provider, price.model, atMs * 1_000)!;
      expect(Math.abs(Number(costOf(ours, asked)) / 1e12 - theirs.total_price)).toBeLessThanOrEqual(1e-9);
    }),
    { numRuns: usages },
  );
});

describe('by hand', () => {
  test.each<[string, string, Partial<TokenUsage>, string]>([
    ['openai', 'gpt-4o-mini', { inputTokens: 1_000_000, outputTokens: 1_000_000 }, '0.75'],
    ['openai', 'gpt-4o-mini-2024-07-18', { inputTokens: 180, outputTokens: 42 }, '0.0000522'],
    [
      'openai',
      'gpt-5',
      { inputTokens: 100, cachedInputTokens: 900, outputTokens: 10, reasoningTokens: 90 },
      '0.0012375',
    ],
    // Above 271,999 tokens that are read all of them are dearer, what is written too.
    ['openai', 'gpt-5.4', { inputTokens: 271_999 }, '0.6799975'],
    ['openai', 'gpt-5.4', { inputTokens: 72_000, cachedInputTokens: 200_000, outputTokens: 1 }, '0.4600225'],
    [
      'anthropic',
      'claude-haiku-4-5-20251001',
      { inputTokens: 10, cacheWriteTokens: 100, cacheWrite1hTokens: 1_000 },
      '0.002135',
    ],
    ['google', 'gemini-2.5-flash', { inputTokens: 1_000, outputTokens: 1, reasoningTokens: 1_000 }, '0.0028025'],
    ['ollama', 'whatever', { inputTokens: 1_000_000 }, '0'],
  ])('%s %s', (provider, model, counts, usd) => {
    expect(usdText(costOf(priceOf(table, provider, model, now * 1_000)!, used(counts)))).toBe(usd);
  });
});

test('more tokens of any kind never cost less, and within a tier costs add up', () => {
  const kind = fc.constantFrom(...(Object.keys(used({})) as (keyof TokenUsage)[]));
  fc.assert(
    fc.property(fc.constantFrom(...vendors), usage, kind, fc.nat(10_000), (price, one, more, by) => {
      expect(costOf(price, { ...one, [more]: one[more] + by })).toBeGreaterThanOrEqual(costOf(price, one));
      const low = { ...price, above: undefined };
      const doubled = Object.fromEntries(Object.entries(one).map(([name, tokens]) => [name, 2 * tokens]));
      expect(costOf(low, doubled as unknown as TokenUsage)).toBe(2n * costOf(low, one));
    }),
  );
});

test('every model that is offered has a price', () => {
  for (const [provider, offered] of Object.entries(models))
    for (const { model } of offered)
      expect([model, priceOf(table, provider, model, now * 1_000)]).not.toContain(undefined);
});

test('a model without a price has none, and is reserved for at the dearest', () => {
  expect(priceOf(table, 'openai', 'gpt-99', now * 1_000)).toBeUndefined();
  const request: CompletionRequest = {
    ...{ messages: [{ role: 'user', content: 'x'.repeat(992) }], output: { type: 'text' }, maxOutputTokens: 100 },
  };
  const astra = priceOf(table, 'openai', 'gpt-6-astra', now * 1_000)!;
  // 1,000 tokens at 25 dollars a million, 100 at 75.
  expect(usdText(mostCostOf(astra, table, request))).toBe('0.0325');
  expect(mostCostOf(undefined, table, request)).toBeGreaterThanOrEqual(mostCostOf(astra, table, request));
});

test('what is reserved is never less than what is charged', () => {
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  fc.assert(
    fc.property(fc.constantFrom(...vendors), text, fc.nat(5_000), (price, content, maxOutputTokens) => {
      const request: CompletionRequest = {
        ...{ messages: [{ role: 'user', content }], output: { type: 'text' }, maxOutputTokens: maxOutputTokens + 1 },
      };
      const most = used({ cacheWrite1hTokens: Buffer.byteLength(content), reasoningTokens: maxOutputTokens + 1 });
      expect(mostCostOf(price, table, request)).toBeGreaterThanOrEqual(costOf(price, most));
    }),
  );
});
