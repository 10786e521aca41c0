/** The depth of a market: what is offered at each price. Prices and quantities are integers scaled by 10^8, held as numbers. */
import { formatPrice, formatQuantity, type Instrument } from '../trading/instrument.ts';
import { isPrice } from './quote.ts';

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

export const emptyBook: OrderBook = { bids: [], asks: [] };

/** What `applied` needs to make `after` of `before`; each side from the best price on. */
export function changesOf(before: OrderBook, after: OrderBook): OrderBook {
  return {
    bids: sideChanges(before.bids, after.bids, highestFirst),
    asks: sideChanges(before.asks, after.asks, lowestFirst),
  };
}

/** The book behind changes, which may come in any order; of several for one price the last counts. One for a price that is not there, to zero, does nothing. */
export function applied(book: OrderBook, changes: OrderBook): OrderBook {
  return {
    bids: changedSide(book.bids, changes.bids, highestFirst),
    asks: changedSide(book.asks, changes.asks, lowestFirst),
  };
}

/** Each side in order without a price twice, every quantity above zero, and no bid as high as an ask: such two would have traded. */
export function isSound({ bids, asks }: OrderBook): boolean {
  const [bid, ask] = [bids[0], asks[0]];
  return isSideSound(bids, highestFirst) && isSideSound(asks, lowestFirst) && (!bid || !ask || bid[0] < ask[0]);
}

/** The best levels of each side. */
export function topOf(book: OrderBook, levels: number): OrderBook {
  const { bids, asks } = book;
  if (bids.length <= levels && asks.length <= levels) return book;
  return { bids: bids.slice(0, levels), asks: asks.slice(0, levels) };
}

/** A level as clients see it: decimal text. */
export type LevelView = readonly [price: string, quantity: string];

export interface BookView {
  readonly bids: readonly LevelView[];
  readonly asks: readonly LevelView[];
}

/** A book, or changes of one, in decimal text with the instrument's digits; a level that is gone has the quantity `0`. */
export function bookView({ bids, asks }: OrderBook, instrument: Instrument | undefined): BookView {
  const view = ([price, quantity]: Level): LevelView => [
    formatPrice(instrument, BigInt(price)),
    quantity === 0 ? '0' : formatQuantity(instrument, BigInt(quantity)),
  ];
  return { bids: bids.map(view), asks: asks.map(view) };
}

const checkedLevels = 10;

/** CRC-32 (IEEE), unsigned, of the best ten levels as text: asks, then bids, each `price:quantity`, joined by `|`. */
export function checksumOf({ bids, asks }: BookView): number {
  const best = [...asks.slice(0, checkedLevels), ...bids.slice(0, checkedLevels)];
  return crc32(best.map(([price, quantity]) => `${price}:${quantity}`).join('|'));
}

type Order = (a: Level, b: Level) => number;
const highestFirst: Order = ([a], [b]) => b - a;
const lowestFirst: Order = ([a], [b]) => a - b;

function sideChanges(before: readonly Level[], after: readonly Level[], order: Order): readonly Level[] {
  const changes: Level[] = [];
  let at = 0;
  for (const level of after) {
    for (; at < before.length && order(before[at]!, level) < 0; at += 1) changes.push([before[at]![0], 0]);
    const old = before[at];
    if (old?.[0] === level[0]) at += 1;
    if (old?.[0] !== level[0] || old[1] !== level[1]) changes.push(level);
  }
  for (; at < before.length; at += 1) changes.push([before[at]![0], 0]);
  return changes;
}

function changedSide(side: readonly Level[], changes: readonly Level[], order: Order): readonly Level[] {
  if (changes.length === 0) return side;
  const result: Level[] = [];
  let at = 0;
  for (const level of [...new Map(changes)].toSorted(order)) {
    for (; at < side.length && order(side[at]!, level) < 0; at += 1) result.push(side[at]!);
    if (side[at]?.[0] === level[0]) at += 1;
    if (level[1] !== 0) result.push(level);
  }
  for (; at < side.length; at += 1) result.push(side[at]!);
  return result;
}

function isSideSound(side: readonly Level[], order: Order): boolean {
  return side.every(
    (level, at) => isPrice(level[0]) && isPrice(level[1]) && (at === 0 || order(side[at - 1]!, level) < 0),
  );
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @param text of characters below 128 */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) crc = (crc >>> 8) ^ crcTable[(crc ^ text.charCodeAt(at)) & 255]!;
  return (crc ^ 0xffffffff) >>> 0;
}
