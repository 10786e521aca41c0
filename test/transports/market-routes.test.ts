/** Market data over HTTP: order books, and candles of the past. */
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { CandleRange } from '../../actors/candle-keeper.ts';
import type { Candle } from '../../actors/market/candle.ts';
import { emptyBook } from '../../actors/market/order-book.ts';
import { DatabaseUnavailable } from '../../transports/drivers/postgres.ts';
import { tradingGateway } from '../../transports/gateways/trading.ts';
import { fixture } from './support/fixture.ts';

const minute = 60_000_000;
const start = Date.parse('2026-11-24T08:00:00Z') * 1_000;
const candle = (at: number): Candle => ({
  ...{ openMicros: start + at * minute, open: 108_000_000, high: 108_000_000, low: 108_000_000, close: 108_000_000 },
  ...{ ticks: at + 1, isComplete: true },
});

interface Body {
  readonly code?: string;
  readonly errors?: readonly { readonly path: string }[];
  readonly items: readonly { readonly time: string; readonly ticks: number }[];
  readonly nextCursor?: string;
}

async function started() {
  const platform = fixture();
  const { url } = await platform.start(tradingGateway);
  const asked: CandleRange[] = [];
  const kept = [0, 1, 2, 3, 4].map(candle);
  const failure: { error?: Error } = {};
  const keeper = {
    path: '/market/candle-keeper',
    tell: () => 'queued',
    async ask({ range }: { range: CandleRange }) {
      if (failure.error) throw failure.error;
      asked.push(range);
      const { fromMicros = 0, toMicros = Infinity, limit } = range;
      return kept.filter(({ openMicros: at }) => at >= fromMicros && at < toMicros).slice(-limit);
    },
  };
  platform.actors.set(keeper.path, keeper as never);
  const get = async (path: string): Promise<{ status: number; json: Body }> => {
    const response = await fetch(`${url}/api/v1${path}`, {
      headers: { authorization: `Bearer ${platform.keys.trader}` },
    });
    return { status: response.status, json: (await response.json()) as Body };
  };
  return { ...platform, get, asked, failure };
}

test('kept candles come in pages, the newest page first, each oldest first', async () => {
  const { get } = await started();
  const ticks: number[][] = [];
  let cursor: string | undefined = '';
  while (cursor !== undefined) {
    const query: string = cursor === '' ? 'to=2026-11-24T09:00:00Z' : `cursor=${cursor}`;
    const { status, json } = await get(`/candles/EURUSD?interval=1m&limit=2&${query}`);
    expect(status).toBe(200);
    ticks.push(json.items.map((item) => item.ticks));
    cursor = json.nextCursor;
  }
  expect(ticks).toEqual([[4, 5], [2, 3], [1]]);
});

test('a range of time begins with its start and ends before its end, also over pages', async () => {
  const { get, asked } = await started();
  const range = 'from=2026-11-24T08:01:00Z&to=2026-11-24T08:04:00.000001Z';
  const { json } = await get(`/candles/EURUSD?interval=1m&limit=3&${range}`);
  expect(json).toMatchObject({ symbol: 'EURUSD', interval: '1m' });
  expect(json.items.map((item) => item.ticks)).toEqual([3, 4, 5]);
  expect(json.items[0]).toMatchObject({ time: '2026-11-24T08:02:00.000000Z', open: '1.08000' });
  expect((await get(`/candles/EURUSD?limit=3&${range}&cursor=${json.nextCursor}`)).json.items).toHaveLength(1);
  expect(asked).toEqual([
    { ...{ symbol: 'EURUSD', interval: '1m', limit: 4, fromMicros: start + minute }, toMicros: start + 4 * minute + 1 },
    { ...{ symbol: 'EURUSD', interval: '1m', limit: 4, fromMicros: start + minute }, toMicros: start + 2 * minute },
  ]);
});

test('a start alone, after which nothing was kept, gives an empty page that is the last', async () => {
  const { get } = await started();
  expect((await get('/candles/EURUSD?from=2027-01-01T00:00:00Z')).json).toEqual({
    ...{ symbol: 'EURUSD', interval: '1m', items: [] },
  });
});

test.each([
  ['from=yesterday', 'from'],
  ['to=2026-11-24', 'to'],
  ['limit=501&from=2026-11-24T08:00:00Z', 'limit'],
  ['cursor=abc', 'cursor'],
  [`cursor=${Buffer.from('["s",1,1]').toString('base64url')}`, 'cursor'],
  [`cursor=${Buffer.from('["c",1,"EURUSD:1h"]').toString('base64url')}`, 'cursor'],
])('candles with %s are refused', async (query, path) => {
  const { get } = await started();
  const { status, json } = await get(`/candles/EURUSD?${query}`);
  expect([status, json.code, json.errors?.[0]?.path]).toEqual([400, 'VALIDATION_FAILED', path]);
});

test('candles of what is not traded are not found; without a database they are said to be unavailable', async () => {
  const { get, failure, actors } = await started();
  expect((await get('/candles/GBPUSD?from=2026-11-24T08:00:00Z')).status).toBe(404);
  failure.error = new DatabaseUnavailable(new Error('gone'));
  expect(await get('/candles/EURUSD?from=2026-11-24T08:00:00Z')).toMatchObject({
    ...{ status: 503, json: { code: 'NOT_READY' } },
  });
  actors.delete('/market/candle-keeper');
  expect((await get('/candles/EURUSD?from=2026-11-24T08:00:00Z')).json.code).toBe('NOT_READY');
});

test('an order book is given with what it takes to go on from it on the stream', async () => {
  const { get, services } = await started();
  const book = { bids: [[108_012_000, 15_000_000] as const], asks: [[108_014_000, 100_000_000] as const] };
  services.books.set('EURUSD', { symbol: 'EURUSD', sequence: 7, timeMicros: start, book, changes: emptyBook });
  expect((await get('/books/EURUSD')).json).toEqual({
    ...{ symbol: 'EURUSD', bids: [['1.08012', '0.15']], asks: [['1.08014', '1.00']] },
    ...{ time: '2026-11-24T08:00:00.000000Z', checksum: crc32('1.08014:1.00|1.08012:0.15') },
    ...{ epoch: 'epoch-EURUSD', sequence: 7 },
  });
  expect(await get('/books/USDJPY')).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
});
