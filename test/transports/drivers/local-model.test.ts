import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { CompletionRequest } from '../../../actors/ai/provider.ts';
import { parseSignal, signalRequest } from '../../../actors/ai/signal.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { createLocalModel, localModelName } from '../../../transports/drivers/local-model.ts';
import { eurusd } from '../../support/instruments.ts';

const model = createLocalModel({ clock: new VirtualClock() });
const quote = { symbol: 'EURUSD', bid: 108_010_000, ask: 108_020_000, timeMicros: 0, sequence: 1 };

/** Candles that close at these prices, in points above 1.08, each 10 points high. */
function request(points: readonly number[]): CompletionRequest {
  const candles = points.map((point, at) => {
    const close = 108_000_000 + point * 1_000;
    const range = { open: close, high: close + 5_000, low: close - 5_000, close };
    return { openMicros: at * 60_000_000, ...range, ticks: 1, isComplete: true };
  });
  return signalRequest({ instrument: eurusd, quote, interval: '1m', candles });
}

function attempt(signal = new AbortController().signal) {
  return { model: localModelName, signal, firstTokenMs: 1_000, idleMs: 1_000 };
}

async function textOf(asked: CompletionRequest): Promise<string> {
  const result = await model.complete(asked, attempt());
  if (!result.ok) throw new Error(result.failure.message);
  return result.completion.text;
}

async function signalOf(points: readonly number[]) {
  const result = parseSignal(await textOf(request(points)));
  if (!result.ok) throw new Error(result.fault.code);
  return result.signal;
}

const points = (at: (index: number) => number) => Array.from({ length: 60 }, (_, index) => at(index));
/** A trend with setbacks, so that it has not run too far. */
const zigzag = (index: number) => 2 * index + (index % 3 === 0 ? -12 : 0);

test.each([
  ['buy', 'a rising market with setbacks', points(zigzag)],
  ['sell', 'a falling market with setbacks', points((index) => -zigzag(index))],
  ['hold', 'a market that goes nowhere', points((index) => (index % 2) * 4)],
  ['hold', 'a market that does not move', points(() => 0)],
  ['hold', 'a rise without any setback, which has run too far', points((index) => 5 * index)],
  ['hold', 'a fall without any setback', points((index) => -5 * index)],
  ['hold', 'too few candles', points(zigzag).slice(0, 25)],
  ['hold', 'no candles', []],
])('its advice is to %s in %s', async (action, _, market) => {
  expect((await signalOf(market)).action).toBe(action);
});

test('a stop is two average ranges away and a target three', async () => {
  const { stopLossDistance, takeProfitDistance } = await signalOf(points(zigzag));
  expect(Number(takeProfitDistance) / Number(stopLossDistance)).toBeCloseTo(1.5, 1);
});

test('it answers every market with a valid signal, and the same market with the same text', async () => {
  const anyMarket = fc.array(fc.integer({ min: -5_000, max: 5_000 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(anyMarket, async (market) => {
      const text = await textOf(request(market));
      expect(parseSignal(text)).toMatchObject({ ok: true });
      expect(await textOf(request(market))).toBe(text);
    }),
  );
});

test.each([
  'What do you think?',
  '',
  '{}',
  'null',
  '{"candles":[null],"digits":5}',
  '{"candles":[{"high":"x"}],"digits":5}',
])('it holds when the message %s is no market', async (content) => {
  const asked: CompletionRequest = {
    messages: [{ role: 'user', content }],
    output: { type: 'json' },
    maxOutputTokens: 100,
  };
  expect(parseSignal(await textOf(asked))).toMatchObject({ ok: true, signal: { action: 'hold' } });
  expect(await textOf({ ...asked, output: { type: 'text' } })).toBe(
    'hold (0.50): The message holds no candles to analyse.',
  );
});

test('it costs nothing, counts its tokens and measures its time', async () => {
  const result = await model.complete(request([]), attempt());
  expect(result).toMatchObject({ ok: true, completion: { finish: 'stop', latencyMs: 0 } });
  expect(result.ok && result.completion.usage.inputTokens > 100 && result.completion.usage.outputTokens > 10).toBe(
    true,
  );
});

test('a request that was withdrawn is a failure and no answer', async () => {
  expect(await model.complete(request([]), attempt(AbortSignal.abort()))).toMatchObject({
    ok: false,
    failure: { code: 'aborted', message: 'the request was withdrawn' },
  });
});
