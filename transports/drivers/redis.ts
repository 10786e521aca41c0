/** The shared store over Redis 6 or newer. While Redis is away each node goes on by itself, with what it has in memory. */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Unsubscribe } from '../../runtime/event-bus.ts';
import { RateLimiter, rateVerdict, type Rate, type RateVerdict } from '../rate-limit.ts';
import { assertTtl, keyOf, type Cache, type Messages, type RateLimits, type SharedStore } from '../shared-store.ts';
import { memoryStore, type MemoryStoreOptions } from './memory-store.ts';
import { RedisLink, type RedisLinkOptions } from './redis-link.ts';

export interface RedisStore extends SharedStore {
  readonly link: RedisLink;
}

export type RedisStoreOptions = Omit<RedisLinkOptions, 'onMessage' | 'scripts' | 'limits'> & {
  readonly limits: RedisLinkOptions['limits'] & MemoryStoreOptions['limits'];
};

export function redisStore(options: RedisStoreOptions): RedisStore {
  const memory = memoryStore(options);
  const link = new RedisLink({
    ...options,
    scripts: { takeToken: { lua: takeToken, numberOfKeys: 1 } },
    onMessage: (channel, text) => messages.hear(channel, text),
    onState(isUp, why) {
      if (isUp) messages.subscribeAgain();
      options.onState(isUp, why);
    },
  });
  const messages = new RedisMessages(link, memory.messages, options.limits.valueBytes);
  return {
    link,
    cache: redisCache(link, memory.cache, options.limits.valueBytes),
    rateLimits: (name, rate, maxKeys) =>
      redisRateLimits(link, name, rate, new RateLimiter(rate, maxKeys, options.clock)),
    messages,
  };
}

function redisKey(kind: 'cache' | 'rate' | 'channel', tenantId: number, name: string): string {
  return `aitrading:${kind}:t${keyOf(tenantId, name)}`;
}

function redisCache(link: RedisLink, memory: Cache, valueBytes: number): Cache {
  const cache: Cache = {
    async get(tenantId, name) {
      const key = redisKey('cache', tenantId, name);
      return link.ask(
        async (client) => (await client.get(key)) ?? undefined,
        () => memory.get(tenantId, name),
      );
    },
    async set(tenantId, name, value, ttlMs) {
      assertTtl(ttlMs);
      if (Buffer.byteLength(value) > valueBytes) return cache.delete(tenantId, name);
      const key = redisKey('cache', tenantId, name);
      await memory.delete(tenantId, name);
      await link.ask<unknown>(
        (client) => client.set(key, value, 'PX', Math.ceil(ttlMs)),
        () => memory.set(tenantId, name, value, ttlMs),
      );
    },
    async delete(tenantId, name) {
      const key = redisKey('cache', tenantId, name);
      // What this node kept while Redis was away is not to come back the next time.
      await memory.delete(tenantId, name);
      await link.ask<unknown>(
        (client) => client.del(key),
        () => undefined,
      );
    },
  };
  return cache;
}

/**
 * A token bucket as in `rate-limit.ts`, by Redis's own clock, so that nodes need not agree about the time. What is left comes as text,
 * since Redis cuts numbers to integers. A bucket that is full again is forgotten: that is how a new one begins.
 */
export const takeToken = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local perSecond, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) / 1000 * perSecond)
local isAllowed = 0
if tokens >= 1 then
  tokens = tokens - 1
  isAllowed = 1
end
local left = string.format('%.17g', tokens)
redis.call('HSET', KEYS[1], 'tokens', left, 'at', string.format('%.17g', now))
redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil((burst - tokens) / perSecond * 1000)))
return { isAllowed, left }
`;

/** The buckets in Redis, and under them this node's own, which hold whatever Redis has forgotten. */
function redisRateLimits(link: RedisLink, name: string, rate: Rate, own: RateLimiter): RateLimits {
  return {
    async take(tenantId, key) {
      const ownKey = keyOf(tenantId, key);
      const sharedKey = redisKey('rate', tenantId, `${name}:${key}`);
      // This node alone has used it up: no other can have put anything back.
      if (!own.look(ownKey).isAllowed) return own.take(ownKey);
      const shared = await link.ask(
        (client) => takeShared(client, sharedKey, rate),
        () => undefined,
      );
      if (!shared) return own.take(ownKey);
      if (shared.isAllowed) own.take(ownKey);
      return shared;
    },
  };
}

async function takeShared(client: Redis, key: string, rate: Rate): Promise<RateVerdict> {
  // Sent by its hash once Redis knows it.
  const [isAllowed, tokens] = await (client as ScriptedRedis).takeToken(key, rate.perSecond, rate.burst);
  return rateVerdict(rate, Number(tokens), isAllowed === 1);
}

interface ScriptedRedis extends Redis {
  takeToken(key: string, perSecond: number, burst: number): Promise<[isAllowed: number, tokens: string]>;
}

/** Listeners of this node hear of a message at once and without Redis; it carries it to the other nodes. */
class RedisMessages implements Messages {
  readonly #link: RedisLink;
  readonly #own: Messages;
  readonly #valueBytes: number;
  readonly #node = randomUUID();
  /** Listeners of a channel of Redis, which is subscribed to while there are any. */
  readonly #channels = new Map<string, { listeners: number; readonly hear: (text: string) => void }>();

  constructor(link: RedisLink, own: Messages, valueBytes: number) {
    this.#link = link;
    this.#own = own;
    this.#valueBytes = valueBytes;
  }

  publish(tenantId: number, channel: string, text: string): void {
    this.#own.publish(tenantId, channel, text);
    if (Buffer.byteLength(text) > this.#valueBytes) return;
    const key = redisKey('channel', tenantId, channel);
    void this.#link.ask<unknown>(
      (client) => client.publish(key, this.#node + text),
      () => undefined,
    );
  }

  subscribe(tenantId: number, channel: string, hear: (text: string) => void): Unsubscribe {
    const key = redisKey('channel', tenantId, channel);
    const unsubscribe = this.#own.subscribe(tenantId, channel, hear);
    const entry = this.#channels.get(key) ?? {
      listeners: 0,
      hear: (text: string) => this.#own.publish(tenantId, channel, text),
    };
    entry.listeners += 1;
    this.#channels.set(key, entry);
    if (entry.listeners === 1) this.#link.tell((client) => client.subscribe(key));
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      unsubscribe();
      entry.listeners -= 1;
      if (entry.listeners > 0) return;
      this.#channels.delete(key);
      this.#link.tell((client) => client.unsubscribe(key));
    };
  }

  subscribeAgain(): void {
    const keys = [...this.#channels.keys()];
    if (keys.length > 0) this.#link.tell((client) => client.subscribe(...keys));
  }

  hear(key: string, text: string): void {
    if (!text.startsWith(this.#node)) this.#channels.get(key)?.hear(text.slice(this.#node.length));
  }
}
