/** The working orders of one symbol at the paper broker, by price, then by time. */
import assert from 'node:assert/strict';

import type { BrokerOrder } from '../../actors/trading/broker.ts';

/** An order that works, and the account it belongs to. */
export interface Resting<Owner> {
  readonly owner: Owner;
  order: BrokerOrder;
  filledQuantity: bigint;
  executions: number;
  /** Limit price scaled by 10^8; undefined for an order that trades at the market. */
  limit: number | undefined;
  /** Price that it waits for; undefined once it was reached, and for orders without one. */
  stop: number | undefined;
  /** Of a trailing stop: distance, and the stop price that its owner was told last. */
  readonly trailBy: number | undefined;
  toldStop: number | undefined;
}

/** A price that orders may be filled on: neither crossed nor stale. Scaled by 10^8. */
export interface Price {
  readonly bid: number;
  readonly ask: number;
}

export class PaperBook<Owner> {
  /** Market orders in order of arrival. */
  readonly #waiting: Resting<Owner>[] = [];
  /** Best last, and among equal prices the oldest last, so that the next to be filled is popped. */
  readonly #buys: Resting<Owner>[] = [];
  readonly #sells: Resting<Owner>[] = [];
  /** Nearest last: a buy waits for the ask to rise to its stop, a sell for the bid to fall to it. */
  readonly #buyStops: Resting<Owner>[] = [];
  readonly #sellStops: Resting<Owner>[] = [];
  /** Their stops move with every quote, so they are looked at one by one. */
  readonly #trailing: Resting<Owner>[] = [];

  add(resting: Resting<Owner>): void {
    const orders = this.#listOf(resting);
    const isSorted = orders !== this.#waiting && orders !== this.#trailing;
    orders.splice(isSorted ? insertionPoint(orders, resting) : orders.length, 0, resting);
  }

  remove(resting: Resting<Owner>): void {
    const orders = this.#listOf(resting);
    const at = orders.indexOf(resting);
    assert(at >= 0, `order ${resting.order.orderId} is not in the book`);
    orders.splice(at, 1);
  }

  /** The same for one that may have been taken out already. */
  discard(resting: Resting<Owner>): void {
    const orders = this.#listOf(resting);
    const at = orders.indexOf(resting);
    if (at >= 0) orders.splice(at, 1);
  }

  /** Whether a price would fill or trigger anything, or move a stop: the whole cost of a quote that does not. */
  isReachedBy({ bid, ask }: Price): boolean {
    return (
      this.#waiting.length > 0 ||
      this.#trailing.length > 0 ||
      (this.#buys.length > 0 && this.#buys.at(-1)!.limit! >= ask) ||
      (this.#sells.length > 0 && this.#sells.at(-1)!.limit! <= bid) ||
      (this.#buyStops.length > 0 && this.#buyStops.at(-1)!.stop! <= ask) ||
      (this.#sellStops.length > 0 && this.#sellStops.at(-1)!.stop! >= bid)
    );
  }

  /** Takes out the stops that a price reaches, nearest first: buys, then sells. */
  takeTriggeredBy({ bid, ask }: Price): Resting<Owner>[] {
    const taken: Resting<Owner>[] = [];
    while (this.#buyStops.length > 0 && this.#buyStops.at(-1)!.stop! <= ask) taken.push(this.#buyStops.pop()!);
    while (this.#sellStops.length > 0 && this.#sellStops.at(-1)!.stop! >= bid) taken.push(this.#sellStops.pop()!);
    for (const resting of this.#trailing.slice()) {
      const isReached = resting.order.side === 'buy' ? resting.stop! <= ask : resting.stop! >= bid;
      if (!isReached) continue;
      this.#trailing.splice(this.#trailing.indexOf(resting), 1);
      taken.push(resting);
    }
    return taken;
  }

  /** Moves trailing stops behind a price that is better for them. @returns those whose owners should hear of it */
  trail({ bid, ask }: Price): Resting<Owner>[] {
    const moved: Resting<Owner>[] = [];
    for (const resting of this.#trailing) {
      const { trailBy = 0, toldStop } = resting;
      const isBuy = resting.order.side === 'buy';
      const stop = isBuy ? ask + trailBy : bid - trailBy;
      if (resting.stop === undefined || (isBuy ? stop < resting.stop : stop > resting.stop)) resting.stop = stop;
      // A tenth of the distance is worth a line: more often would be one for every quote.
      if (toldStop === undefined || Math.abs(resting.stop - toldStop) * 10 >= trailBy) moved.push(resting);
    }
    return moved;
  }

  /** Takes out what a price fills, next first: market orders, then buys from the highest limit, then sells from the lowest. */
  takeReachedBy(price: Price): Resting<Owner>[] {
    const taken = this.#waiting.splice(0);
    while (this.#buys.length > 0 && this.#buys.at(-1)!.limit! >= price.ask) taken.push(this.#buys.pop()!);
    while (this.#sells.length > 0 && this.#sells.at(-1)!.limit! <= price.bid) taken.push(this.#sells.pop()!);
    return taken;
  }

  #listOf({ limit, stop, trailBy, order: { side } }: Resting<Owner>): Resting<Owner>[] {
    if (trailBy !== undefined && limit === undefined && stop !== undefined) return this.#trailing;
    if (stop !== undefined) return side === 'buy' ? this.#buyStops : this.#sellStops;
    if (limit === undefined) return this.#waiting;
    return side === 'buy' ? this.#buys : this.#sells;
  }
}

/** Before the first order that is as good or better: a newcomer comes after its equals. */
function insertionPoint<Owner>(orders: readonly Resting<Owner>[], newcomer: Resting<Owner>): number {
  const isBuy = newcomer.order.side === 'buy';
  const of = ({ stop, limit }: Resting<Owner>) => stop ?? limit!;
  const price = of(newcomer);
  // Best limits of buyers are high, nearest stops of buyers are low.
  const isHighBest = isBuy === (newcomer.stop === undefined);
  const isWorse = (other: number) => (isHighBest ? other < price : other > price);
  let [low, high] = [0, orders.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isWorse(of(orders[middle]!))) low = middle + 1;
    else high = middle;
  }
  return low;
}
