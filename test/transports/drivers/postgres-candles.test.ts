import { expect, test } from 'vitest';
import type { KeptCandle } from '../../../actors/candle-keeper.ts';
import type { Candle } from '../../../actors/market/candle.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { loadCandles, pruneCandles, saveCandles } from '../../../transports/drivers/postgres-candles.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
const minute = 60_000_000;
const start = Date.parse('2026-11-24T08:00:00Z') * 1_000;
const series = { symbol: 'BTCUSD', interval: '1m' } as const;

const candle = (at: number, change: Partial<Candle> = {}): Candle => ({
  ...{ openMicros: start + at * minute, open: 6_500_000_000_001, high: 6_600_000_000_000, low: 1 },
  ...{ close: 108_000_000, ticks: 5, isComplete: true, ...change },
});
const kept = (at: number, change: Partial<Candle> = {}): KeptCandle => ({ ...series, candle: candle(at, change) });
const minutes = async (database: Database, range: object = {}): Promise<number[]> => {
  const candles = await loadCandles(database, { ...series, limit: 100, ...range });
  return candles.map(({ openMicros }) => (openMicros - start) / minute);
};

test('candles come back as they were, to the last digit, each series for itself', async () => {
  const database = await postgres.platformDatabase();
  const far = candle(2, { high: Number.MAX_SAFE_INTEGER, isComplete: false, openMicros: start + 2 * minute + 1 });
  await saveCandles(database, [
    kept(0),
    kept(1, { close: 7 }),
    { ...series, candle: far },
    { symbol: 'ETHUSD', interval: '1m', candle: candle(0, { close: 9 }) },
    { symbol: 'BTCUSD', interval: '1h', candle: candle(0, { close: 10 }) },
  ]);
  expect(await loadCandles(database, { ...series, limit: 10 })).toEqual([candle(0), candle(1, { close: 7 }), far]);
  const hours = await loadCandles(database, { ...series, interval: '1h', limit: 10 });
  expect(hours.map(({ close }) => close)).toEqual([10]);
  const { rows } = await database.query<{ open: string; close: string }>(
    `select open::text, close::text from platform.candle where symbol = 'BTCUSD' order by interval desc, open_at limit 1`,
  );
  expect(rows).toEqual([{ open: '65000.000000010000000000', close: '1.080000000000000000' }]);
});

test('the newest of a range are given, oldest first: from its start on, and before its end', async () => {
  const database = await postgres.platformDatabase();
  await saveCandles(
    database,
    [4, 1, 3, 0, 2].map((at) => kept(at)),
  );
  expect(await minutes(database)).toEqual([0, 1, 2, 3, 4]);
  expect(await minutes(database, { limit: 2 })).toEqual([3, 4]);
  expect(await minutes(database, { fromMicros: start + minute, toMicros: start + 3 * minute })).toEqual([1, 2]);
  expect(await minutes(database, { fromMicros: start + minute + 1 })).toEqual([2, 3, 4]);
  expect(await minutes(database, { toMicros: start + 2 * minute, limit: 1 })).toEqual([1]);
  expect(await minutes(database, { toMicros: start })).toEqual([]);
});

test('of two candles for one time the complete one stays, then the one with more ticks', async () => {
  const database = await postgres.platformDatabase();
  const closeAfter = async (change: Partial<Candle>): Promise<number> => {
    await saveCandles(database, [kept(0, change)]);
    return (await loadCandles(database, { ...series, limit: 1 }))[0]!.close;
  };
  expect(await closeAfter({ close: 1, ticks: 5, isComplete: false })).toBe(1);
  expect(await closeAfter({ close: 2, ticks: 4, isComplete: false })).toBe(1);
  expect(await closeAfter({ close: 3, ticks: 6, isComplete: false })).toBe(3);
  expect(await closeAfter({ close: 4, ticks: 2, isComplete: true })).toBe(4);
  expect(await closeAfter({ close: 5, ticks: 9, isComplete: false })).toBe(4);
  expect(await closeAfter({ close: 6, ticks: 2, isComplete: true })).toBe(4);
  expect(await closeAfter({ close: 7, ticks: 3, isComplete: true })).toBe(7);
});

test('candles past their time are deleted, the oldest first, as many as were asked for', async () => {
  const database = await postgres.platformDatabase();
  const other: KeptCandle = { ...kept(0), symbol: 'ETHUSD' };
  await saveCandles(database, [...[0, 1, 2, 3].map((at) => kept(at)), other]);
  const before = start + 3 * minute;
  expect(await pruneCandles(database, series, before, 2)).toBe(2);
  expect(await minutes(database)).toEqual([2, 3]);
  expect(await pruneCandles(database, series, before, 2)).toBe(1);
  expect(await pruneCandles(database, series, before, 2)).toBe(0);
  expect(await minutes(database)).toEqual([3]);
  expect(await loadCandles(database, { ...series, symbol: 'ETHUSD', limit: 5 })).toHaveLength(1);
});

test('nothing to write writes nothing, and no database is one that is unavailable', async () => {
  const database = await postgres.platformDatabase();
  await saveCandles(database, []);
  expect(await minutes(database)).toEqual([]);
  await database.close();
  await expect(minutes(database)).rejects.toThrow('the database is unavailable');
});
