/** The tenants' routers, as gateways ask them. */
import { aiBudgetPath, type AiBudgetMessage } from '../actors/ai-budget.ts';
import { routerPath, type AiRouterMessage } from '../actors/ai-router.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { ActorSystem } from '../runtime/system.ts';
import type { Database } from '../transports/drivers/postgres.ts';
import { spendByDay } from '../transports/drivers/postgres-ai-budget.ts';
import type { AiDesk, OfferedModel, Principal } from '../transports/services.ts';

/** Beyond the deadline of a completion: its router answers by itself. */
const graceMs = 2_000;
const lookMs = 2_000;

export function aiDesk(
  system: Pick<ActorSystem, 'find'>,
  /** The models that a tenant may name. */
  offered: (tenant: string | undefined) => readonly OfferedModel[],
  database: () => Database,
): AiDesk {
  const routerOf = ({ tenant }: Principal): ActorRef<AiRouterMessage> | undefined =>
    tenant === undefined ? undefined : system.find<AiRouterMessage>(routerPath(tenant));
  return {
    async complete(principal, order, traceId) {
      const router = routerOf(principal);
      if (!router) throw new Error('this tenant has no AI');
      return router.ask({ type: 'complete', order }, { timeoutMs: order.deadlineMs + graceMs, traceId });
    },
    models: ({ tenant }) => offered(tenant),
    async targets(principal) {
      return (await routerOf(principal)?.ask({ type: 'get-targets' }, { timeoutMs: lookMs })) ?? [];
    },
    async budgets({ tenant }) {
      const budget = tenant === undefined ? undefined : system.find<AiBudgetMessage>(aiBudgetPath(tenant));
      return (await budget?.ask({ type: 'get-budgets' }, { timeoutMs: lookMs })) ?? [];
    },
    costs: async ({ tenantId }, days) => (tenantId === undefined ? [] : spendByDay(database(), tenantId, days)),
  };
}
