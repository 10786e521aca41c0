/** A tenant's AI: the providers, each with a restart budget of its own, what they may spend, the router in front of them, and the desk that makes signals. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { infrastructure, isolated } from './policies.ts';

export function aiProviders({
  router,
  desk,
  budget,
  providers,
}: {
  router: AnyWorkerSpec;
  desk: AnyWorkerSpec;
  budget: AnyWorkerSpec;
  providers: readonly AnyWorkerSpec[];
}): SupervisorSpec {
  const all: SupervisorSpec = {
    ...{ id: 'providers', strategy: 'dynamic', policy: isolated },
    children: providers.map((provider) => ({ ...provider, policy: isolated })),
  };
  return {
    id: 'router',
    strategy: 'one-for-one',
    policy: infrastructure,
    front: router.id,
    children: [all, budget, router, desk],
  };
}
