/** The working orders of one symbol at the paper broker, by price, then by time. */
import assert from 'node:assert/strict';

import type { BrokerOrder } from '../../actors/trading/broker.ts';

/** An order that works, and the account it belongs to. */
export interface Resting<Owner> {
  readonly owner: Owner;
  readonly order: BrokerOrder;
  /** Limit price scaled by 10^8; undefined for a market order that waits for a price. */
  readonly limit: number | undefined;
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

  add(resting: Resting<Owner>): void {
    const orders = this.#sideOf(resting);
    orders.splice(resting.limit === undefined ? orders.length : insertionPoint(orders, resting), 0, resting);
  }

  remove(resting: Resting<Owner>): void {
    const orders = this.#sideOf(resting);
    const at = orders.indexOf(resting);
    assert(at >= 0, `order ${resting.order.orderId} is not in the book`);
    orders.splice(at, 1);
  }

  /** Whether a price would fill anything: the whole cost of a quote that fills nothing. */
  isReachedBy(price: Price): boolean {
    return (
      this.#waiting.length > 0 ||
      (this.#buys.length > 0 && this.#buys.at(-1)!.limit! >= price.ask) ||
      (this.#sells.length > 0 && this.#sells.at(-1)!.limit! <= price.bid)
    );
  }

  /** Takes out what a price fills, next first: market orders, then buys from the highest limit, then sells from the lowest. */
  takeReachedBy(price: Price): Resting<Owner>[] {
    const taken = this.#waiting.splice(0);
    while (this.#buys.length > 0 && this.#buys.at(-1)!.limit! >= price.ask) taken.push(this.#buys.pop()!);
    while (this.#sells.length > 0 && this.#sells.at(-1)!.limit! <= price.bid) taken.push(this.#sells.pop()!);
    return taken;
  }

  #sideOf({ limit, order }: Resting<Owner>): Resting<Owner>[] {
    if (limit === undefined) return this.#waiting;
    return order.side === 'buy' ? this.#buys : this.#sells;
  }
}

/** Before the first order that is as good or better: a newcomer comes after its equals. */
function insertionPoint<Owner>(orders: readonly Resting<Owner>[], { order, limit }: Resting<Owner>): number {
  const isWorse = (other: number) => (order.side === 'buy' ? other < limit! : other > limit!);
  let [low, high] = [0, orders.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isWorse(orders[middle]!.limit!)) low = middle + 1;
    else high = middle;
  }
  return low;
}
