/** Dynamic: one subtree a tenant, each with a budget of its own, so that none can take down another. */
import type { SupervisorSpec } from '../runtime/spec.ts';
import { isolated } from './policies.ts';

export const tenantsPath = '/tenants';

export function tenants(): SupervisorSpec {
  return { id: 'tenants', strategy: 'dynamic', policy: isolated, children: [] };
}
