/** Fan-out: prices and account events from the bus to connections. Each is encoded once; each connection is written to once a turn. */
import type { Quote, QuoteBoard } from '../actors/market/quote.ts';
import type { AccountChannel, AccountCommit } from '../actors/trading/events.ts';
import type { Instrument } from '../actors/trading/instrument.ts';
import { commitsOf, type PlatformTopics } from '../actors/trading/topics.ts';
import type { Clock, Timer } from '../runtime/clock.ts';
import type { EventBus, Unsubscribe } from '../runtime/event-bus.ts';
import type { AccountEntry } from './services.ts';
import { eventFrame, quoteFrame } from './stream-frames.ts';
import { Outlet, type OutletHub, type QuoteSubscription, type SlowLimits } from './stream-outlet.ts';
import type { Connection } from './websocket.ts';

/** A channel of an account, as `orders:demo-1`. */
export interface AccountSubscriber {
  readonly kind: AccountChannel;
  take(sequence: number, frame: Buffer): void;
}

export interface StreamHubServices {
  readonly bus: EventBus<PlatformTopics>;
  readonly clock: Clock;
  readonly quotes: QuoteBoard;
  readonly instruments: ReadonlyMap<string, Instrument>;
}

/** Totals since the start, for metrics. */
export interface StreamCounts {
  readonly quotesSent: number;
  readonly eventsSent: number;
  readonly writes: number;
  readonly degraded: number;
}

interface Feed<Subscriber> {
  readonly subscribers: Set<Subscriber>;
  readonly unsubscribe: Unsubscribe;
}

/** Between two flushes of a long list the loop turns, so that orders and heartbeats are not stuck behind thousands of writes. */
const flushesBeforeYield = 500;
const catchUpPeriodMs = 250;

export class StreamHub implements OutletHub {
  readonly limits: SlowLimits;
  readonly #services: StreamHubServices;
  readonly #quoteFeeds = new Map<string, Feed<QuoteSubscription>>();
  readonly #accountFeeds = new Map<string, Feed<AccountSubscriber>>();
  readonly #outlets = new Set<Outlet>();
  readonly #catchUpTimer: Timer;
  #dirty: Outlet[] = [];
  #isScheduled = false;
  readonly #counts = { quotesSent: 0, eventsSent: 0, writes: 0, degraded: 0 };

  constructor(services: StreamHubServices, limits: SlowLimits) {
    this.#services = services;
    this.limits = limits;
    this.#catchUpTimer = services.clock.every(catchUpPeriodMs, () => {
      for (const outlet of this.#outlets) if (outlet.isDegraded) outlet.catchUp();
    });
  }

  get counts(): StreamCounts {
    return this.#counts;
  }

  open(connection: Connection, on: { slow(bufferedBytes: number): void; tooSlow(): void }): Outlet {
    const slow = (bufferedBytes: number) => {
      this.#counts.degraded += 1;
      on.slow(bufferedBytes);
    };
    const outlet = new Outlet(connection, this, { slow, tooSlow: () => on.tooSlow() });
    this.#outlets.add(outlet);
    return outlet;
  }

  close(outlet: Outlet): void {
    outlet.end();
    this.#outlets.delete(outlet);
  }

  stop(): void {
    this.#catchUpTimer.cancel();
  }

  /** Quotes after the latest one, which the caller sends itself. */
  subscribeQuotes(
    symbol: string,
    outlet: Outlet,
  ): { readonly latest: Quote | undefined; readonly subscription: QuoteSubscription } {
    const latest = this.#services.quotes.get(symbol);
    const subscription: QuoteSubscription = { symbol, outlet, lastSequence: latest?.sequence ?? 0, pending: undefined };
    const feed = this.#quoteFeeds.get(symbol) ?? this.#openQuoteFeed(symbol);
    feed.subscribers.add(subscription);
    return { latest, subscription };
  }

  unsubscribeQuotes(subscription: QuoteSubscription): void {
    subscription.outlet.forget(subscription);
    leave(this.#quoteFeeds, subscription.symbol, subscription);
  }

  subscribeAccount(entry: AccountEntry, subscriber: AccountSubscriber): Unsubscribe {
    const topic = commitsOf(entry.tenantId, entry.accountId);
    const feed = this.#accountFeeds.get(topic) ?? this.#openAccountFeed(topic, entry);
    feed.subscribers.add(subscriber);
    return () => leave(this.#accountFeeds, topic, subscriber);
  }

  encode(quote: Quote, skipped: number): Buffer {
    return quoteFrame(quote, this.#services.instruments.get(quote.symbol), skipped);
  }

  flushSoon(outlet: Outlet): void {
    if (outlet.isDirty) return;
    outlet.isDirty = true;
    this.#dirty.push(outlet);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    const now = this.#dirty.splice(0, flushesBeforeYield);
    for (const outlet of now) {
      outlet.isDirty = false;
      this.#counts.writes += 1;
      outlet.flush();
    }
    if (this.#dirty.length > 0) this.#schedule();
  }

  #openQuoteFeed(symbol: string): Feed<QuoteSubscription> {
    const subscribers = new Set<QuoteSubscription>();
    const unsubscribe = this.#services.bus.subscribe(`quotes:${symbol}`, (quote) => {
      const frame = this.encode(quote, 0);
      this.#counts.quotesSent += subscribers.size;
      for (const subscription of subscribers) subscription.outlet.offer(subscription, quote, frame);
    });
    const feed = { subscribers, unsubscribe };
    this.#quoteFeeds.set(symbol, feed);
    return feed;
  }

  #openAccountFeed(topic: `commits:${number}/${number}`, entry: AccountEntry): Feed<AccountSubscriber> {
    const subscribers = new Set<AccountSubscriber>();
    const onCommit = (commit: AccountCommit) => {
      for (const event of commit.events) {
        let frame: Buffer | undefined;
        for (const subscriber of subscribers) {
          if (subscriber.kind !== event.channel) continue;
          frame ??= eventFrame(`${event.channel}:${entry.account}`, entry.streamEpoch, event);
          this.#counts.eventsSent += 1;
          subscriber.take(event.sequence, frame);
        }
      }
    };
    const feed = { subscribers, unsubscribe: this.#services.bus.subscribe(topic, onCommit) };
    this.#accountFeeds.set(topic, feed);
    return feed;
  }
}

function leave<Subscriber>(feeds: Map<string, Feed<Subscriber>>, key: string, subscriber: Subscriber): void {
  const feed = feeds.get(key);
  if (!feed?.subscribers.delete(subscriber) || feed.subscribers.size > 0) return;
  feed.unsubscribe();
  feeds.delete(key);
}
