/** What one tenant owns: its registry (the front of the subtree), its audit log, its accounts, its AI providers. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { aiProviders } from './ai-providers.ts';
import { infrastructure, isolated } from './policies.ts';

export interface TenantChildren {
  readonly tenant: AnyWorkerSpec;
  readonly audit: AnyWorkerSpec;
  readonly accounts: readonly SupervisorSpec[];
  readonly router: AnyWorkerSpec;
  readonly desk: AnyWorkerSpec;
  readonly budget: AnyWorkerSpec;
  readonly providers: readonly AnyWorkerSpec[];
  /** Absent: nothing trades by itself. */
  readonly strategies?: readonly AnyWorkerSpec[];
}

export function accountsPath(tenant: string): string {
  return `/tenants/${tenant}/accounts`;
}

export function tenantSubtree(slug: string, children: TenantChildren): SupervisorSpec {
  const { tenant, audit, accounts, strategies = [] } = children;
  const running: SupervisorSpec[] =
    strategies.length === 0
      ? []
      : [{ id: 'strategies', strategy: 'one-for-one', policy: isolated, children: strategies }];
  const allAccounts: SupervisorSpec = { id: 'accounts', strategy: 'dynamic', policy: isolated, children: accounts };
  return {
    ...{ id: slug, strategy: 'one-for-one', policy: infrastructure, front: tenant.id },
    children: [tenant, audit, allAccounts, aiProviders(children), ...running],
  };
}
