/** An order book, kept up by its changes and checked against the platform's own. */
import type { BookLevels, LevelItem } from './wire.ts';

/** Compares decimal texts of equal digits behind the point, as prices of one symbol are. */
function isHigher(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

export function applied(book: BookLevels, changes: BookLevels): BookLevels {
  return {
    bids: side(book.bids, changes.bids, isHigher),
    asks: side(book.asks, changes.asks, (a, b) => isHigher(b, a)),
  };
}

/** @param comesFirst whether a price stands before another */
function side(
  levels: readonly LevelItem[],
  changes: readonly LevelItem[],
  comesFirst: (a: string, b: string) => boolean,
): readonly LevelItem[] {
  if (changes.length === 0) return levels;
  const byPrice = new Map(levels);
  for (const [price, quantity] of changes) {
    if (Number(quantity) === 0) byPrice.delete(price);
    else byPrice.set(price, quantity);
  }
  return [...byPrice].toSorted(([a], [b]) => (a === b ? 0 : comesFirst(a, b) ? -1 : 1));
}

const checkedLevels = 10;

/** CRC-32 (IEEE) over the ten best levels, asks then bids, each `price:quantity`, joined by `|`. */
export function checksumOf({ bids, asks }: BookLevels): number {
  const text = [...asks.slice(0, checkedLevels), ...bids.slice(0, checkedLevels)]
    .map(([price, quantity]) => `${price}:${quantity}`)
    .join('|');
  return crc32(text);
}

let table: Uint32Array | undefined;

function crc32(text: string): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  let crc = 0xffff_ffff;
  // The text is ASCII.
  for (let at = 0; at < text.length; at += 1) crc = (crc >>> 8) ^ table[(crc ^ text.charCodeAt(at)) & 0xff]!;
  return (crc ^ 0xffff_ffff) >>> 0;
}
