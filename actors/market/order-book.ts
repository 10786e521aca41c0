/** The depth of a market: what is offered at each price. Prices and quantities are integers scaled by 10^8, held as numbers. */

/** A price and the quantity that stands there, in lots; zero takes the price away. */
export type Level = readonly [price: number, quantity: number];

/** Each side from the best price on. */
export interface OrderBook {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

/** What is published of one symbol: the book, and what became of it since the update before. */
export interface BookUpdate {
  readonly symbol: string;
  /** Raised by one an update, for as long as the process lives. */
  readonly sequence: number;
  readonly timeMicros: number;
  readonly book: OrderBook;
  /** Levels that are new or have changed; quantity zero where one is gone. */
  readonly changes: OrderBook;
}
