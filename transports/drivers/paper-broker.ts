/**
 * TRADING_MODE=paper: a broker that fills against the live quote. One a node; quotes come from the price streams. It has no memory of
 * its own: what an account has working and open is handed over at its login.
 *
 * A market order, and a limit that is marketable on arrival, is filled at the far side of the quote, a resting limit at its limit once the
 * far side reaches it; where the instrument says how much a quote shows, no quote fills more than that of an order. A stop becomes a
 * market or limit order once the ask (for a buy) or the bid (for a sell) has reached it. A crossed or stale quote fills and triggers
 * nothing: market orders wait for the next good one, orders that are immediate or cancel, or fill or kill, are canceled. Nothing is ever
 * filled better than the quoted side nor outside of a symbol's hours, and what only reduces is never filled beyond the position.
 */
import assert from 'node:assert/strict';

import { isCrossed, isStale, type Quote, type QuoteBoard } from '../../actors/market/quote.ts';
import type {
  Broker,
  BrokerBook,
  BrokerLogin,
  BrokerMessage,
  BrokerOrder,
  BrokerOrderStatus,
  BrokerReport,
} from '../../actors/trading/broker.ts';
import type { TradingHours } from '../../actors/trading/account.ts';
import type { OrderChange } from '../../actors/trading/events.ts';
import type { Instrument } from '../../actors/trading/instrument.ts';
import type { Clock } from '../../runtime/clock.ts';
import { PaperBook, type Price, type Resting } from './paper-book.ts';
import { PaperClient, type Outcome, type WorkingAt } from './paper-client.ts';

export interface PaperBrokerOptions {
  readonly clock: Clock;
  /** Holds a quote before `onQuote` is told of it. */
  readonly quotes: QuoteBoard;
  readonly instrument: (symbol: string) => Instrument | undefined;
  /** When a symbol trades; undefined: at any time. */
  readonly hours?: (symbol: string) => Pick<TradingHours, 'isOpen'> | undefined;
  /** Absent: orders arrive at once, and at the quoted price. */
  readonly realism?: PaperRealism;
  /** Runs a report later, after the call that caused it has returned, and in the order given. Default: `queueMicrotask`. */
  readonly deliver?: (run: () => void) => void;
}

/** What a market does to an order on its way. Drawn from the seed and the order's id: the same orders fare the same every time. */
export interface PaperRealism {
  /** From us to the book, and back. */
  readonly latencyMs: number;
  /** Up to so much more on the way there. */
  readonly jitterMs: number;
  /** At the market, up to so many ticks worse than quoted, never better. */
  readonly slippageTicks: number;
  readonly seed: number;
}

export interface PaperBroker extends Broker {
  /** The market has moved. */
  onQuote(quote: Quote): void;
  /** Whether a price would fill or trigger anything, or move a stop. */
  isReachedBy(quote: Pick<Quote, 'symbol' | 'bid' | 'ask'>): boolean;
}

export const paperVenue = 'paper';

export function createPaperBroker(options: PaperBrokerOptions): PaperBroker {
  const { clock, quotes, instrument, hours, realism } = options;
  const { latencyMs = 0, jitterMs = 0, slippageTicks = 0, seed = 0 } = realism ?? {};
  const deliver = options.deliver ?? (latencyMs > 0 ? (run) => void clock.after(latencyMs, run) : queueMicrotask);
  const clients = new Map<string, PaperClient>();
  const books = new Map<string, PaperBook<PaperClient>>();

  function login(account: string, book: BrokerBook, onMessage: (message: BrokerMessage) => void): BrokerLogin {
    let client = clients.get(account);
    if (!client) clients.set(account, (client = new PaperClient(deliver)));
    const before = client.onMessage;
    client.onMessage = onMessage;
    const isCurrent = () => client.onMessage === onMessage;
    if (before === undefined) client.takeOver(book.positions);
    for (const order of book.orders) {
      if (client.isEnded(order.orderId)) client.repeat(order.orderId);
      else place(client, order);
    }
    let lastArrivalMs = 0;
    /** What was sent first arrives first. */
    const arrive = (id: string, run: () => void): void => {
      if (!isCurrent()) return;
      if (latencyMs === 0 && jitterMs === 0) return run();
      const nowMs = clock.monotonicMs();
      lastArrivalMs = Math.max(lastArrivalMs, nowMs + latencyMs + draw(seed, `${id} on its way`) * jitterMs);
      clock.after(lastArrivalMs - nowMs, run);
    };
    return {
      place: (order) => arrive(order.orderId, () => place(client, order)),
      amend: (orderId, requestId, change) => arrive(orderId, () => amend(client, orderId, requestId, change)),
      cancel: (orderId) => arrive(orderId, () => cancel(client, orderId)),
      query: (queryId, orderIds, isAll) => arrive(queryId, () => query(client, queryId, orderIds, isAll)),
      close: () => {
        if (isCurrent()) client.onMessage = undefined;
      },
    };
  }

  function place(client: PaperClient, order: BrokerOrder): void {
    const { orderId, timeInForce } = order;
    const known = client.ended.get(orderId);
    if (known) return client.send(known.report);
    if (client.working.has(orderId)) return client.send(reportOf(orderId, { type: 'accepted' }));
    const terms = instrument(order.symbol);
    const refusal = terms ? refusalOf(order, clock.wallMicros()) : `unknown symbol ${order.symbol}`;
    if (!terms || refusal) return end(client, orderId, { type: 'rejected', reason: refusal! });

    const resting = restingOf(client, order);
    const price = goodPrice(quotes.get(order.symbol), terms);
    if (resting.stop === undefined && price && isMarketable(resting, price)) {
      if (order.postOnly) return end(client, orderId, { type: 'canceled', reason: 'post-only' });
      const offered = terms.shownQuantity ?? order.quantity;
      if (timeInForce !== 'fok' || offered >= order.quantity - resting.filledQuantity)
        fill(resting, price, slipped(resting, farSide(order, price), terms), terms);
      if (client.isEnded(orderId)) return;
    }
    if (timeInForce === 'ioc') return end(client, orderId, { type: 'canceled', reason: 'immediate-or-cancel' });
    if (timeInForce === 'fok') return end(client, orderId, { type: 'canceled', reason: 'fill-or-kill' });
    const at: WorkingAt = { resting, expiry: expiryOf(client, order) };
    client.working.set(orderId, at);
    if (resting.trailBy !== undefined && resting.stop === undefined) startTrailing(resting, price);
    bookOf(order.symbol).add(resting);
    if (resting.executions === 0) client.send(reportOf(orderId, { type: 'accepted' }));
  }

  /** Behind the market of now; without one, as far away as can be, until the first quote brings it near. */
  function startTrailing(resting: Resting<PaperClient>, price: Price | undefined): void {
    const isBuy = resting.order.side === 'buy';
    const far = isBuy ? Number.MAX_SAFE_INTEGER : 0;
    resting.stop = price ? (isBuy ? price.ask + resting.trailBy! : price.bid - resting.trailBy!) : far;
    if (price) resting.toldStop = resting.stop;
  }

  function expiryOf(client: PaperClient, { orderId, expireAtMicros, timeInForce }: BrokerOrder): WorkingAt['expiry'] {
    if (expireAtMicros === undefined || (timeInForce !== 'gtd' && timeInForce !== 'day')) return undefined;
    // A timer reaches no further than 24.8 days; what lasts longer is looked at again then.
    const wait = Math.min((expireAtMicros - clock.wallMicros()) / 1000, 2 ** 31 - 1);
    return clock.after(Math.max(0, Math.ceil(wait)), () => {
      const working = client.working.get(orderId);
      if (!working) return;
      if (clock.wallMicros() >= expireAtMicros) withdraw(client, orderId, { type: 'expired' });
      else working.expiry = expiryOf(client, working.resting.order);
    });
  }

  /** An order that is not here cannot be filled any more, so it is as good as canceled; remembered, in case it arrives after all. */
  function cancel(client: PaperClient, orderId: string): void {
    // How it ended, once more: that says more than a refusal.
    const known = client.ended.get(orderId);
    if (known) return client.send(known.report);
    withdraw(client, orderId, { type: 'canceled', reason: 'requested' });
  }

  function amend(client: PaperClient, orderId: string, requestId: string, change: OrderChange): void {
    const { stopLoss: _sl, takeProfit: _tp, ...asked } = change;
    const working = client.working.get(orderId);
    const refuse = (reason: string): void =>
      client.send({ ...reportOf(orderId, { type: 'update-rejected', reason }), requestId });
    if (!working) return refuse('it is not working');
    const { resting } = working;
    const order = { ...resting.order, ...asked };
    const refusal = refusalOf(order, clock.wallMicros());
    if (refusal) return refuse(refusal);
    if (order.quantity <= resting.filledQuantity) return refuse('its quantity is filled already');
    bookOf(order.symbol).remove(resting);
    // What is changed goes to the end of its line; less of the same keeps its place only with brokers that say so.
    const next = {
      ...restingOf(client, order),
      filledQuantity: resting.filledQuantity,
      executions: resting.executions,
    };
    if (resting.stop === undefined) next.stop = undefined;
    working.expiry?.cancel();
    client.working.set(orderId, { resting: next, expiry: expiryOf(client, order) });
    if (next.trailBy !== undefined && next.stop === undefined && resting.stop !== undefined)
      startTrailing(next, goodPrice(quotes.get(order.symbol), instrument(order.symbol)!));
    bookOf(order.symbol).add(next);
    client.send({ ...reportOf(orderId, { type: 'updated', change: asked }), requestId });
    const quote = quotes.get(order.symbol);
    if (quote) onQuote(quote);
  }

  function query(client: PaperClient, queryId: string, orderIds: readonly string[], isAll: boolean): void {
    const timeMicros = clock.wallMicros();
    const ids = isAll ? new Set([...orderIds, ...client.working.keys()]) : new Set(orderIds);
    const orders = [...ids].map((orderId): BrokerOrderStatus => {
      const status = client.statusOf(orderId);
      if (status) return status;
      client.end(orderId, reportOf(orderId, { type: 'canceled', reason: 'never-arrived' }), false);
      return { orderId, executions: [], state: 'not-known' };
    });
    const positions = isAll ? { positions: client.positionList() } : {};
    client.tell({ type: 'statement', statement: { queryId, timeMicros, orders, ...positions } });
  }

  function onQuote(quote: Quote): void {
    const book = books.get(quote.symbol);
    // The clock is read only when something would be filled: most quotes end here.
    if (!book?.isReachedBy(quote)) return;
    const terms = instrument(quote.symbol)!;
    const price = goodPrice(quote, terms);
    if (!price) return;
    for (const resting of book.takeTriggeredBy(price)) {
      resting.stop = undefined;
      resting.owner.send(reportOf(resting.order.orderId, { type: 'triggered' }));
      book.add(resting);
    }
    for (const resting of book.trail(price)) {
      resting.toldStop = resting.stop;
      resting.owner.send(reportOf(resting.order.orderId, { type: 'trailed', stopPrice: BigInt(resting.stop!) }));
    }
    for (const resting of book.takeReachedBy(price)) {
      // A fill of another may have withdrawn it.
      if (resting.owner.isEnded(resting.order.orderId)) continue;
      const isAtMarket = resting.limit === undefined || isTriggeredNow(resting);
      const at = isAtMarket ? slipped(resting, farSide(resting.order, price), terms) : resting.limit!;
      fill(resting, price, at, terms);
      if (!resting.owner.isEnded(resting.order.orderId)) book.add(resting);
    }
  }

  function goodPrice(quote: Quote | undefined, terms: Instrument): Price | undefined {
    if (!quote || isCrossed(quote) || quote.fault !== undefined) return undefined;
    const nowMicros = clock.wallMicros();
    if (isStale(quote, nowMicros, terms.staleAfterMs) || hours?.(terms.symbol)?.isOpen(nowMicros) === false)
      return undefined;
    return quote;
  }

  /** Worse than quoted by chance, and never beyond the order's own limit. */
  function slipped({ order, limit, executions }: Resting<PaperClient>, quoted: number, terms: Instrument): number {
    if (slippageTicks === 0) return quoted;
    const ticks = Math.floor(draw(seed, `${order.orderId} ${executions}`) * (slippageTicks + 1));
    const worse = ticks * Number(terms.tickSize);
    if (order.side === 'buy') return Math.min(quoted + worse, limit ?? Infinity);
    return Math.max(quoted - worse, limit ?? Number(terms.tickSize));
  }

  function fill(resting: Resting<PaperClient>, price: Price, at: number, terms: Instrument): void {
    const { owner, order } = resting;
    const isBetterThanQuoted = order.side === 'buy' ? at < price.ask : at > price.bid;
    assert(!isBetterThanQuoted, `${order.orderId} would be filled at ${at}, better than ${price.bid}/${price.ask}`);
    const { orderId } = order;
    const open = order.quantity - resting.filledQuantity;
    const may = order.reduceOnly ? smaller(open, owner.reducible(order)) : open;
    if (may === 0n) return withdraw(owner, orderId, { type: 'canceled', reason: 'reduce-only' });
    const quantity = smaller(may, terms.shownQuantity ?? may);
    resting.filledQuantity += quantity;
    resting.executions += 1;
    owner.onFill(order, quantity);
    // Made of the order's id and its fills alone: an order that is placed anew after a restart fills under the same id.
    const executionId = `${orderId}-${resting.executions}`;
    const report = reportOf(orderId, { type: 'filled', executionId, quantity, price: BigInt(at) });
    owner.executed(orderId, report);
    if (resting.filledQuantity === order.quantity) {
      remember(owner, orderId, report);
    } else {
      owner.send(report);
      if (may < open && quantity === may) withdraw(owner, orderId, { type: 'canceled', reason: 'reduce-only' });
    }
    if (order.ocoGroup !== undefined && (!order.reduceOnly || resting.filledQuantity === order.quantity))
      withdrawGroup(owner, order.ocoGroup, orderId);
  }

  /** One cancels others: of what only reduces, the fill that completes it. */
  function withdrawGroup(client: PaperClient, group: string, but: string): void {
    for (const [orderId, { resting }] of client.working) {
      if (orderId !== but && resting.order.ocoGroup === group)
        withdraw(client, orderId, { type: 'canceled', reason: 'oco' });
    }
  }

  function withdraw(client: PaperClient, orderId: string, outcome: Outcome): void {
    const working = client.working.get(orderId);
    if (working) books.get(working.resting.order.symbol)?.discard(working.resting);
    end(client, orderId, outcome);
  }

  function end(client: PaperClient, orderId: string, outcome: Outcome): void {
    remember(client, orderId, reportOf(orderId, outcome));
  }

  function remember(client: PaperClient, orderId: string, report: BrokerReport): void {
    client.working.get(orderId)?.expiry?.cancel();
    client.end(orderId, report, true);
  }

  function reportOf(orderId: string, outcome: Outcome): BrokerReport {
    return { orderId, venue: paperVenue, timeMicros: clock.wallMicros(), ...outcome };
  }

  function bookOf(symbol: string): PaperBook<PaperClient> {
    let book = books.get(symbol);
    if (!book) books.set(symbol, (book = new PaperBook()));
    return book;
  }

  return {
    ...{ venue: paperVenue, memory: 'none', login, onQuote },
    isReachedBy: (quote) => books.get(quote.symbol)?.isReachedBy(quote) ?? false,
  };
}

function restingOf(owner: PaperClient, order: BrokerOrder): Resting<PaperClient> {
  const { limitPrice, stopPrice, trailBy, isTriggered } = order;
  const number = (price: bigint | undefined) => (price === undefined ? undefined : Number(price));
  return {
    ...{ owner, order, filledQuantity: order.filledQuantity ?? 0n, executions: order.executions ?? 0 },
    ...{ limit: number(limitPrice), stop: isTriggered ? undefined : number(stopPrice) },
    ...{ trailBy: isTriggered ? undefined : number(trailBy), toldStop: number(stopPrice) },
  };
}

function refusalOf(order: BrokerOrder, nowMicros: number): string | undefined {
  const { orderType, timeInForce, limitPrice, stopPrice, trailBy, expireAtMicros } = order;
  const hasLimit = orderType === 'limit' || orderType === 'stop-limit';
  const hasStop = orderType === 'stop' || orderType === 'stop-limit';
  if (hasLimit !== (limitPrice !== undefined)) return 'a limit order has a limit price, others have none';
  if (hasStop && stopPrice === undefined) return 'a stop order has a stop price';
  if ((orderType === 'trailing-stop') !== (trailBy !== undefined))
    return 'a trailing stop has a distance, others have none';
  if (timeInForce === 'gtd' && expireAtMicros === undefined) return 'an order that is good till a date has a date';
  if (expireAtMicros !== undefined && expireAtMicros <= nowMicros) return 'its date is past';
  for (const price of [limitPrice, stopPrice, trailBy])
    if (price !== undefined && price > Number.MAX_SAFE_INTEGER) return 'a price is too large';
  return undefined;
}

/** A stop-limit whose stop was just reached trades at the market as far as its limit allows. */
function isTriggeredNow({ order, limit }: Resting<unknown>): boolean {
  return order.orderType === 'stop-limit' && limit !== undefined;
}

function isMarketable({ order, limit }: Resting<unknown>, price: Price): boolean {
  if (limit === undefined) return true;
  return order.side === 'buy' ? limit >= price.ask : limit <= price.bid;
}

/** What the other side of the market asks for: buyers pay the ask, sellers get the bid. */
function farSide(order: BrokerOrder, price: Price): number {
  return order.side === 'buy' ? price.ask : price.bid;
}

/** FNV-1a, mixed once more: from 0 up to 1, the same for the same. */
function draw(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return ((hash ^ (hash >>> 12)) >>> 0) / 2 ** 32;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
