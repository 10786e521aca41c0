/** One price stream an instrument. One that fails leaves the others running. */
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { isolated } from './policies.ts';

export function marketData(streams: readonly AnyWorkerSpec[]): SupervisorSpec {
  return {
    id: 'market',
    strategy: 'dynamic',
    policy: isolated,
    children: streams.map((stream) => ({ ...stream, policy: isolated })),
  };
}
