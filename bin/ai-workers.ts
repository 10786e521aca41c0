/** The actors that answer a tenant's completions: its providers, what it may spend, and the router in front of them. */
import { randomUUID } from 'node:crypto';
import { aiBudget, aiBudgetPath, type AiBudgetMessage } from '../actors/ai-budget.ts';
import { aiProvider, providerId, providerPath, type AiProviderMessage } from '../actors/ai-provider.ts';
import { aiRouter, type Budget } from '../actors/ai-router.ts';
import type { BudgetAlert } from '../actors/ai/budget.ts';
import { RouteBoard } from '../actors/ai/route-board.ts';
import { mostInputTokens } from '../actors/ai/routing.ts';
import type { Limits } from '../config/limits.ts';
import { Retryable } from '../runtime/errors.ts';
import type { AnyWorkerSpec } from '../runtime/spec.ts';
import type { ActorSystem } from '../runtime/system.ts';
import { priceTable, type TenantAi } from './ai.ts';

export interface AiWorkers {
  readonly providers: readonly AnyWorkerSpec[];
  readonly budget: AnyWorkerSpec;
  readonly router: AnyWorkerSpec;
}

export function aiWorkers({
  system,
  limits,
  tenant,
  ai,
  onAlert,
}: {
  readonly system: Pick<ActorSystem, 'find'>;
  readonly limits: Pick<Limits, 'ai' | 'ask' | 'database'>;
  /** Its slug. */
  readonly tenant: string;
  readonly ai: TenantAi;
  onAlert(alert: BudgetAlert): void;
}): AiWorkers {
  const { targets, policy, breaker, costOf, cache } = ai;
  const { firstTokenMs, idleMs, hedgeShare } = limits.ai;
  return {
    providers: ai.providers.map(({ provider, key }) => ({
      ...{ id: providerId(provider.name, key), kind: 'ai-provider' },
      behavior: aiProvider(provider, limits.ai.requestsPerProvider),
    })),
    budget: {
      ...{ id: 'budget', kind: 'ai-budget' },
      behavior: aiBudget({
        ...{ ...ai.budget, priceVersion: priceTable.version, retryMs: limits.database.retryFirstMs, onAlert },
      }),
    },
    router: {
      ...{ id: 'router', kind: 'ai-router' },
      behavior: aiRouter({
        ...{ targets, policy, costOf, board: new RouteBoard(breaker) },
        isAllowed: (target) => ai.isAllowed(target),
        ...(cache && { cache }),
        provider: ({ provider, key }) => system.find<AiProviderMessage>(providerPath(tenant, provider, key)),
        budget: budgetOf(system, tenant, ai, limits.ask.deadlineMs),
        newId: randomUUID,
        random: Math.random,
        limits: { firstTokenMs, idleMs, hedgeShare },
      }),
    },
  };
}

function budgetOf(system: Pick<ActorSystem, 'find'>, tenant: string, ai: TenantAi, timeoutMs: number): Budget {
  const path = aiBudgetPath(tenant);
  return {
    async reserve({ id, order, target }) {
      const { provider, model } = target;
      const { subjectId, purpose, request } = order;
      const tokens = mostInputTokens(request) + request.maxOutputTokens;
      const call = { id, subjectId, purpose, provider, model, tokens, picoUsd: ai.mostCostOf(target, request) };
      const budget = system.find<AiBudgetMessage>(path);
      if (!budget) throw new BudgetAway(path);
      return (await budget.ask({ type: 'reserve', call }, { timeoutMs })).refusal;
    },
    settle: (id, record) => void system.find<AiBudgetMessage>(path)?.tell({ type: 'settle', id, record }),
  };
}

/** It is being restarted. */
class BudgetAway extends Retryable {
  constructor(path: string) {
    super(`there is no ${path} now`, { retryAfterMs: 1_000 });
  }
}
