/**
 * The outgoing side of one connection. Frames are collected until the end of the event-loop turn and leave in one write,
 * account events and replies in front of quotes. A client that does not keep up gets the latest quotes only, and is closed
 * when its account events pile up, since those are never left out.
 */
import type { Quote } from '../actors/market/quote.ts';
import type { Connection } from './websocket.ts';

export interface SlowLimits {
  /** Above either, quotes are thinned to the latest a symbol. */
  readonly slowBytes: number;
  readonly slowRoundTripMs: number;
  /** Unsent account events, or a round trip, above either of which the connection is closed. */
  readonly slowCloseBytes: number;
  readonly slowCloseAfterMs: number;
}

/** One symbol on one connection. */
export interface QuoteSubscription {
  readonly symbol: string;
  readonly outlet: Outlet;
  /** Of the last quote that was sent. */
  lastSequence: number;
  /** The latest quote that was held back. */
  pending: Quote | undefined;
}

export interface OutletHub {
  readonly limits: SlowLimits;
  /** Calls `flush` of the outlet at the end of this turn. */
  flushSoon(outlet: Outlet): void;
  encode(quote: Quote, skipped: number): Buffer;
}

export class Outlet {
  readonly connection: Connection;
  readonly #hub: OutletHub;
  readonly #onSlow: (bufferedBytes: number) => void;
  readonly #onTooSlow: () => void;
  #events: Buffer[] = [];
  #eventBytes = 0;
  #quotes: Buffer[] = [];
  readonly #heldBack = new Set<QuoteSubscription>();
  #isDegraded = false;
  #waitsForDrain = false;
  #isClosed = false;
  /** In the hub's list for this turn. */
  isDirty = false;

  constructor(connection: Connection, hub: OutletHub, on: { slow(bufferedBytes: number): void; tooSlow(): void }) {
    this.connection = connection;
    this.#hub = hub;
    this.#onSlow = (bufferedBytes) => on.slow(bufferedBytes);
    this.#onTooSlow = () => on.tooSlow();
  }

  get isDegraded(): boolean {
    return this.#isDegraded;
  }

  /** A frame that must arrive: events, replies, snapshots. */
  send(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#events.push(frame);
    this.#eventBytes += frame.length;
    if (!this.#waitsForDrain) this.#hub.flushSoon(this);
    else if (this.#eventBytes > this.#hub.limits.slowCloseBytes) this.#onTooSlow();
  }

  /** A quote, of which a slow client gets the latest. */
  offer(subscription: QuoteSubscription, quote: Quote, frame: Buffer): void {
    if (this.#isClosed) return;
    if (this.#isDegraded || this.#degrades()) {
      subscription.pending = quote;
      this.#heldBack.add(subscription);
      return;
    }
    subscription.lastSequence = quote.sequence;
    this.#quotes.push(frame);
    this.#hub.flushSoon(this);
  }

  /** One write of all that was collected. */
  flush(): void {
    if (this.#isClosed || this.#waitsForDrain) return;
    if (this.connection.bufferedBytes > this.#hub.limits.slowBytes) return this.#waitForDrain();
    const frames = this.#quotes.length === 0 ? this.#events : this.#events.concat(this.#quotes);
    this.#events = [];
    this.#eventBytes = 0;
    this.#quotes = [];
    if (frames.length > 0) this.connection.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
  }

  /** A few times a second while degraded: sends what was held back once the client has taken everything before. */
  catchUp(): void {
    if (this.connection.bufferedBytes > 0) return;
    for (const subscription of this.#heldBack) {
      const quote = subscription.pending;
      if (!quote) continue;
      this.#quotes.push(this.#hub.encode(quote, quote.sequence - subscription.lastSequence - 1));
      subscription.lastSequence = quote.sequence;
      subscription.pending = undefined;
    }
    this.#heldBack.clear();
    this.#hub.flushSoon(this);
    if (this.connection.roundTripMs <= this.#hub.limits.slowRoundTripMs) this.#isDegraded = false;
  }

  /** No more quotes of it. Those collected before go in front of what is sent from here on, such as the reply that says so. */
  forget(subscription: QuoteSubscription): void {
    this.#heldBack.delete(subscription);
    const collected = this.#quotes;
    this.#quotes = [];
    for (const frame of collected) this.send(frame);
  }

  /** Writes what is collected and takes no more. */
  end(): void {
    this.flush();
    this.#isClosed = true;
    this.#events = [];
    this.#quotes = [];
    this.#heldBack.clear();
  }

  #degrades(): boolean {
    const { bufferedBytes, roundTripMs } = this.connection;
    const { slowBytes, slowRoundTripMs } = this.#hub.limits;
    if (!this.#waitsForDrain && bufferedBytes <= slowBytes && roundTripMs <= slowRoundTripMs) return false;
    this.#isDegraded = true;
    this.#onSlow(bufferedBytes);
    return true;
  }

  #waitForDrain(): void {
    this.#waitsForDrain = true;
    this.connection.whenDrained(() => {
      this.#waitsForDrain = false;
      this.flush();
    });
    if (this.#eventBytes > this.#hub.limits.slowCloseBytes) this.#onTooSlow();
  }
}
