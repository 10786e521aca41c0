/** The pool that stands in front of a supervisor. */
import { Envelope } from './envelope.ts';
import type { Environment } from './environment.ts';
import { Pool, type PoolHooks } from './pool.ts';
import type { Routing, SupervisorSpec } from './spec.ts';

/** @param family follows the spec that it has at the moment: a ref to the pool outlives a change of it */
export function poolInFrontOf(
  env: Environment,
  family: { readonly path: string; readonly spec: SupervisorSpec; readonly children: readonly object[] },
): Pool {
  const { path } = family;
  const hooks: PoolHooks = {
    onPolicyFailed: (error, message) => env.report('keyOf of a pool failed', error, path, message),
    onNobody: (message, traceId, token) => {
      const lost = new Envelope(message, traceId, undefined, env.tick(), token);
      env.deadLetters.add('stopped', { path, incarnation: 0, show: undefined }, lost);
    },
  };
  const now = (): Routing => {
    const { front } = family.spec;
    return typeof front === 'object' ? front : { route: 'round-robin' };
  };
  const routing: Routing = {
    get route() {
      return now().route;
    },
    keyOf: (message) => now().keyOf?.(message),
  };
  return new Pool(path, routing, () => family.children, hooks);
}
