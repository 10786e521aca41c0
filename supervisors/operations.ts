/** What watches over the platform itself. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { infrastructure } from './policies.ts';

export function operations(children: readonly AnyWorkerSpec[]): SupervisorSpec {
  return { id: 'operations', strategy: 'one-for-one', policy: infrastructure, children };
}
