/** Port 8020 and the actors behind it, with nothing else of the platform: one tenant, no ledger, two stubs as its providers. */
import { tenantAi } from '../../bin/ai.ts';
import { aiDesk } from '../../bin/ai-desk.ts';
import { aiWorkers } from '../../bin/ai-workers.ts';
import { limits } from '../../config/limits.ts';
import { isAllowed } from '../../config/roles.ts';
import { Secret } from '../../config/secret.ts';
import { silentLog, type Behavior } from '../../runtime/actor.ts';
import { systemClock as clock } from '../../runtime/clock.ts';
import { createSystem } from '../../runtime/system.ts';
import { aiProviders } from '../../supervisors/ai-providers.ts';
import { isolated } from '../../supervisors/policies.ts';
import { memoryStore } from '../../transports/drivers/memory-store.ts';
import { aiGateway } from '../../transports/gateways/ai.ts';
import { gatewayContext } from '../../transports/gateways/gateway.ts';
import type { Services } from '../../transports/services.ts';

const tenant = 'bench';
const principal = { subjectId: 'bench', role: 'trader', tenantId: 1, tenant } as const;
const store = memoryStore({ clock, log: silentLog, limits: limits.sharedStore });
const key = (name: string) => ({ apiKey: new Secret('sk-bench'), baseUrl: process.env[name] });
/** The ledger is the database's, which is not here. */
const noLedger = { open: async () => [], write: async () => {} };
const ai = tenantAi({
  ...{ limits: limits.ai, clock, cache: store.cache, tenantId: 1, allowed: undefined, budgetStore: noLedger },
  config: {
    ai: { openai: key('BENCH_OPENAI'), anthropic: key('BENCH_ANTHROPIC'), google: undefined, ollamaUrl: undefined },
  },
});
/** What the benchmark asks for is never too much. */
const terms = [{ scope: 'tenant', period: 'day', picoUsd: 10n ** 24n }] as const;
const nobody: Behavior<undefined, never> = { start: () => undefined, receive: () => undefined };
const system = createSystem({ name: 'bench', clock, log: silentLog });
const workers = aiWorkers({
  ...{ system, limits, tenant, onAlert: () => {} },
  ai: { ...ai, budget: { ...ai.budget, terms } },
});
const tree = { ...workers, desk: { id: 'desk', kind: 'none', behavior: nobody } };
await system.start({
  ...{ id: 'root', strategy: 'one-for-one', policy: isolated },
  children: [
    {
      ...{ id: 'tenants', strategy: 'dynamic', policy: isolated },
      children: [{ id: tenant, strategy: 'one-for-one', policy: isolated, children: [aiProviders(tree)] }],
    },
  ],
});

const services = {
  ...{ version: 'bench', clock, log: silentLog, rateLimits: store.rateLimits, findPrincipal: async () => principal },
  ai: aiDesk(
    system,
    () => [],
    () => {
      throw new Error('there is no database here');
    },
  ),
  health: () => ({ status: 'pass', isReady: true, hasStarted: true, reasons: [], checks: {} }),
  metrics: async () => '',
} as unknown as Services;
const rate = { perSecond: 1_000_000, burst: 1_000_000 };
const gateway = await aiGateway(
  gatewayContext({
    ...{ services, isAllowed, exposesInternals: () => false, folders: { web: '', client: '', errorPages: '' } },
    limits: { ...limits, http: { ...limits.http, rate } },
  }),
);
const port = await gateway.listen('127.0.0.1', 0);
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
process.send!({ port });
