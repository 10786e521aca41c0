/** How much a client may send: its own rate, and that of all connections of its tenant. Who goes on in spite of being told is sent away. */
import type { Problem } from '../problems.ts';
import { TokenBucket, type Rate } from '../rate-limit.ts';
import type { TenantQuota } from './quotas.ts';

/** How long a client may go on sending too much. */
const patienceMs = 10_000;
/** Throttled again within this time is the same episode. */
const episodeGapMs = 1_000;

export class MessageThrottle {
  readonly #rate: Rate;
  readonly #bucket: TokenBucket;
  #episode = { sinceMs: -Infinity, lastMs: -Infinity };

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#bucket = new TokenBucket(rate, nowMs);
  }

  /** @returns why a message is turned away; undefined: it may pass. @param quota of the tenant, once it is known */
  take(nowMs: number, quota: TenantQuota | undefined): Problem | undefined {
    if (!this.#bucket.take(nowMs)) {
      const figures = { messagesPerSecond: String(this.#rate.perSecond), burst: String(this.#rate.burst) };
      return this.#refuse(nowMs, { code: 'TOO_MANY_REQUESTS', figures }, this.#bucket.look(nowMs, false).retryAfterMs);
    }
    // What its neighbours send is not this client's fault: it is told, and stays.
    if (quota && !quota.take(nowMs)) {
      const detail = 'too many messages of one tenant';
      return { code: 'TOO_MANY_REQUESTS', detail, retryAfterMs: quota.retryAfterMs(nowMs) };
    }
    return undefined;
  }

  /** Whether the client was told for long enough. */
  isOver(nowMs: number): boolean {
    return this.#episode.lastMs === nowMs && nowMs - this.#episode.sinceMs >= patienceMs;
  }

  #refuse(nowMs: number, problem: Problem, retryAfterMs: number): Problem {
    if (nowMs - this.#episode.lastMs > episodeGapMs) this.#episode.sinceMs = nowMs;
    this.#episode.lastMs = nowMs;
    return { ...problem, retryAfterMs };
  }
}
