/** The database, the journal writer, the read models, and the breaker of Redis where there is one. The writer keeps its queue over a crash, so each may restart alone. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { infrastructure } from './policies.ts';

export function storage(
  database: AnyWorkerSpec,
  journalWriter: AnyWorkerSpec,
  projector: AnyWorkerSpec,
  redis: AnyWorkerSpec | undefined,
): SupervisorSpec {
  return {
    id: 'storage',
    strategy: 'one-for-one',
    policy: infrastructure,
    children: [database, journalWriter, projector, ...(redis ? [redis] : [])],
  };
}
