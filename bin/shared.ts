/** What nodes share: Redis where there is one, else this process alone. */
import type { RedisConfig } from '../config/config.ts';
import type { Limits } from '../config/limits.ts';
import type { Log } from '../runtime/actor.ts';
import { breakerSpec } from '../runtime/breaker-node.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Readiness } from '../runtime/readiness.ts';
import type { AnyWorkerSpec } from '../runtime/spec.ts';
import { memoryStore } from '../transports/drivers/memory-store.ts';
import type { RedisLink } from '../transports/drivers/redis-link.ts';
import { redisStore } from '../transports/drivers/redis.ts';
import type { SharedStore } from '../transports/shared-store.ts';

export interface Shared {
  readonly store: SharedStore;
  /** Undefined without Redis. */
  readonly redis: RedisLink | undefined;
  /** Its place in the tree. */
  readonly spec: AnyWorkerSpec | undefined;
}

export function openShared(options: {
  readonly redis: RedisConfig | undefined;
  readonly readiness: Readiness;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
}): Shared {
  const { redis, readiness, clock, log } = options;
  const limits = { ...options.limits.sharedStore, ...options.limits.redis };
  if (!redis) return { store: memoryStore({ clock, log, limits }), redis: undefined, spec: undefined };
  let wasUp: boolean | undefined;
  readiness.set('redis', 'degraded', 'not connected yet');
  const { host, port, password } = redis;
  const store = redisStore({
    ...{ host, port, password: password?.reveal(), clock, log, limits },
    onState(isUp, why) {
      if (isUp) readiness.set('redis', 'ready');
      else readiness.set('redis', 'degraded', `${why}; this node does without it`);
      // Once each way, not at every try to reach it.
      if (isUp !== wasUp && isUp) log.info({ host, port }, 'Redis is there');
      if (isUp !== wasUp && !isUp) log.warn({ host, port, why }, 'Redis is away: this node does without it');
      wasUp = isUp;
    },
  });
  return { store, redis: store.link, spec: breakerSpec(store.link.breaker) };
}
