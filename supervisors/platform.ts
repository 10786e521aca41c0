/** The root of the tree, in start order: whatever stands lower in the list may lean on what stands above it. */
import type { SupervisorSpec } from '../runtime/spec.ts';
import { root } from './policies.ts';

export interface PlatformChildren {
  readonly storage: SupervisorSpec;
  readonly market: SupervisorSpec;
  readonly tenants: SupervisorSpec;
  readonly operations: SupervisorSpec;
  readonly gateways: SupervisorSpec;
}

export function platform(children: PlatformChildren): SupervisorSpec {
  const { storage, market, tenants, operations, gateways } = children;
  return {
    id: 'platform',
    strategy: 'rest-for-one',
    policy: root,
    children: [storage, market, tenants, operations, gateways],
  };
}
