/** An account, then its broker session: a session never outlives the account whose orders it carries. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { isolated } from './policies.ts';

export function trading(account: string, accountActor: AnyWorkerSpec, session: AnyWorkerSpec): SupervisorSpec {
  return {
    id: account,
    strategy: 'rest-for-one',
    policy: isolated,
    front: accountActor.id,
    children: [accountActor, session],
  };
}
