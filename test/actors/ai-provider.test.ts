import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { aiProvider, type AiProviderMessage } from '../../actors/ai-provider.ts';
import type { AiProvider, CompletionRequest, CompletionResult } from '../../actors/ai/provider.ts';
import { ActorCrashed } from '../../runtime/errors.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { startTestSystem, worker, type TestSystem } from '../support/test-system.ts';
import { watch, type Watched } from '../support/tally.ts';

const request: CompletionRequest = { messages: [], output: { type: 'json' }, maxOutputTokens: 10 };
const good: CompletionResult = {
  ok: true,
  completion: {
    ...{ text: '{}', toolCalls: [], finish: 'stop', latencyMs: 12, firstTokenMs: 4 },
    usage: {
      ...{ inputTokens: 4, cachedInputTokens: 1, cacheWriteTokens: 1, cacheWrite1hTokens: 1 },
      ...{ outputTokens: 2, reasoningTokens: 1 },
    },
  },
};
const bad: CompletionResult = { ok: false, failure: { code: 'rate-limited', message: 'slow down' } };

interface Rig {
  readonly test: TestSystem;
  readonly ref: ActorRef<AiProviderMessage>;
  readonly calls: (PromiseWithResolvers<CompletionResult> & { readonly signal: AbortSignal })[];
  readonly closed: { readonly count: number };
  complete(signal?: AbortSignal): Watched<CompletionResult>;
  meter(): Promise<object>;
}

async function start(): Promise<Rig> {
  const calls: Rig['calls'] = [];
  const closed = { count: 0 };
  const provider: AiProvider = {
    name: 'scripted',
    close: () => void closed.count++,
    complete(_request, { signal }) {
      calls.push({ ...Promise.withResolvers<CompletionResult>(), signal });
      return calls.at(-1)!.promise;
    },
  };
  const system = await startTestSystem([worker('provider', aiProvider(provider, 2))]);
  const ref = system.ref<AiProviderMessage>('/provider');
  return {
    ...{ test: system, ref, calls, closed },
    complete(signal = new AbortController().signal) {
      const attempt = { model: 'm-1', signal, firstTokenMs: 1_000, idleMs: 1_000 };
      return watch(ref.ask({ type: 'complete', request, attempt }, { timeoutMs: 5_000 }));
    },
    meter: () => ref.ask({ type: 'get-meter' }, { timeoutMs: 1_000 }),
  };
}

test('completions are passed on, several at once, and metered', async () => {
  const rig = await start();
  const [first, second] = [rig.complete(), rig.complete()];
  await rig.test.settle();
  expect(await rig.meter()).toMatchObject({ provider: 'scripted', underWay: 2, requests: 2 });
  rig.calls[1]!.resolve(bad);
  rig.calls[0]!.resolve(good);
  await rig.test.settle();
  expect([first.value, second.value]).toEqual([good, bad]);
  expect(await rig.meter()).toMatchObject({
    ...{ underWay: 0, requests: 2, failures: 1, inputTokens: 7, outputTokens: 3, latencyMs: 12 },
    lastFailure: 'rate-limited',
  });
});

test('one more than it may have under way is turned away at once, and not counted as a request', async () => {
  const rig = await start();
  const all = [rig.complete(), rig.complete(), rig.complete()];
  await rig.test.settle();
  expect(all[2]!.value).toMatchObject({ ok: false, failure: { code: 'busy' } });
  rig.calls[0]!.resolve(good);
  await rig.test.settle();
  all.push(rig.complete());
  await rig.test.settle();
  expect(rig.calls).toHaveLength(3);
  expect(await rig.meter()).toMatchObject({ requests: 3, underWay: 2 });
});

test('a driver that rejects is answered for', async () => {
  const rig = await start();
  const asked = rig.complete();
  await rig.test.settle();
  rig.calls[0]!.reject(new TypeError('a fault of the driver'));
  await rig.test.settle();
  expect(asked.value).toMatchObject({ ok: false, failure: { code: 'server-error' } });
  expect(await rig.meter()).toMatchObject({ underWay: 0, failures: 1 });
});

test('a crash withdraws what is under way', async () => {
  const rig = await start();
  const asked = rig.complete();
  await rig.test.settle();
  rig.ref.tell(undefined as never);
  await rig.test.settle();
  expect(asked.error).toBeInstanceOf(ActorCrashed);
  expect(rig.calls[0]!.signal.aborted).toBe(true);
  expect(rig.closed.count).toBe(1);
  expect(await rig.meter()).toMatchObject({ underWay: 0 });
});

test('who asked may withdraw, and leaves nothing at the signal', async () => {
  const rig = await start();
  const controller = new AbortController();
  rig.complete(controller.signal);
  const second = rig.complete(controller.signal);
  await rig.test.settle();
  rig.calls[1]!.resolve(good);
  await rig.test.settle();
  expect(second.value).toEqual(good);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
  controller.abort();
  expect(rig.calls.map(({ signal }) => signal.aborted)).toEqual([true, false]);
});
