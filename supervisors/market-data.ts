/** A price stream an instrument, a book stream where there is depth, and the keeper of candles. One that fails leaves the others running. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { isolated } from './policies.ts';

export function marketData(children: readonly AnyWorkerSpec[]): SupervisorSpec {
  return {
    id: 'market',
    strategy: 'dynamic',
    policy: isolated,
    children: children.map((child) => ({ ...child, policy: isolated })),
  };
}
