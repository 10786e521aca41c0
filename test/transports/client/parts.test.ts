import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Quote } from '../../../actors/market/quote.ts';
import { backoffMs } from '../../../transports/client/backoff.ts';
import { decodeRecords } from '../../../transports/client/binary.ts';
import { applied, checksumOf } from '../../../transports/client/book.ts';
import { refusalOf } from '../../../transports/client/close-codes.ts';
import { follow, followMarket } from '../../../transports/client/sequence.ts';
import type { LevelItem } from '../../../transports/client/wire.ts';
import { quoteRecord, quoteText } from '../../../transports/streams/quote-text.ts';
import { eurusd } from '../../support/instruments.ts';

const at = (epoch: string, sequence: number) => ({ epoch, sequence });

test.each([
  ['the first event of all can begin a channel', undefined, at('a', 1), 'next'],
  ['nothing else can', undefined, at('a', 2), 'gap'],
  ['the next number is the next event', at('a', 7), at('a', 8), 'next'],
  ['the same again is no event', at('a', 7), at('a', 7), 'seen'],
  ['an earlier one is no event', at('a', 7), at('a', 3), 'seen'],
  ['a number left out is a gap', at('a', 7), at('a', 9), 'gap'],
  ['another journal is a gap, whatever the number', at('a', 7), at('b', 8), 'gap'],
] as const)('account channels: %s', (_name, last, event, step) => {
  expect(follow(last, event)).toBe(step);
});

test.each([
  ['without a snapshot nothing is known', undefined, { sequence: 1 }, 'gap'],
  ['the next number is next', 7, { sequence: 8 }, 'next'],
  ['what is said to be left out is no gap', 7, { sequence: 11, skipped: 3 }, 'next'],
  ['what is left out in silence is one', 7, { sequence: 11 }, 'gap'],
  ['and so is more than was said', 7, { sequence: 11, skipped: 2 }, 'gap'],
  ['the same again is nothing new', 7, { sequence: 7 }, 'seen'],
] as const)('market channels: %s', (_name, last, frame, step) => {
  expect(followMarket(last, frame)).toBe(step);
});

test('a quote says the same as a record and as text', () => {
  const price = fc.integer({ min: 1, max: 9_000_000_000_000 });
  const quotes = fc.record({
    ...{ bid: price, ask: price, sequence: fc.nat(), timeMicros: fc.integer({ min: 0, max: 4_000_000_000_000_000 }) },
    fault: fc.constantFrom(undefined, 'stale' as const),
  });
  fc.assert(
    fc.property(fc.array(quotes, { minLength: 1, maxLength: 20 }), fc.nat({ max: 1_000 }), (many, skipped) => {
      const all = many.map(({ fault, ...rest }): Quote => ({ symbol: 'EURUSD', ...rest, ...(fault && { fault }) }));
      const records = Buffer.concat(all.map((quote) => quoteRecord(quote, 7, skipped)));
      const message = records.buffer.slice(records.byteOffset, records.byteOffset + records.length);
      const topics = new Map([[7, { channel: 'quotes:EURUSD', digits: 5 }]]);
      expect(decodeRecords(message, topics)).toEqual(
        all.map((quote) => JSON.parse(quoteText(quote, eurusd, skipped)) as object),
      );
    }),
  );
});

test('a record of a channel that was not agreed, or half of one, is refused', () => {
  expect(() => decodeRecords(new ArrayBuffer(39), new Map())).toThrow(RangeError);
  expect(() => decodeRecords(new Uint8Array(40).fill(1).buffer, new Map())).toThrow('topic 257');
});

describe('a book', () => {
  const level = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 9 }));
  const text = (levels: readonly (readonly [number, number])[]): LevelItem[] =>
    levels.map(([price, quantity]) => [(price / 100).toFixed(2), String(quantity)]);

  test('is kept by its changes, best prices first', () => {
    fc.assert(
      fc.property(fc.array(fc.array(level, { maxLength: 10 }), { maxLength: 10 }), (changes) => {
        const kept = changes.reduce((book, change) => applied(book, { bids: text(change), asks: text(change) }), {
          bids: [],
          asks: [],
        } as Parameters<typeof applied>[0]);
        const model = new Map<number, number>();
        for (const [price, quantity] of changes.flat()) model.set(price, quantity);
        const left = [...model].filter(([, quantity]) => quantity > 0).toSorted(([a], [b]) => a - b);
        expect(kept.asks).toEqual(text(left));
        expect(kept.bids).toEqual(text(left.toReversed()));
      }),
    );
  });

  test('has the CRC-32 of its ten best levels, asks first', () => {
    const bids = text(Array.from({ length: 12 }, (_, n) => [300 - n, n + 1] as const));
    const asks = text(Array.from({ length: 12 }, (_, n) => [301 + n, n + 1] as const));
    const joined = [...asks.slice(0, 10), ...bids.slice(0, 10)].map((one) => one.join(':')).join('|');
    expect(checksumOf({ bids, asks })).toBe(crc32(joined));
  });
});

test('the wait for the next try grows, is scattered, and keeps what the platform asked for', () => {
  expect([0, 1, 2, 10, 1_000].map((failures) => backoffMs(failures, 1))).toEqual([500, 1_000, 2_000, 15_000, 15_000]);
  expect(backoffMs(3, 0)).toBe(0);
  expect(backoffMs(0, 0.5, 5_000)).toBe(5_250);
});

test('the client comes back after the close codes of which the page says so', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/close-codes.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\d{4}) \|[^|]*\| (yes|no) \|/gm)].map(([, code, again]) => [
    Number(code),
    again,
  ]);
  expect(rows.length).toBeGreaterThan(7);
  // 1000 is what this client closes with itself.
  for (const [code, again] of rows.filter(([number]) => number !== 1000))
    expect([code, refusalOf(code as number) === undefined ? 'yes' : 'no']).toEqual([code, again]);
});
