/** The AI providers that the configuration names, and what may be asked of them. */
import type { CachedAnswer, CompletionCache } from '../actors/ai/cache.ts';
import type { BudgetAlert, BudgetTerms } from '../actors/ai/budget.ts';
import type { BudgetStore } from '../actors/ai/budget-store.ts';
import { costOf, mostCostOf } from '../actors/ai/cost.ts';
import { isProviderAllowed } from '../actors/ai/data-map.ts';
import { priceOf, readPrices, type PriceTable } from '../actors/ai/price.ts';
import type { AiProvider, CompletionRequest, TokenUsage } from '../actors/ai/provider.ts';
import type { RoutePolicy, Target } from '../actors/ai/route.ts';
import { parseScaled } from '../actors/trading/money.ts';
import type { Alert } from '../actors/trading/topics.ts';
import { aiBudgets, type AiBudgetConfig } from '../config/ai-budgets.ts';
import prices from '../config/ai-prices.json' with { type: 'json' };
import type { Config } from '../config/config.ts';
import type { Limits } from '../config/limits.ts';
import { models, type ModelTerms, type ProviderName } from '../config/models.ts';
import type { BreakerPolicy } from '../runtime/breaker.ts';
import type { Clock } from '../runtime/clock.ts';
import { ProviderLine } from '../transports/drivers/ai-call.ts';
import { anthropic } from '../transports/drivers/anthropic.ts';
import { google } from '../transports/drivers/google.ts';
import { createLocalModel } from '../transports/drivers/local-model.ts';
import { ollama } from '../transports/drivers/ollama.ts';
import { openAi } from '../transports/drivers/openai.ts';
import { Failure } from './failure.ts';
import type { OfferedModel } from '../transports/services.ts';
import type { Cache } from '../transports/shared-store.ts';

/** What a tenant's router has to choose from. */
export interface TenantAi {
  readonly breaker: BreakerPolicy;
  readonly providers: readonly { readonly provider: AiProvider; readonly key: string }[];
  readonly targets: readonly Target[];
  readonly policy: RoutePolicy;
  readonly cache?: CompletionCache;
  /** Whether the tenant lets its requests go there. */
  isAllowed(target: Pick<Target, 'provider'>): boolean;
  readonly budget: { readonly terms: readonly BudgetTerms[]; readonly store: BudgetStore };
  /** What is set aside for a call. */
  mostCostOf(target: Pick<Target, 'provider' | 'model'>, request: CompletionRequest): bigint;
  costOf(target: Pick<Target, 'provider' | 'model'>, usage: TokenUsage): bigint | undefined;
}

/** @throws Failure with every fault of the table */
function readPriceTable(): PriceTable {
  const read = readPrices(prices);
  if (!read.ok) throw new Failure(read.faults.map((fault) => `config/ai-prices.json: ${fault}`));
  return read.table;
}

export const priceTable = readPriceTable();

/** The platform's own key of each provider; a tenant's own keys come with the tenant. */
const platformKey = 'platform';

/** Connections of its own for each tenant: one that floods a provider holds up nobody else. */
export function tenantAi({
  config: { ai },
  limits,
  clock,
  cache,
  tenantId,
  allowed,
  budgetStore,
}: {
  config: Pick<Config, 'ai'>;
  limits: Limits['ai'];
  clock: Clock;
  cache: Cache;
  tenantId: number;
  /** Who may read its requests, as `isProviderAllowed` has it; undefined: whoever is configured. */
  allowed: readonly string[] | undefined;
  budgetStore: BudgetStore;
}): TenantAi {
  const line = (): ProviderLine =>
    new ProviderLine({ clock, maxSockets: limits.requestsPerProvider, maxBodyBytes: limits.answerBytes });
  const providers: AiProvider[] = [createLocalModel({ clock })];
  if (ai.openai) providers.push(openAi({ ...ai.openai, line: line() }));
  if (ai.anthropic) providers.push(anthropic({ ...ai.anthropic, line: line() }));
  if (ai.google) providers.push(google({ ...ai.google, line: line() }));
  if (ai.ollamaUrl !== undefined) providers.push(ollama({ host: ai.ollamaUrl, line: line() }));
  return {
    providers: providers.map((provider) => ({ provider, key: platformKey })),
    targets: providersOf(ai).flatMap((name) => models[name].map((terms) => targetOf(name, platformKey, terms))),
    policy: 'priority',
    isAllowed: ({ provider }) => isAllowedBy(ai, allowed, provider as ProviderName),
    breaker: breakerPolicy(limits.breaker),
    costOf({ provider, model }, usage) {
      const price = priceOf(priceTable, provider, model, clock.wallMicros());
      return price && costOf(price, usage);
    },
    cache: answerCache(cache, tenantId, limits.cacheMs),
    budget: { terms: aiBudgets.map(budgetTerms), store: budgetStore },
    mostCostOf: ({ provider, model }, request) =>
      mostCostOf(priceOf(priceTable, provider, model, clock.wallMicros()), priceTable, request),
  };
}

/** @throws Failure an amount is none */
function budgetTerms({ usd, ...terms }: AiBudgetConfig): BudgetTerms {
  if (usd === undefined) return terms;
  const picoUsd = parseScaled(usd, 12);
  if (picoUsd === undefined || picoUsd < 0n)
    throw new Failure(`config/ai-budgets.ts: usd must be a decimal, was ${usd}`);
  return { ...terms, picoUsd };
}

export function budgetAlert(
  tenantId: number,
  { budget, percent, used, limit }: BudgetAlert,
  timeMicros: number,
): Alert {
  return {
    ...{ tenantId, timeMicros, severity: percent === 100 ? 'critical' : 'warning', type: 'ai-budget', subject: budget },
    text: `${percent} % is used: ${used} of ${limit}`,
  };
}

/** @param allowed as `tenantAi` has it */
export function offeredModels(ai: Config['ai'], allowed: readonly string[] | undefined): OfferedModel[] {
  return providersOf(ai)
    .filter((provider) => isAllowedBy(ai, allowed, provider))
    .flatMap((provider) =>
      models[provider].map(({ model }) => ({ name: model, provider, createdSeconds: offeredSince })),
    );
}

function isAllowedBy(ai: Config['ai'], allowed: readonly string[] | undefined, provider: ProviderName): boolean {
  return allowed === undefined || isProviderAllowed(allowed, hostnameOf(ai, provider));
}

function hostnameOf(ai: Config['ai'], provider: ProviderName): string | undefined {
  if (provider === 'local') return undefined;
  const url = provider === 'ollama' ? ai.ollamaUrl : ai[provider]?.baseUrl;
  return url === undefined ? vendorHosts[provider] : new URL(url).hostname;
}

/** Where the SDKs go by themselves. */
const vendorHosts = {
  ...{ openai: 'api.openai.com', anthropic: 'api.anthropic.com', google: 'generativelanguage.googleapis.com' },
  ollama: '127.0.0.1',
} as const;

/** 2026-11-26: clients want a time, and it says nothing. */
const offeredSince = 1_795_651_200;

function providersOf(ai: Config['ai']): ProviderName[] {
  const configured = { ...ai, ollama: ai.ollamaUrl };
  return [
    'local',
    ...(['openai', 'anthropic', 'google', 'ollama'] as const).filter((name) => configured[name] !== undefined),
  ];
}

/** Bodies as they were sent and received are for the record, not for the cache. */
function answerCache(cache: Cache, tenantId: number, ttlMs: number): CompletionCache {
  return {
    async get(key) {
      const text = await cache.get(tenantId, key);
      return text === undefined ? undefined : (JSON.parse(text) as CachedAnswer);
    },
    async set(key, { completion, provider, model }) {
      const kept = { completion: { ...completion, exchange: undefined }, provider, model };
      await cache.set(tenantId, key, JSON.stringify(kept), ttlMs);
    },
  };
}

export function breakerPolicy(limits: Limits['ai']['breaker']): BreakerPolicy {
  const { windowCalls, windowMs, minimumCalls, failureShare, reopenFirstMs, reopenMaxMs, probeMs } = limits;
  return {
    ...{ windowCalls, windowMs, minimumCalls, failureRate: failureShare, slowCallMs: Infinity, slowRate: 1 },
    ...{
      callTimeoutMs: probeMs,
      reopen: { firstMs: reopenFirstMs, maxMs: reopenMaxMs, jitter: 0.2 },
      halfOpenProbes: 1,
    },
  };
}

export function targetOf(provider: string, key: string, { model, ...terms }: ModelTerms): Target {
  return {
    ...{ id: `${provider}/${key}/${model}`, provider, key, model, names: [model, `${provider}/${model}`] },
    ...{ weight: 1, leavesPlatform: provider !== 'local', ...terms },
  };
}
