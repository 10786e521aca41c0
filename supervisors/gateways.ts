/** One child a port. A gateway that fails is opened again; the others go on serving. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { infrastructure } from './policies.ts';

export function gateways(ports: readonly AnyWorkerSpec[]): SupervisorSpec {
  return { id: 'gateways', strategy: 'one-for-one', policy: infrastructure, children: ports };
}
