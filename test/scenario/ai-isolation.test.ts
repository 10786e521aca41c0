/** Two tenants with the same vendor, each with actors and connections of its own: what one suffers, the other must not notice. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryBudgetStore } from '../../actors/ai/budget-store.ts';
import type { CompletionRequest } from '../../actors/ai/provider.ts';
import type { RoutedResult } from '../../actors/ai/routing.ts';
import { providerPath } from '../../actors/ai-provider.ts';
import { routerPath, type AiRouterMessage } from '../../actors/ai-router.ts';
import { percentile } from '../../bench/report.ts';
import { tenantAi } from '../../bin/ai.ts';
import { aiWorkers } from '../../bin/ai-workers.ts';
import { limits as platformLimits } from '../../config/limits.ts';
import { Secret } from '../../config/secret.ts';
import { silentLog, type Behavior } from '../../runtime/actor.ts';
import { systemClock as clock } from '../../runtime/clock.ts';
import type { SupervisorSpec } from '../../runtime/spec.ts';
import { createSystem } from '../../runtime/system.ts';
import { aiProviders } from '../../supervisors/ai-providers.ts';
import { isolated } from '../../supervisors/policies.ts';
import { memoryStore } from '../../transports/drivers/memory-store.ts';
import { dialects } from '../support/fake-ai/dialects.ts';
import { silenceFaults } from '../support/fake-ai/faults.ts';
import { startFakeAi, type FakeAi } from '../support/fake-ai/server.ts';

const scale = Number(process.env['TEST_SCALE'] ?? 1);
const floodCalls = Math.max(100, Math.round(2_000 * scale));
const kills = Math.max(10, Math.round(100 * scale));
const calmCalls = Math.max(100, Math.round(2_000 * scale));
/** So many at once that none of the flood is turned away. */
const ai = { ...platformLimits.ai, requestsPerProvider: 2_000, firstTokenMs: 120_000, deadlineMs: 120_000 };
const limits = { ...platformLimits, ai };
const request: CompletionRequest = {
  messages: [{ role: 'user', content: 'Is EURUSD going up?' }],
  ...{ output: { type: 'text' }, maxOutputTokens: 100 },
};

const system = createSystem({ name: 'test', clock, log: silentLog });
const nobody: Behavior<undefined, never> = { start: () => undefined, receive: () => undefined };
let [flooded, calm]: FakeAi[] = [];

function tenantTree(tenant: string, vendor: FakeAi): SupervisorSpec {
  const { cache } = memoryStore({ clock, log: silentLog, limits: limits.sharedStore });
  const provider = { apiKey: new Secret('sk-test'), baseUrl: vendor.baseUrl };
  const own = tenantAi({
    ...{ limits: ai, clock, cache, tenantId: 1, allowed: undefined, budgetStore: new MemoryBudgetStore() },
    config: { ai: { openai: provider, anthropic: undefined, google: undefined, ollamaUrl: undefined } },
  });
  // The flood is to be held up by its vendor, not by what it may spend.
  const terms = [{ scope: 'tenant', period: 'day', picoUsd: 10n ** 18n }] as const;
  const workers = aiWorkers({
    ...{ system, limits, tenant, onAlert: () => {} },
    ai: { ...own, budget: { ...own.budget, terms } },
  });
  const desk = { id: 'desk', kind: 'none', behavior: nobody };
  return {
    ...{ id: tenant, strategy: 'one-for-one', policy: isolated },
    children: [aiProviders({ ...workers, desk })],
  };
}

beforeAll(async () => {
  [flooded, calm] = await Promise.all([startFakeAi(dialects.openai), startFakeAi(dialects.openai)]);
  const tenants = [tenantTree('flood', flooded), tenantTree('calm', calm)];
  await system.start({
    ...{ id: 'root', strategy: 'one-for-one', policy: isolated },
    children: [{ id: 'tenants', strategy: 'dynamic', policy: isolated, children: tenants }],
  });
});

afterAll(async () => {
  await system.stop();
  await Promise.all([flooded!.close(), calm!.close()]);
});

function complete(tenant: string, signal?: AbortSignal): Promise<RoutedResult> {
  const { deadlineMs } = ai;
  const order = { request, model: 'gpt-4o-mini', subjectId: 'u-1', purpose: 'chat', deadlineMs };
  return system
    .find<AiRouterMessage>(routerPath(tenant))!
    .ask({ type: 'complete', order: { ...order, ...(signal && { signal }) } }, { timeoutMs: deadlineMs });
}

/** One call after another. @returns what each took, in milliseconds; fails where one is not answered */
async function timesOfCalm(): Promise<number[]> {
  const tookMs: number[] = [];
  for (let n = 0; n < calmCalls; n++) {
    const startedMs = performance.now();
    const result = await complete('calm');
    tookMs.push(performance.now() - startedMs);
    expect(result).toMatchObject({ ok: true, answer: { provider: 'openai' } });
  }
  return tookMs;
}

/** The median of ten windows: what else the machine does in one of them says nothing of us. */
function usual(tookMs: readonly number[], share: number): number {
  const size = Math.ceil(tookMs.length / 10);
  const windows = Array.from({ length: 10 }, (_, n) => percentile(tookMs.slice(n * size, (n + 1) * size), share));
  return percentile(windows, 0.5);
}

test(`${floodCalls} calls of one tenant that its vendor leaves hanging: the other is answered as before`, async () => {
  await timesOfCalm();
  const before = await timesOfCalm();
  flooded!.otherwise(silenceFaults['silent before headers']);
  const controller = new AbortController();
  const hanging: Promise<RoutedResult>[] = [];
  // Not more at once than a mailbox takes.
  while (hanging.length < floodCalls) {
    for (let n = 0; n < 100; n++) hanging.push(complete('flood', controller.signal));
    await flooded!.asked(hanging.length);
  }
  const during = await timesOfCalm();
  controller.abort();
  const results = await Promise.all(hanging);
  expect(new Set(results.map((result) => !result.ok && result.refusal.failure))).toEqual(new Set(['aborted']));
  await flooded!.idle();
  for (const share of [0.5, 0.9, 0.99]) {
    const [beforeMs, duringMs] = [usual(before, share), usual(during, share)];
    const growth = `${(((duringMs - beforeMs) / beforeMs) * 100).toFixed(0)} %`;
    console.info(
      `p${share * 100} of the other: ${beforeMs.toFixed(2)} ms, in the flood ${duringMs.toFixed(2)} ms, ${growth}`,
    );
  }
}, 120_000);

test(`providers of one tenant killed ${kills} times under load: the other loses nothing`, async () => {
  flooded!.otherwise(silenceFaults['silent before headers']);
  const path = providerPath('flood', 'openai', 'platform');
  const [floodedBefore, calmBefore] = [flooded!.requestCount, calm!.requestCount];
  const answers: Promise<RoutedResult>[] = [];
  const outcomes: Promise<string>[] = [];
  const controller = new AbortController();
  for (let n = 0; n < kills; n++) {
    outcomes.push(
      complete('flood', controller.signal).then(
        (result) => (result.ok ? 'answered' : result.refusal.code),
        (error: unknown) => (error as Error).name,
      ),
    );
    answers.push(complete('calm'), complete('calm'));
    // The breaker opens soon; until then something is under way that dies with its actor.
    if (n === 0) await flooded!.asked(floodedBefore + 1);
    expect(await system.operate({ action: 'restart', path, by: 'ops', reason: 'a test' })).toMatchObject({
      type: 'done',
    });
  }
  const results = await Promise.all(answers);
  expect(results.filter((result) => !result.ok)).toEqual([]);
  expect(calm!.requestCount - calmBefore).toBe(results.length);
  // What came after the last kill is still waiting for its vendor.
  controller.abort();
  expect(await Promise.all(outcomes)).not.toContain('answered');
}, 120_000);
