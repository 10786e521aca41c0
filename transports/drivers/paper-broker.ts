/**
 * TRADING_MODE=paper: a broker that fills against the live quote. One a node; quotes come from the price streams.
 *
 * An order is filled whole: a market order and a limit that is marketable on arrival at the far side of the quote, a resting limit at its
 * limit once the far side reaches it. A crossed or stale quote fills nothing: market orders wait for the next good one, orders that are
 * immediate or cancel, or fill or kill, are canceled. Nothing is ever filled better than the quoted side.
 */
import assert from 'node:assert/strict';

import { isCrossed, isStale, type Quote, type QuoteBoard } from '../../actors/market/quote.ts';
import type { Broker, BrokerLogin, BrokerOrder, BrokerReport } from '../../actors/trading/broker.ts';
import type { Instrument } from '../../actors/trading/instrument.ts';
import type { Clock } from '../../runtime/clock.ts';
import { PaperBook, type Price, type Resting } from './paper-book.ts';

export interface PaperBrokerOptions {
  readonly clock: Clock;
  /** Holds a quote before `onQuote` is told of it. */
  readonly quotes: QuoteBoard;
  readonly instrument: (symbol: string) => Instrument | undefined;
  /** Runs a report later, after the call that caused it has returned, and in the order given. Default: `queueMicrotask`. */
  readonly deliver?: (run: () => void) => void;
}

export interface PaperBroker extends Broker {
  /** The market has moved. */
  onQuote(quote: Quote): void;
}

/** How many ended orders a login remembers; the oldest are forgotten first. An account asks again only about orders that it knows as working. */
const endedPerLogin = 1_000;

const venue = 'paper';

/** What the broker knows of one account. Orders go on working while nobody is logged in. */
interface Client {
  onReport: ((report: BrokerReport) => void) | undefined;
  readonly working: Map<string, Resting<Client>>;
  /** How each order ended, so that placing or canceling it again gives the same answer. */
  readonly ended: Map<string, BrokerReport>;
}

type Outcome =
  | { type: 'accepted' }
  | { type: 'rejected'; reason: string }
  | { type: 'filled'; executionId: string; quantity: bigint; price: bigint }
  | { type: 'canceled'; reason: 'requested' | 'immediate-or-cancel' | 'fill-or-kill' };

export function createPaperBroker(options: PaperBrokerOptions): PaperBroker {
  const { clock, quotes, instrument, deliver = queueMicrotask } = options;
  const clients = new Map<string, Client>();
  const books = new Map<string, PaperBook<Client>>();

  function login(account: string, onReport: (report: BrokerReport) => void): BrokerLogin {
    const client = clients.get(account) ?? { onReport, working: new Map(), ended: new Map() };
    clients.set(account, client);
    client.onReport = onReport;
    const isCurrent = () => client.onReport === onReport;
    return {
      place: (order) => isCurrent() && place(client, order),
      cancel: (orderId) => isCurrent() && cancel(client, orderId),
      working: () => [...client.working.keys()],
      close: () => {
        if (isCurrent()) client.onReport = undefined;
      },
    };
  }

  function place(client: Client, order: BrokerOrder): void {
    const { orderId } = order;
    const known = client.ended.get(orderId);
    if (known) return send(client, known);
    if (client.working.has(orderId)) return send(client, reportOf(orderId, { type: 'accepted' }));

    const terms = instrument(order.symbol);
    const refusal = terms ? refusalOf(order) : `unknown symbol ${order.symbol}`;
    if (!terms || refusal) return end(client, orderId, { type: 'rejected', reason: refusal! });

    const resting = {
      owner: client,
      order,
      limit: order.limitPrice === undefined ? undefined : Number(order.limitPrice),
    };
    const price = goodPrice(quotes.get(order.symbol), terms);
    if (price && isMarketable(resting, price)) return fill(resting, price, farSide(order, price));
    if (order.timeInForce === 'ioc') return end(client, orderId, { type: 'canceled', reason: 'immediate-or-cancel' });
    if (order.timeInForce === 'fok') return end(client, orderId, { type: 'canceled', reason: 'fill-or-kill' });
    client.working.set(orderId, resting);
    bookOf(order.symbol).add(resting);
    send(client, reportOf(orderId, { type: 'accepted' }));
  }

  /** An order that is not here cannot be filled any more, so it is as good as canceled; remembered, in case it arrives after all. */
  function cancel(client: Client, orderId: string): void {
    const known = client.ended.get(orderId);
    if (known) return send(client, known);
    const resting = client.working.get(orderId);
    if (resting) bookOf(resting.order.symbol).remove(resting);
    end(client, orderId, { type: 'canceled', reason: 'requested' });
  }

  function onQuote(quote: Quote): void {
    const book = books.get(quote.symbol);
    // The clock is read only when something would be filled: most quotes end here.
    if (!book?.isReachedBy(quote)) return;
    const price = goodPrice(quote, instrument(quote.symbol)!);
    if (!price) return;
    for (const resting of book.takeReachedBy(price)) {
      fill(resting, price, resting.limit ?? farSide(resting.order, price));
    }
  }

  function goodPrice(quote: Quote | undefined, terms: Instrument): Price | undefined {
    if (!quote || isCrossed(quote) || isStale(quote, clock.wallMicros(), terms.staleAfterMs)) return undefined;
    return quote;
  }

  function fill({ owner, order }: Resting<Client>, price: Price, at: number): void {
    const isBetterThanQuoted = order.side === 'buy' ? at < price.ask : at > price.bid;
    assert(!isBetterThanQuoted, `${order.orderId} would be filled at ${at}, better than ${price.bid}/${price.ask}`);
    const { orderId, quantity } = order;
    // Made of the order's id alone: an order that is placed anew after a restart fills under the same id.
    end(owner, orderId, { type: 'filled', executionId: `${orderId}-1`, quantity, price: BigInt(at) });
  }

  function end(client: Client, orderId: string, outcome: Outcome): void {
    const report = reportOf(orderId, outcome);
    client.working.delete(orderId);
    client.ended.set(orderId, report);
    if (client.ended.size > endedPerLogin) client.ended.delete(client.ended.keys().next().value!);
    send(client, report);
  }

  function reportOf(orderId: string, outcome: Outcome): BrokerReport {
    return { orderId, venue, timeMicros: clock.wallMicros(), ...outcome };
  }

  /** To whoever is logged in when the report arrives; to nobody otherwise, who asks again by placing the order again. */
  function send(client: Client, report: BrokerReport): void {
    deliver(() => client.onReport?.(report));
  }

  function bookOf(symbol: string): PaperBook<Client> {
    let book = books.get(symbol);
    if (!book) books.set(symbol, (book = new PaperBook()));
    return book;
  }

  return { venue, login, onQuote };
}

function refusalOf(order: BrokerOrder): string | undefined {
  const { orderType, timeInForce, limitPrice } = order;
  if (orderType !== 'market' && orderType !== 'limit') return `unsupported order type ${orderType}`;
  // Nothing expires here. A market order is filled by the next good quote, so for one of them `day` asks for no more than that.
  const mayExpire = timeInForce === 'gtd' || (timeInForce === 'day' && orderType === 'limit');
  if (mayExpire) return `unsupported time in force ${timeInForce}`;
  if ((orderType === 'limit') !== (limitPrice !== undefined))
    return 'a limit order has a limit price, a market order has none';
  if (limitPrice !== undefined && limitPrice > Number.MAX_SAFE_INTEGER) return 'the limit price is too large';
  return undefined;
}

function isMarketable({ order, limit }: Resting<unknown>, price: Price): boolean {
  if (limit === undefined) return true;
  return order.side === 'buy' ? limit >= price.ask : limit <= price.bid;
}

/** What the other side of the market asks for: buyers pay the ask, sellers get the bid. */
function farSide(order: BrokerOrder, price: Price): number {
  return order.side === 'buy' ? price.ask : price.bid;
}
