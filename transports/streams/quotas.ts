/** What all connections of a tenant may have and do together. */
import type { Clock } from '../../runtime/clock.ts';
import { refuse, type Outcome } from '../problems.ts';
import { TokenBucket, type Rate } from '../rate-limit.ts';

export interface TenantLimits {
  readonly connections: number;
  readonly channels: number;
  readonly messages: Rate;
}

export class TenantQuota {
  readonly #limits: TenantLimits;
  readonly #bucket: TokenBucket;
  #connections = 0;
  #channels = 0;

  constructor(limits: TenantLimits, nowMs: number) {
    this.#limits = limits;
    this.#bucket = new TokenBucket(limits.messages, nowMs);
  }

  /** @returns false where the tenant has as many as it may; otherwise `disconnect` gives it back */
  connect(): boolean {
    if (this.#connections >= this.#limits.connections) return false;
    this.#connections += 1;
    return true;
  }

  disconnect(channels: number): void {
    this.#connections -= 1;
    this.#channels -= channels;
  }

  /** @param change how many more, or with a minus how many fewer */
  hold(change: number): Outcome<void> {
    const { channels: limit } = this.#limits;
    const wanted = this.#channels + change;
    if (change > 0 && wanted > limit) {
      const figures = { limit: String(limit), was: String(wanted) };
      return refuse({ code: 'TOO_MANY_REQUESTS', detail: 'too many channels of one tenant', figures });
    }
    this.#channels = wanted;
    return { ok: true, result: undefined };
  }

  take(nowMs: number): boolean {
    return this.#bucket.take(nowMs);
  }

  retryAfterMs(nowMs: number): number {
    return this.#bucket.look(nowMs, false).retryAfterMs;
  }
}

export class TenantQuotas {
  readonly #limits: TenantLimits;
  readonly #clock: Clock;
  readonly #quotas = new Map<number, TenantQuota>();

  constructor(limits: TenantLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** @param tenantId 0 for those who belong to none */
  of(tenantId: number): TenantQuota {
    let quota = this.#quotas.get(tenantId);
    if (!quota) this.#quotas.set(tenantId, (quota = new TenantQuota(this.#limits, this.#clock.monotonicMs())));
    return quota;
  }
}
