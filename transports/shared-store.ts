/**
 * What the nodes of a platform share to be faster: never the truth, and never waited for long. Nothing here rejects, whatever becomes
 * of the server behind it. Each part takes the number of a tenant (0 is the platform), and what it holds is that tenant's alone.
 */
import assert from 'node:assert/strict';
import type { Unsubscribe } from '../runtime/event-bus.ts';
import type { Rate, RateVerdict } from './rate-limit.ts';

export interface SharedStore {
  readonly cache: Cache;
  /** The buckets of that name, one a key; the same name has the same rate everywhere. `maxKeys` bounds those that this node keeps. */
  rateLimits(name: string, rate: Rate, maxKeys: number): RateLimits;
  readonly messages: Messages;
}

/** A reader must be content with any value that was set for the key and whose time is not over, also one that was replaced or deleted. */
export interface Cache {
  get(tenantId: number, key: string): Promise<string | undefined>;
  /** A value larger than the limit is not kept, and nothing is left in its place. @param ttlMs above zero, finite */
  set(tenantId: number, key: string, value: string, ttlMs: number): Promise<void>;
  delete(tenantId: number, key: string): Promise<void>;
}

export interface RateLimits {
  /** Takes one token if there is one. */
  take(tenantId: number, key: string): Promise<RateVerdict>;
}

/** Each message goes to whoever listens now, at most once, and may be lost: also because it is larger than the limit. */
export interface Messages {
  /** Returns before other nodes have heard of it. Listeners of this node are called at once; one that throws disturbs nobody. */
  publish(tenantId: number, channel: string, text: string): void;
  subscribe(tenantId: number, channel: string, hear: (text: string) => void): Unsubscribe;
}

export interface SharedStoreLimits {
  /** Largest value, and largest message. */
  readonly valueBytes: number;
  /** What the cache of one node holds, with its keys; what was used longest ago goes first. */
  readonly cacheBytes: number;
}

const longestName = 256;

/** Begins with the tenant, which no name can imitate: a number ends where the colon comes. */
export function keyOf(tenantId: number, name: string): string {
  assert(Number.isSafeInteger(tenantId) && tenantId >= 0, `tenant must be a whole number from 0, was ${tenantId}`);
  assert(name.length <= longestName, `a name must be at most ${longestName} characters, was ${name.length}`);
  return `${tenantId}:${name}`;
}

export function assertTtl(ttlMs: number): void {
  assert(ttlMs > 0 && ttlMs < Infinity, `ttlMs must be above 0 and finite, was ${ttlMs}`);
}
