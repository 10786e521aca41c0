import { expect, test } from 'vitest';
import { offeredModels, tenantAi } from '../../bin/ai.ts';
import { limits } from '../../config/limits.ts';
import { Secret } from '../../config/secret.ts';
import { silentLog } from '../../runtime/actor.ts';
import { systemClock as clock } from '../../runtime/clock.ts';
import { MemoryBudgetStore } from '../../actors/ai/budget-store.ts';
import { memoryStore } from '../../transports/drivers/memory-store.ts';

const key = (baseUrl?: string) => ({ apiKey: new Secret('sk-test'), baseUrl });
const ai = {
  ...{ openai: key('https://llm.acme.example/v1'), anthropic: key(), google: key() },
  ollamaUrl: 'http://127.0.0.1:11434',
};
const { cache } = memoryStore({ clock, log: silentLog, limits: limits.sharedStore });

function allowedBy(allowed: readonly string[] | undefined): string[] {
  const tenant = tenantAi({
    ...{ config: { ai }, limits: limits.ai, clock, cache, tenantId: 1, allowed, budgetStore: new MemoryBudgetStore() },
  });
  const targets = tenant.targets.filter((target) => tenant.isAllowed(target)).map(({ provider }) => provider);
  for (const { provider } of tenant.providers) provider.close();
  return [...new Set(targets)];
}

test.each([
  ['no list', undefined, ['local', 'openai', 'anthropic', 'google', 'ollama']],
  ['an empty list', [], ['local']],
  ['a vendor', ['anthropic'], ['local', 'anthropic']],
  ['a vendor whose words a host of the operator speaks', ['openai'], ['local']],
  ['that host', ['host/LLM.acme.example.'], ['local', 'openai']],
  ['this machine', ['host/127.0.0.1'], ['local', 'ollama']],
])('%s: requests go where the tenant allows, and only those models are offered', (_, allowed, providers) => {
  expect(allowedBy(allowed)).toEqual(providers);
  expect([...new Set(offeredModels(ai, allowed).map(({ provider }) => provider))]).toEqual(providers);
});
