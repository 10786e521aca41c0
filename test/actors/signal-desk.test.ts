import { expect, test } from 'vitest';
import type { Decision } from '../../actors/signal-desk.ts';
import type { AiProvider, CompletionRequest, CompletionResult } from '../../actors/ai/provider.ts';
import { pricePath, type PriceStreamMessage } from '../../actors/price-stream.ts';
import { startStage, type StageRig } from '../support/stage.ts';
import { watch } from '../support/tally.ts';
import { s } from './trading/fixtures.ts';

/** A provider that answers what it is told to. */
function scripted(result: CompletionResult | Promise<CompletionResult>): AiProvider & { asked: CompletionRequest[] } {
  const asked: CompletionRequest[] = [];
  return {
    ...{ name: 'scripted', asked, close() {} },
    async complete(request) {
      asked.push(request);
      return result;
    },
  };
}

function says(text: string): CompletionResult {
  const usage = {
    ...{ inputTokens: 1, cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
    ...{ outputTokens: 1, reasoningTokens: 0 },
  };
  return { ok: true, completion: { text, toolCalls: [], finish: 'stop', usage, latencyMs: 1, firstTokenMs: 1 } };
}

const advice = (action: string, confidence = '0.80') =>
  says(JSON.stringify({ action, confidence, rationale: 'because of the figures' }));

async function decide(rig: StageRig, account?: string): Promise<Decision> {
  const request = { symbol: 'EURUSD', interval: '1m', subjectId: 'k-1', ...(account ? { account } : {}) } as const;
  return rig.desk.ask({ type: 'request-signal', request }, { timeoutMs: 20_000 });
}

test('advice to hold is a decision without an order', async () => {
  const rig = await startStage({ provider: scripted(advice('hold')) });
  await rig.quote('1.08000', '1.08010');
  const decision = await decide(rig, 'a-1');
  expect(decision).toMatchObject({
    ...{ routed: { ok: true, answer: { provider: 'scripted' } }, order: undefined, failure: undefined },
    verdict: { type: 'no-order', code: 'no-action' },
    evidence: { bid: Number(s('1.08000')), ask: Number(s('1.08010')), candles: 1 },
  });
  expect(rig.decisions).toEqual([decision]);
});

test('confident advice becomes an order of the AI that is filled like any other', async () => {
  const provider = scripted(advice('buy'));
  const rig = await startStage({ provider });
  await rig.quote('1.08000', '1.08010');
  const decision = await decide(rig, 'a-1');
  await rig.test.settle();
  expect(decision).toMatchObject({
    verdict: { type: 'order', terms: { clientOrderId: `ai-${decision.id}`, source: 'ai', quantity: s('0.1') } },
    order: { type: 'done', reply: { state: 'SUBMITTED' } },
  });
  expect((await rig.history()).slice(2)).toEqual([
    ['day-opened', 'order-submitted'],
    ['order-filled', 'position-opened'],
  ]);
  expect(rig.commits.at(-2)).toMatchObject({ subjectId: 'k-1' });
  expect(provider.asked[0]!.messages[1]!.content).toContain('1.08000');
});

test('without an account a decision is advice only', async () => {
  const rig = await startStage({ provider: scripted(advice('buy')) });
  await rig.quote('1.08000', '1.08010');
  expect(await decide(rig)).toMatchObject({ signal: { ok: true }, verdict: undefined, order: undefined });
  expect(await rig.rows()).toHaveLength(2);
});

test.each<[string, string, (rig: StageRig) => Promise<unknown>]>([
  ['confidence-below-minimum', '0.59', async () => {}],
  ['crossed-quote', '0.80', (rig) => rig.quote('1.08020', '1.08010')],
  ['stale-quote', '0.80', (rig) => rig.test.advance(5_001)],
  ['position-already-open', '0.80', (rig) => rig.order()],
  [
    'order-already-working',
    '0.80',
    (rig) => rig.order({ orderType: 'limit', timeInForce: 'gtc', limitPrice: s('1.07000') }),
  ],
])('the guard refuses: %s', async (code, confidence, prepare) => {
  const rig = await startStage({ provider: scripted(advice('buy', confidence)) });
  await rig.quote('1.08000', '1.08010');
  await prepare(rig);
  await rig.test.settle();
  const before = (await rig.rows()).length;
  expect(await decide(rig, 'a-1')).toMatchObject({ verdict: { type: 'no-order', code }, order: undefined });
  expect(await rig.rows()).toHaveLength(before);
});

test('an account that does not let the AI order gets none', async () => {
  const rig = await startStage({ provider: scripted(advice('buy')), aiMayOrder: false });
  await rig.quote('1.08000', '1.08010');
  expect(await decide(rig, 'a-1')).toMatchObject({ verdict: { type: 'no-order', code: 'ai-orders-not-allowed' } });
});

test.each<[string, CompletionResult, object]>([
  [
    'fails',
    { ok: false, failure: { code: 'timeout', message: 'no answer in time' } },
    { failure: 'no answer in time', signal: undefined },
  ],
  ['says something else', says('I would buy.'), { signal: { ok: false, fault: { code: 'not-json' } } }],
])('a provider that %s leads to no order, and the decision says so', async (_case, result, expected) => {
  const rig = await startStage({ provider: scripted(result) });
  await rig.quote('1.08000', '1.08010');
  const decision = await decide(rig, 'a-1');
  expect(decision).toMatchObject({ ...expected, routed: { ok: result.ok }, order: undefined });
  expect(rig.decisions).toEqual([decision]);
});

test('a provider that does not answer in time ends in a decision that says so', async () => {
  const rig = await startStage({ provider: scripted(new Promise(() => {})) });
  await rig.quote('1.08000', '1.08010');
  const decision = watch(decide(rig, 'a-1'));
  await rig.test.advance(4_500);
  // A provider that does not heed its signal is left behind.
  await rig.test.advance(250);
  expect(decision.value?.failure).toBe('no answer within 4500 ms');
  expect(rig.decisions).toHaveLength(1);
});

test('an order whose outcome is not known is part of the decision that sent it', async () => {
  const rig = await startStage({ provider: scripted(advice('buy')) });
  await rig.quote('1.08000', '1.08010');
  rig.journal.hold();
  const decision = watch(decide(rig, 'a-1'));
  await rig.test.advance(5_000);
  expect(decision.value).toMatchObject({ verdict: { type: 'order' }, order: undefined });
  expect(decision.value?.failure).toMatch(/^no reply from .*a-1/);
  expect(rig.decisions.at(-1)).toEqual(decision.value);
  rig.journal.release();
});

test('while the outcome of an order is not known the guard lets no second one through', async () => {
  const rig = await startStage({ provider: scripted(advice('buy')) });
  await rig.quote('1.08000', '1.08010');
  rig.journal.hold();
  const first = watch(decide(rig, 'a-1'));
  await rig.test.settle();
  const onItsWay = { type: 'no-order', code: 'order-already-working' };
  expect(await decide(rig, 'a-1')).toMatchObject({ verdict: onItsWay });
  await rig.test.advance(5_000);
  expect(first.value?.failure).toMatch(/^no reply/);
  await rig.quote('1.08000', '1.08010');
  expect(await decide(rig, 'a-1')).toMatchObject({ verdict: onItsWay });
  rig.journal.release();
  await rig.test.settle();
  expect(await decide(rig, 'a-1')).toMatchObject({ verdict: { code: 'position-already-open' } });
  expect((await rig.history()).flat().filter((type) => type === 'order-submitted')).toHaveLength(1);
});

test('decisions that are made at once lead to one order', async () => {
  const rig = await startStage({ provider: scripted(advice('buy')) });
  await rig.quote('1.08000', '1.08010');
  const decisions = await Promise.all([decide(rig, 'a-1'), decide(rig, 'a-1'), decide(rig, 'a-1')]);
  await rig.test.settle();
  expect(decisions.filter(({ verdict }) => verdict?.type === 'order')).toHaveLength(1);
  expect((await rig.history()).slice(2)).toEqual([
    ['day-opened', 'order-submitted'],
    ['order-filled', 'position-opened'],
  ]);
});

test('an order is sent once its decision is kept, and not at all when it cannot be', async () => {
  const rows: number[] = [];
  let isAway = false;
  const rig: StageRig = await startStage({
    provider: scripted(advice('buy')),
    onSave(decision) {
      rows.push(rig.commits.length);
      if (isAway && decision.failure === undefined) throw new Error('the database is away');
    },
  });
  await rig.quote('1.08000', '1.08010');
  const before = rig.commits.length;
  isAway = true;
  expect(await decide(rig, 'a-1')).toMatchObject({ failure: 'the decision could not be finished', order: undefined });
  await rig.test.settle();
  expect(rig.commits).toHaveLength(before);
  isAway = false;
  expect(await decide(rig, 'a-1')).toMatchObject({ order: { type: 'done' } });
  expect(rows.at(-2)).toBe(before);
  expect(rig.decisions.at(-1)).toMatchObject({ order: { type: 'done' } });
});

test('an account that is not ready, or does not exist, gets no order', async () => {
  const rig = await startStage({ provider: scripted(advice('buy')) });
  await rig.quote('1.08000', '1.08010');
  expect(await decide(rig, 'nobody')).toMatchObject({ failure: 'the account is not ready', order: undefined });
});

test('without a price there is nothing to ask about', async () => {
  const provider = scripted(advice('buy'));
  const rig = await startStage({ provider });
  expect(await decide(rig, 'a-1')).toMatchObject({ failure: 'no price of this instrument yet', evidence: undefined });
  expect(provider.asked).toEqual([]);
});

test('the local model follows a trend, and stands aside without one', async () => {
  const rig = await startStage();
  const stream = rig.test.ref<PriceStreamMessage>(pricePath('EURUSD'));
  const minuteMicros = 60_000_000;
  const now = rig.test.clock.wallMicros();
  const ticks = Array.from({ length: 60 }, (_, i) => {
    const bid = 108_000_000 + i * 6_000 - (i % 3) * 20_000;
    return { bid, ask: bid + 10_000, timeMicros: now - (59 - i) * minuteMicros };
  });
  stream.tell({ type: 'ticks', ticks: ticks.slice(0, 20) });
  await rig.test.settle();
  expect(await decide(rig)).toMatchObject({
    routed: { answer: { provider: 'local' } },
    signal: { ok: true, signal: { action: 'hold' } },
  });
  stream.tell({ type: 'ticks', ticks: ticks.slice(20) });
  await rig.test.settle();
  const decision = await decide(rig, 'a-1');
  expect(decision).toMatchObject({
    signal: { ok: true, signal: { action: 'buy' } },
    order: { type: 'done', reply: { state: 'SUBMITTED' } },
  });
});
