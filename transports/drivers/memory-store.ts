/** The shared store of a platform without Redis, and of a node whose Redis is away: this process alone. */
import type { Log } from '../../runtime/actor.ts';
import type { Clock } from '../../runtime/clock.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import { describeError } from '../../runtime/redaction.ts';
import { RateLimiter } from '../rate-limit.ts';
import {
  assertTtl,
  keyOf,
  type Cache,
  type Messages,
  type SharedStore,
  type SharedStoreLimits,
} from '../shared-store.ts';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Hears of listeners that throw. */
  readonly log: Log;
  readonly limits: SharedStoreLimits;
}

export function memoryStore({ clock, log, limits }: MemoryStoreOptions): SharedStore {
  const limiters = new Map<string, RateLimiter>();
  return {
    cache: memoryCache(clock, limits),
    rateLimits(name, rate, maxKeys) {
      const limiter = limiters.get(name) ?? new RateLimiter(rate, maxKeys, clock);
      limiters.set(name, limiter);
      return { take: async (tenantId, key) => limiter.take(keyOf(tenantId, key)) };
    },
    messages: memoryMessages(log, limits),
  };
}

interface Entry {
  readonly value: string;
  readonly bytes: number;
  readonly expiresMs: number;
}

function memoryCache(clock: Clock, { valueBytes, cacheBytes }: SharedStoreLimits): Cache {
  /** In order of use, the least recent first. */
  const entries = new Map<string, Entry>();
  let held = 0;

  function remove(key: string): Entry | undefined {
    const entry = entries.get(key);
    if (entry) held -= entry.bytes;
    entries.delete(key);
    return entry;
  }

  function put(key: string, entry: Entry): void {
    entries.set(key, entry);
    held += entry.bytes;
    while (held > cacheBytes) {
      const [oldest] = entries.keys();
      remove(oldest!);
    }
  }

  return {
    async get(tenantId, name) {
      const key = keyOf(tenantId, name);
      const entry = remove(key);
      if (!entry || entry.expiresMs <= clock.monotonicMs()) return undefined;
      put(key, entry);
      return entry.value;
    },
    async set(tenantId, name, value, ttlMs) {
      assertTtl(ttlMs);
      const key = keyOf(tenantId, name);
      remove(key);
      const size = Buffer.byteLength(value);
      if (size > valueBytes) return;
      put(key, { value, bytes: size + Buffer.byteLength(key), expiresMs: clock.monotonicMs() + ttlMs });
    },
    async delete(tenantId, name) {
      remove(keyOf(tenantId, name));
    },
  };
}

function memoryMessages(log: Log, { valueBytes }: SharedStoreLimits): Messages {
  const bus = new EventBus<Record<string, string>>((error) =>
    log.error({ error: describeError(error) }, 'a listener of shared messages failed'),
  );
  return {
    publish(tenantId, channel, text) {
      if (Buffer.byteLength(text) <= valueBytes) bus.publish(keyOf(tenantId, channel), text);
    },
    subscribe: (tenantId, channel, hear) => bus.subscribe(keyOf(tenantId, channel), hear),
  };
}
