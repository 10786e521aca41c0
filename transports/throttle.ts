/**
 * How many commands an account may send in a second. Exact over every second, not on average: a bucket that is full when the second
 * begins lets nearly twice as many through. Nothing here is journalled, and a cancel always passes.
 */
import type { RiskLimits } from '../actors/trading/risk-limits.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Problem } from './problems.ts';
import type { AccountEntry } from './services.ts';

export type CommandKind = 'order' | 'amend' | 'cancel';

type Bound = 'maxOrdersPerSecond' | 'maxAmendsPerSecond' | 'maxMessagesPerSecond';

const windowMs = 1_000;
const boundOf = { order: 'maxOrdersPerSecond', amend: 'maxAmendsPerSecond', cancel: undefined } as const;

export class CommandThrottle {
  readonly #clock: Clock;
  readonly #limitsOf: (account: AccountEntry) => Pick<RiskLimits, Bound>;
  readonly #counts = new WeakMap<AccountEntry, Record<Bound, RollingCount>>();

  /** @param limitsOf what is in force for an account, whatever it trades */
  constructor(clock: Clock, limitsOf: (account: AccountEntry) => Pick<RiskLimits, Bound>) {
    this.#clock = clock;
    this.#limitsOf = limitsOf;
  }

  /** @returns why the command is turned away; undefined: it may pass, and is counted */
  take(account: AccountEntry, kind: CommandKind): Problem | undefined {
    const limits = this.#limitsOf(account);
    const counts = this.#countsOf(account);
    const nowMs = this.#clock.monotonicMs();
    const own = boundOf[kind];
    const bounds: readonly Bound[] = own === undefined ? ['maxMessagesPerSecond'] : [own, 'maxMessagesPerSecond'];
    if (own !== undefined) {
      for (const bound of bounds) {
        const limit = limits[bound];
        const retryAfterMs = limit === undefined ? 0 : counts[bound].waitMs(limit, nowMs);
        if (retryAfterMs > 0)
          return {
            code: 'THROTTLED',
            figures: { bound, limit: String(limit), windowMs: String(windowMs) },
            retryAfterMs,
          };
      }
    }
    for (const bound of bounds) {
      const limit = limits[bound];
      if (limit !== undefined) counts[bound].add(limit, nowMs);
    }
    return undefined;
  }

  #countsOf(account: AccountEntry): Record<Bound, RollingCount> {
    let counts = this.#counts.get(account);
    if (!counts) {
      const count = (): RollingCount => new RollingCount();
      counts = { maxOrdersPerSecond: count(), maxAmendsPerSecond: count(), maxMessagesPerSecond: count() };
      this.#counts.set(account, counts);
    }
    return counts;
  }
}

const firstTimes = 16;

/** When the last ones were. It holds as many as there were within a second, at most as many as the highest limit that was asked for. */
class RollingCount {
  /** A ring: the newest stands before `#next`. */
  #times = new Float64Array(firstTimes).fill(-Infinity);
  #next = 0;

  /** How long until one more is within the limit; 0: it is now. */
  waitMs(limit: number, nowMs: number): number {
    const size = this.#times.length;
    // What is not in the ring any more was more than a second ago.
    if (limit > size) return 0;
    const nth = this.#times[(this.#next - limit + size) % size]!;
    return Math.max(0, Math.ceil(nth + windowMs - nowMs));
  }

  add(limit: number, nowMs: number): void {
    const isFull = this.#times[this.#next]! > nowMs - windowMs;
    if (isFull && this.#times.length < limit) this.#grow(Math.min(limit, 2 * this.#times.length));
    this.#times[this.#next] = nowMs;
    this.#next = (this.#next + 1) % this.#times.length;
  }

  #grow(size: number): void {
    const grown = new Float64Array(size).fill(-Infinity);
    grown.set(this.#times.subarray(this.#next), size - this.#times.length);
    grown.set(this.#times.subarray(0, this.#next), size - this.#next);
    this.#times = grown;
    this.#next = 0;
  }
}
