/** The named restart policies: how often a child may fail before its supervisor gives up, and how long it waits in between. */
import type { RestartPolicy } from '../runtime/supervision.ts';

/** What must work for anything to work: storage, market, gateways. A fault that repeats is for the level above. */
export const infrastructure: RestartPolicy = {
  intensity: 5,
  periodMs: 10_000,
  backoff: { firstMs: 50, maxMs: 5_000, jitter: 0.2 },
};

/** One among many of its kind: it gets its own budget, and its neighbours do not notice. */
export const isolated: RestartPolicy = {
  intensity: 10,
  periodMs: 60_000,
  backoff: { firstMs: 100, maxMs: 30_000, jitter: 0.2 },
};

/** The root: when it gives up, the process ends and whoever runs it starts it anew. */
export const root: RestartPolicy = {
  intensity: 3,
  periodMs: 60_000,
  backoff: { firstMs: 200, maxMs: 5_000, jitter: 0.2 },
};
