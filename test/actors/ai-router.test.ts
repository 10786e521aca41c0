import { describe, expect, test } from 'vitest';
import { aiProvider, providerId, type AiProviderMessage } from '../../actors/ai-provider.ts';
import { aiRouter, type AiRouterMessage, type AiRouterSpec, type Budget } from '../../actors/ai-router.ts';
import { cacheKey, type CachedAnswer, type CompletionCache } from '../../actors/ai/cache.ts';
import type {
  Attempt,
  CompletionFailureCode,
  CompletionRequest,
  CompletionResult,
  TokenUsage,
} from '../../actors/ai/provider.ts';
import { RouteBoard } from '../../actors/ai/route-board.ts';
import type { AttemptRecord, CompletionOrder, RoutedResult } from '../../actors/ai/routing.ts';
import { breakerPolicy, targetOf } from '../../bin/ai.ts';
import { limits } from '../../config/limits.ts';
import { startTestSystem, worker, type TestSystem } from '../support/test-system.ts';
import { watch, type Watched } from '../support/tally.ts';

const usage: TokenUsage = {
  ...{ inputTokens: 10, cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
  ...{ outputTokens: 5, reasoningTokens: 0 },
};
const request: CompletionRequest = {
  ...{ messages: [{ role: 'user', content: 'What now?' }], output: { type: 'text' }, maxOutputTokens: 100 },
};

interface Call {
  readonly provider: string;
  readonly request: CompletionRequest;
  readonly attempt: Attempt;
  answer(text?: string): Promise<void>;
  fail(code: CompletionFailureCode, more?: object): Promise<void>;
}

interface Rig {
  readonly test: TestSystem;
  readonly calls: Call[];
  readonly records: AttemptRecord[];
  ask(change?: Partial<CompletionOrder>): Promise<Watched<RoutedResult>>;
  targets(): Promise<readonly { readonly id: string; readonly breaker: string; readonly underWay: number }[]>;
}

/** Providers `a` and `b`, each with a model of its own; `a` is asked first. */
async function start(change: Partial<AiRouterSpec> = {}): Promise<Rig> {
  const calls: Call[] = [];
  const records: AttemptRecord[] = [];
  const providers = ['a', 'b'].map((name) =>
    worker(
      providerId(name, 'k'),
      aiProvider(
        {
          name,
          complete(asked, attempt) {
            const { promise, resolve } = Promise.withResolvers<CompletionResult>();
            const settled = async (result: CompletionResult): Promise<void> => {
              resolve(result);
              await system.settle();
            };
            calls.push({
              ...{ provider: name, request: asked, attempt },
              answer: (text = `from ${name}`) =>
                settled({
                  ok: true,
                  completion: { text, toolCalls: [], finish: 'stop', usage, latencyMs: 1, firstTokenMs: 1 },
                }),
              fail: (code, more = {}) => settled({ ok: false, failure: { code, message: `it was ${code}`, ...more } }),
            });
            attempt.signal.addEventListener('abort', () =>
              resolve({ ok: false, failure: { code: 'aborted', message: 'withdrawn' } }),
            );
            return promise;
          },
          close() {},
        },
        50,
      ),
    ),
  );
  const terms = { contextTokens: 10_000, canCallTools: true, canFollowSchema: true };
  let id = 0;
  const spec: AiRouterSpec = {
    targets: [
      targetOf('a', 'k', { model: 'm-a', priority: 1, ...terms }),
      targetOf('b', 'k', { model: 'm-b', priority: 2, ...terms, contextTokens: 100_000 }),
    ].map((target) => ({ ...target, names: [...target.names, 'any'] })),
    board: new RouteBoard(breakerPolicy(limits.ai.breaker)),
    policy: 'priority',
    provider: ({ provider, key }) => system.system.find<AiProviderMessage>(`/${providerId(provider, key)}`),
    costOf: (_, { inputTokens, outputTokens }) => BigInt(inputTokens + 2 * outputTokens),
    onAttempt: (record) => void records.push(record),
    newId: () => `call-${++id}`,
    random: () => 0,
    limits: { firstTokenMs: 3_000, idleMs: 1_000, hedgeShare: 0.95 },
    ...change,
  };
  const system = await startTestSystem([...providers, worker('router', aiRouter(spec))]);
  const ref = system.ref<AiRouterMessage>('/router');
  return {
    ...{ test: system, calls, records },
    async ask(more = {}) {
      const order = { request, model: 'auto', subjectId: 's-1', purpose: 'chat', deadlineMs: 20_000, ...more };
      const asked = watch(ref.ask({ type: 'complete', order }, { timeoutMs: 60_000 }));
      await system.settle();
      return asked;
    },
    targets: () => ref.ask({ type: 'get-targets' }, { timeoutMs: 1_000 }) as ReturnType<Rig['targets']>,
  };
}

test('the first target is asked, with the waits of the platform, and its answer is the answer', async () => {
  const rig = await start();
  const asked = await rig.ask();
  expect(rig.calls.map(({ provider, attempt }) => [provider, attempt.model, attempt.firstTokenMs])).toEqual([
    ['a', 'm-a', 3_000],
  ]);
  await rig.calls[0]!.answer();
  expect(asked.value).toMatchObject({
    ok: true,
    answer: { completion: { text: 'from a' }, provider: 'a', model: 'm-a', costPicoUsd: 20n, isCached: false },
  });
  expect(rig.records).toMatchObject([{ provider: 'a', key: 'k', model: 'm-a', outcome: 'answered', costPicoUsd: 20n }]);
});

test.each<[string, string[]]>([
  ['m-b', ['b']],
  ['b/m-b', ['b']],
  ['any', ['a']],
])('a model is asked for by name: %s', async (model, providers) => {
  const rig = await start();
  await rig.ask({ model });
  expect(rig.calls.map(({ provider }) => provider)).toEqual(providers);
});

test.each<[string, Partial<CompletionOrder>, object]>([
  ['that nobody has', { model: 'gpt-99' }, { code: 'model-unknown' }],
  [
    'whose context is too small',
    { request: { ...request, maxOutputTokens: 200_000 } },
    { code: 'context-too-long', figures: { contextTokens: '100000' } },
  ],
])('a model %s is not asked', async (_, change, refusal) => {
  const rig = await start();
  expect((await rig.ask(change)).value).toMatchObject({ ok: false, refusal: { ...refusal, attempts: [] } });
  expect(rig.calls).toEqual([]);
});

describe('when a provider fails', () => {
  test('the next one is asked at once, and the failed attempt is on record', async () => {
    const rig = await start();
    const asked = await rig.ask();
    await rig.calls[0]!.fail('overloaded', { usage });
    expect(rig.calls.map(({ provider }) => provider)).toEqual(['a', 'b']);
    await rig.calls[1]!.answer();
    expect(asked.value).toMatchObject({ ok: true, answer: { provider: 'b', costPicoUsd: 40n } });
    expect(rig.records.map(({ outcome }) => outcome)).toEqual(['overloaded', 'answered']);
  });

  test('what may be sent again is sent again once, then elsewhere', async () => {
    const rig = await start();
    await rig.ask();
    await rig.calls[0]!.fail('unreachable');
    await rig.calls[1]!.fail('unreachable');
    expect(rig.calls.map(({ provider }) => provider)).toEqual(['a', 'a', 'b']);
  });

  test.each<CompletionFailureCode>(['bad-request', 'aborted'])('%s is nobody else’s business', async (code) => {
    const rig = await start();
    const asked = await rig.ask();
    await rig.calls[0]!.fail(code);
    expect(asked.value).toMatchObject({ ok: false, refusal: { code: 'failed', failure: code } });
    expect(rig.calls).toHaveLength(1);
  });

  test('a context that was too small after all leads to a larger one', async () => {
    const rig = await start();
    await rig.ask();
    await rig.calls[0]!.fail('context-too-long');
    expect(rig.calls.map(({ provider }) => provider)).toEqual(['a', 'b']);
    const last = await rig.ask({ model: 'm-b' });
    await rig.calls[2]!.fail('context-too-long');
    expect(last.value).toMatchObject({ ok: false, refusal: { failure: 'context-too-long' } });
  });

  test('another provider comes before another model of the same', async () => {
    const terms = { contextTokens: 10_000, canCallTools: true, canFollowSchema: true };
    const rig = await start({
      targets: [
        targetOf('a', 'k', { model: 'm-1', priority: 1, ...terms }),
        targetOf('a', 'k', { model: 'm-2', priority: 2, ...terms }),
        targetOf('b', 'k', { model: 'm-3', priority: 3, ...terms }),
      ],
    });
    await rig.ask();
    await rig.calls[0]!.fail('overloaded');
    await rig.calls[1]!.fail('overloaded');
    expect(rig.calls.map(({ attempt }) => attempt.model)).toEqual(['m-1', 'm-3', 'm-2']);
  });

  test('with nowhere else to turn its last failure is the answer, with the time to wait', async () => {
    const rig = await start();
    const asked = await rig.ask();
    await rig.calls[0]!.fail('rate-limited', { retryAfterMs: 60_000 });
    await rig.calls[1]!.fail('rate-limited', { retryAfterMs: 50_000 });
    expect(asked.value).toMatchObject({
      ok: false,
      refusal: { code: 'failed', failure: 'rate-limited', retryAfterMs: 50_000, attempts: [{}, {}] },
    });
  });

  test('a limit that is over in time is waited for where nobody else can be asked', async () => {
    const rig = await start();
    await rig.ask({ model: 'm-a' });
    await rig.calls[0]!.fail('rate-limited', { retryAfterMs: 5_000 });
    await rig.test.advance(4_999);
    expect(rig.calls).toHaveLength(1);
    await rig.test.advance(1);
    expect(rig.calls).toHaveLength(2);
  });

  test('an answer that has begun is not begun again', async () => {
    const rig = await start();
    const parts: unknown[] = [];
    const asked = await rig.ask({ onPart: (part) => void parts.push(part) });
    rig.calls[0]!.attempt.onPart!({ type: 'text', text: 'from' });
    await rig.calls[0]!.fail('stalled');
    expect(parts).toEqual([{ type: 'text', text: 'from' }]);
    expect(asked.value).toMatchObject({ ok: false, refusal: { failure: 'stalled' } });
    const other = await rig.ask({ onPart: () => {} });
    await rig.calls[1]!.fail('timeout');
    await rig.calls[2]!.answer();
    expect(other.value).toMatchObject({ ok: true });
  });

  test('its breaker opens, and closes when it answers again; nothing stays under way', async () => {
    const rig = await start();
    for (let n = 0; n < 3; n++) {
      await rig.ask();
      await rig.calls.at(-1)!.fail('timeout');
      await rig.calls.at(-1)!.answer();
    }
    expect(await rig.targets()).toMatchObject([
      { id: 'a/k/m-a', breaker: 'open', underWay: 0 },
      { id: 'b/k/m-b', breaker: 'closed', underWay: 0 },
    ]);
    await rig.ask();
    expect(rig.calls.at(-1)!.provider).toBe('b');
    await rig.calls.at(-1)!.answer();
    await rig.test.advance(1_000);
    await rig.ask();
    expect(rig.calls.at(-1)!.provider).toBe('a');
    await rig.calls.at(-1)!.answer();
    expect(await rig.targets()).toMatchObject([{ breaker: 'closed' }, {}]);
  });

  test('a provider that crashes with calls in hand is one that cannot be reached', async () => {
    const rig = await start();
    const asked = await rig.ask();
    rig.test.ref(`/${providerId('a', 'k')}`).tell(undefined);
    await rig.test.settle();
    await rig.test.advance(1_000);
    for (const call of rig.calls.slice(1)) await call.answer();
    expect(asked.value).toMatchObject({ ok: true });
    expect(rig.records[0]!.outcome).toBe('unreachable');
  });
});

describe('time', () => {
  test('one deadline holds for all attempts, and trips no breaker', async () => {
    const rig = await start();
    const asked = await rig.ask({ deadlineMs: 5_000 });
    await rig.test.advance(3_000);
    await rig.calls[0]!.fail('timeout');
    await rig.test.advance(1_999);
    expect(asked.value).toBeUndefined();
    await rig.test.advance(1);
    expect(asked.value).toMatchObject({
      ok: false,
      refusal: { code: 'deadline', message: 'no answer within 5000 ms' },
    });
    expect(await rig.targets()).toMatchObject([{ failuresInRow: 1 }, { failuresInRow: 0, underWay: 0 }]);
  });

  test('who withdraws is answered, and trips no breaker', async () => {
    const rig = await start();
    for (let n = 0; n < 5; n++) {
      const controller = new AbortController();
      const asked = await rig.ask({ signal: controller.signal });
      controller.abort();
      await rig.test.settle();
      expect(asked.value).toMatchObject({ ok: false, refusal: { failure: 'aborted' } });
    }
    expect(await rig.targets()).toMatchObject([{ breaker: 'closed', failuresInRow: 0, underWay: 0 }, {}]);
  });

  test('an unusually slow call is helped by a second one; the first answer counts, the other is withdrawn', async () => {
    const rig = await start();
    for (let n = 0; n < 30; n++) {
      await rig.ask();
      await rig.test.advance(100);
      await rig.calls.at(-1)!.answer();
    }
    const before = rig.calls.length;
    const asked = await rig.ask();
    await rig.test.advance(99);
    expect(rig.calls).toHaveLength(before + 1);
    await rig.test.advance(1);
    expect(rig.calls.slice(before).map(({ provider }) => provider)).toEqual(['a', 'b']);
    await rig.calls.at(-1)!.answer();
    expect(asked.value).toMatchObject({ ok: true, answer: { provider: 'b' } });
    expect(rig.calls[before]!.attempt.signal.aborted).toBe(true);
    expect(await rig.targets()).toMatchObject([{ underWay: 0, failuresInRow: 0 }, { underWay: 0 }]);
  });
});

describe('a budget', () => {
  function budgetOf(most: number): { budget: Budget; readonly open: Set<string>; readonly settled: unknown[] } {
    const open = new Set<string>();
    const settled: unknown[] = [];
    return {
      ...{ open, settled },
      budget: {
        async reserve({ id }) {
          if (open.size >= most) return { limit: String(most) };
          open.add(id);
          return undefined;
        },
        settle(id, { costPicoUsd }) {
          expect(open.delete(id)).toBe(true);
          settled.push(costPicoUsd);
        },
      },
    };
  }

  test('is asked before each attempt, and told of each once', async () => {
    const { budget, open, settled } = budgetOf(10);
    const rig = await start({ budget });
    await rig.ask();
    expect(open.size).toBe(1);
    await rig.calls[0]!.fail('timeout');
    expect(settled).toEqual([0n]);
    await rig.calls[1]!.answer();
    expect([open.size, settled]).toEqual([0, [0n, 20n]]);
  });

  test('that is used up sends nothing out', async () => {
    const { budget } = budgetOf(0);
    const rig = await start({ budget });
    expect((await rig.ask()).value).toMatchObject({
      ok: false,
      refusal: { code: 'budget-exhausted', figures: { limit: '0' } },
    });
    expect(rig.calls).toEqual([]);
  });
});

describe('a cache', () => {
  function cacheOf(): CompletionCache {
    const kept = new Map<string, CachedAnswer>();
    return {
      get: async (key) => kept.get(key),
      async set(key, answer) {
        kept.set(key, answer);
      },
    };
  }

  test('gives an answer again without a call and without a cost', async () => {
    const rig = await start({ cache: cacheOf() });
    await rig.ask({ mayBeCached: true });
    await rig.calls[0]!.answer();
    expect((await rig.ask({ mayBeCached: true })).value).toMatchObject({
      ok: true,
      answer: { completion: { text: 'from a' }, costPicoUsd: 0n, isCached: true, attempts: [] },
    });
    await rig.ask();
    await rig.ask({ mayBeCached: true, model: 'm-a' });
    expect(rig.calls).toHaveLength(3);
  });

  test('a hundred at once that ask the same are one call', async () => {
    const rig = await start({ cache: cacheOf() });
    const asked = await Promise.all(Array.from({ length: 100 }, () => rig.ask({ mayBeCached: true })));
    expect(rig.calls).toHaveLength(1);
    await rig.calls[0]!.answer();
    expect(new Set(asked.map(({ value }) => value?.ok && value.answer.completion.text))).toEqual(new Set(['from a']));
  });

  test('a failure is not kept', async () => {
    const rig = await start({ cache: cacheOf() });
    await rig.ask({ mayBeCached: true, model: 'm-a' });
    await rig.calls[0]!.fail('bad-request');
    await rig.ask({ mayBeCached: true, model: 'm-a' });
    expect(rig.calls).toHaveLength(2);
  });
});

test('the same question has one key however it is written, and every difference another', () => {
  const one = { model: 'm', request };
  const turned = Object.fromEntries(Object.entries(request).toReversed()) as unknown as CompletionRequest;
  expect(cacheKey({ request: turned, model: 'm' })).toBe(cacheKey(one));
  expect(cacheKey({ ...one, model: 'n' })).not.toBe(cacheKey(one));
  expect(cacheKey({ model: 'm', request: { ...request, maxOutputTokens: 99 } })).not.toBe(cacheKey(one));
});

test('what is personal or secret stays here, and a model of our own reads all of it', async () => {
  const secret = { ...request, messages: [{ role: 'user' as const, content: 'Write to joe@example.com' }] };
  const rig = await start();
  await rig.ask({ request: secret });
  expect(rig.calls[0]!.request.messages[0]!.content).toBe('Write to [email removed]');
  const own = targetOf('local', 'k', {
    model: 'm',
    priority: 1,
    contextTokens: 99_999,
    canCallTools: true,
    canFollowSchema: true,
  });
  expect(own.leavesPlatform).toBe(false);
  const inside = await start({ targets: [{ ...own, provider: 'a' }] });
  await inside.ask({ request: secret });
  expect(inside.calls[0]!.request).toEqual(secret);
});

test('a provider that the tenant does not allow is not asked', async () => {
  const rig = await start({ isAllowed: ({ provider }) => provider === 'b' });
  await rig.ask();
  expect(rig.calls.map(({ provider }) => provider)).toEqual(['b']);
  expect((await rig.ask({ model: 'm-a' })).value).toMatchObject({
    ok: false,
    refusal: { code: 'provider-not-allowed' },
  });
  expect(await rig.targets()).toMatchObject([{ provider: 'b' }]);
});
