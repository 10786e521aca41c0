/** The feeds of the accounts that have followers, or had some a moment ago. */
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import type { EventBus } from '../../runtime/event-bus.ts';
import type { AccountEntry } from '../services.ts';
import { AccountFeed, type FeedLimits } from './account-feed.ts';

/** How often feeds that nobody needs any more are looked for. */
const sweepMs = 10_000;

export class AccountFeeds {
  readonly #feeds = new Map<string, AccountFeed>();
  readonly #bus: EventBus<PlatformTopics>;
  readonly #clock: Clock;
  readonly #limits: FeedLimits;
  #sweep: Timer | undefined;

  constructor(bus: EventBus<PlatformTopics>, clock: Clock, limits: FeedLimits) {
    this.#bus = bus;
    this.#clock = clock;
    this.#limits = limits;
  }

  get(entry: AccountEntry): AccountFeed {
    const key = `${entry.tenantId}/${entry.accountId}`;
    let feed = this.#feeds.get(key);
    if (!feed) {
      feed = new AccountFeed(entry, this.#bus, this.#limits, () => this.#clock.monotonicMs());
      this.#feeds.set(key, feed);
      this.#sweep ??= this.#clock.every(sweepMs, () => this.#closeIdle());
    }
    return feed;
  }

  #closeIdle(): void {
    for (const [key, feed] of this.#feeds) {
      if (!feed.isIdle) continue;
      feed.close();
      this.#feeds.delete(key);
    }
    if (this.#feeds.size > 0) return;
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }
}
