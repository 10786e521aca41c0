import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applied,
  bookView,
  changesOf,
  checksumOf,
  emptyBook,
  isSound,
  topOf,
  type Level,
  type OrderBook,
} from '../../../actors/market/order-book.ts';
import { btcusd } from '../../support/instruments.ts';

const anySide = (from: number) =>
  fc
    .uniqueArray(fc.tuple(fc.integer({ min: from, max: from + 40 }), fc.integer({ min: 1, max: 4 })), {
      selector: ([price]) => price,
      maxLength: 30,
    })
    .map((levels) => levels as readonly Level[]);
/** Sound, with prices that often meet those of another. */
const anyBook = fc.tuple(anySide(1), anySide(100)).map(([bids, asks]): OrderBook => ({
  bids: bids.toSorted(([a], [b]) => b - a),
  asks: asks.toSorted(([a], [b]) => a - b),
}));

test('changes make of the book before them the one behind them, and every level among them was another', () => {
  fc.assert(
    fc.property(anyBook, anyBook, (before, after) => {
      const changes = changesOf(before, after);
      expect(applied(before, changes)).toEqual(after);
      const old = new Map([...before.bids, ...before.asks]);
      for (const [price, quantity] of [...changes.bids, ...changes.asks])
        expect(old.get(price) ?? 0).not.toBe(quantity);
    }),
    { numRuns: 1_000 },
  );
});

test('changes may come in any order, and more than once for a price', () => {
  fc.assert(
    fc.property(anyBook, anyBook, fc.infiniteStream(fc.nat()), (before, after, keys) => {
      const mixed = (side: readonly Level[]) => {
        const repeated: Level[] = side.map(([price]) => [price, 9]);
        const keyed = side.map((level) => [keys.next().value as number, level] as const);
        return [...repeated, ...keyed.toSorted(([a], [b]) => a - b).map(([, level]) => level)];
      };
      const { bids, asks } = changesOf(before, after);
      expect(applied(before, { bids: mixed(bids), asks: mixed(asks) })).toEqual(after);
    }),
    { numRuns: 300 },
  );
});

test('a level that is not there cannot be taken away', () => {
  const book: OrderBook = { bids: [[2, 1]], asks: [[4, 1]] };
  expect(applied(book, { bids: [[1, 0]], asks: [[5, 0]] })).toEqual(book);
  expect(changesOf(book, book)).toEqual(emptyBook);
});

describe('a book', () => {
  test.each<[boolean, string, OrderBook]>([
    [true, 'with both sides', { bids: [[2, 1]], asks: [[3, 1]] }],
    [true, 'with one side', { bids: [], asks: [[3, 1]] }],
    [true, 'with nothing', emptyBook],
    [false, 'whose best prices meet', { bids: [[3, 1]], asks: [[3, 1]] }],
    [false, 'that is crossed', { bids: [[4, 1]], asks: [[3, 1]] }],
    [
      false,
      'with bids in the wrong order',
      {
        bids: [
          [1, 1],
          [2, 1],
        ],
        asks: [],
      },
    ],
    [
      false,
      'with a price twice',
      {
        bids: [],
        asks: [
          [5, 1],
          [5, 2],
        ],
      },
    ],
    [false, 'with a quantity of zero', { bids: [[2, 0]], asks: [] }],
    [false, 'with a quantity below zero', { bids: [[2, -1]], asks: [] }],
    [false, 'with a quantity that is no number', { bids: [[2, Number.NaN]], asks: [] }],
    [false, 'with a price of zero', { bids: [[0, 1]], asks: [] }],
    [false, 'with a price that is not whole', { bids: [], asks: [[1.5, 1]] }],
  ])('is sound: %s, %s', (expected, _name, book) => {
    expect(isSound(book)).toBe(expected);
  });
});

test('the best levels are the first ones', () => {
  const book: OrderBook = {
    bids: [
      [3, 1],
      [2, 1],
    ],
    asks: [[4, 1]],
  };
  expect(topOf(book, 1)).toEqual({ bids: [[3, 1]], asks: [[4, 1]] });
  expect(topOf(book, 2)).toBe(book);
});

test('clients see decimal text, and a level that is gone as 0', () => {
  const book: OrderBook = { bids: [[6_500_000_000_000, 0]], asks: [[6_500_012_000_000, 15_000_000]] };
  expect(bookView(book, btcusd)).toEqual({ bids: [['65000.00', '0']], asks: [['65000.12', '0.15']] });
});

test('the checksum is the CRC-32 of the best ten levels, asks first', () => {
  expect(checksumOf({ bids: [['1.0', '2']], asks: [['1.1', '3']] })).toBe(crc32('1.1:3|1.0:2'));
  expect(checksumOf({ bids: [], asks: [] })).toBe(0);
  fc.assert(
    fc.property(anyBook, (book) => {
      const view = bookView(book, btcusd);
      const text = (levels: readonly (readonly [string, string])[]) =>
        levels.slice(0, 10).map((level) => level.join(':'));
      expect(checksumOf(view)).toBe(crc32([...text(view.asks), ...text(view.bids)].join('|')));
    }),
    { numRuns: 300 },
  );
});
