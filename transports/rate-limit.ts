/** Token buckets by key: so many at once, refilled so many a second. */
import type { Clock } from '../runtime/clock.ts';

export interface Rate {
  readonly perSecond: number;
  /** Size of the bucket, one or more. */
  readonly burst: number;
}

export interface RateVerdict {
  readonly isAllowed: boolean;
  /** Whole tokens left. */
  readonly remaining: number;
  /** Until the bucket is full again. */
  readonly resetMs: number;
  /** Until the next token; zero when there is one. */
  readonly retryAfterMs: number;
}

/** One bucket. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes one token if there is one. */
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  look(nowMs: number, isAllowed: boolean): RateVerdict {
    this.#refill(nowMs);
    return rateVerdict(this.#rate, this.#tokens, isAllowed);
  }

  #refill(nowMs: number): void {
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
  }
}

/** Buckets for at most `maxKeys` keys; beyond that the one unused for longest is forgotten, and with it what it owed. */
export class RateLimiter {
  readonly rate: Rate;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate, maxKeys: number, clock: Clock) {
    this.rate = rate;
    this.#maxKeys = maxKeys;
    this.#clock = clock;
  }

  take(key: string): RateVerdict {
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#bucket(key, nowMs);
    return bucket.look(nowMs, bucket.take(nowMs));
  }

  /** Whether the next `take` would be allowed, without taking. */
  look(key: string): RateVerdict {
    const nowMs = this.#clock.monotonicMs();
    const verdict = (this.#buckets.get(key) ?? new TokenBucket(this.rate, nowMs)).look(nowMs, true);
    return { ...verdict, isAllowed: verdict.remaining >= 1 };
  }

  #bucket(key: string, nowMs: number): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.rate, nowMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) {
      const [oldest] = this.#buckets.keys();
      this.#buckets.delete(oldest!);
    }
    return bucket;
  }
}

/** What a bucket with so many tokens tells whoever asks. */
export function rateVerdict({ perSecond, burst }: Rate, tokens: number, isAllowed: boolean): RateVerdict {
  return {
    isAllowed,
    remaining: Math.floor(tokens),
    resetMs: Math.ceil(((burst - tokens) / perSecond) * 1000),
    retryAfterMs: Math.max(0, Math.ceil(((1 - tokens) / perSecond) * 1000)),
  };
}

/** The `RateLimit-Policy` and `RateLimit` fields of the IETF draft. */
export function rateLimitHeaders(rate: Rate, verdict: RateVerdict): Record<string, string> {
  const windowSeconds = Math.max(1, Math.ceil(rate.burst / rate.perSecond));
  return {
    'ratelimit-policy': `"default";q=${rate.burst};w=${windowSeconds}`,
    ratelimit: `"default";r=${verdict.remaining};t=${Math.ceil(verdict.resetMs / 1000)}`,
  };
}
