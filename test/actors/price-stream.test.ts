import { expect, test } from 'vitest';
import { priceStream, type PriceStreamMessage, type PriceStreamSpec, type Tick } from '../../actors/price-stream.ts';
import type { CandleUpdate } from '../../actors/market/candle.ts';
import { LatestBoard } from '../../actors/market/latest.ts';
import { QuoteBoard, type Quote } from '../../actors/market/quote.ts';
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

interface Rig {
  readonly test: TestSystem;
  readonly ref: ActorRef<PriceStreamMessage>;
  readonly board: QuoteBoard;
  readonly quotes: Quote[];
  tell(...ticks: Tick[]): Promise<void>;
  inspect(): unknown;
}

async function start(source?: PriceStreamSpec['source']): Promise<Rig> {
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const board = new QuoteBoard();
  const quotes: Quote[] = [];
  const ofSymbol: Quote[] = [];
  bus.subscribe('quotes', (quote) => void quotes.push(quote));
  bus.subscribe('quotes:EURUSD', (quote) => {
    expect(board.get('EURUSD')).toBe(quote);
    ofSymbol.push(quote);
    expect(ofSymbol).toEqual(quotes);
  });
  const behavior = priceStream({ symbol: 'EURUSD', board, bus, gapMs: 1_000, ...(source ? { source } : {}) });
  const system = await startTestSystem([worker('EURUSD', behavior)]);
  const ref = system.ref<PriceStreamMessage>('/EURUSD');
  return {
    ...{ test: system, ref, board, quotes },
    async tell(...ticks) {
      ref.tell({ type: 'ticks', ticks });
      await system.settle();
    },
    inspect: () => system.system.inspectActor('/EURUSD')?.state,
  };
}

const base = 1_800_000_000_000_000;
const tick = (atMs: number, bid = 108_000_000, ask = bid + 10_000): Tick => ({
  ...{ bid, ask, timeMicros: base + atMs * 1_000 },
});

test('each tick becomes a quote with the next number, on the board before anybody hears of it', async () => {
  const rig = await start();
  await rig.tell(tick(0, 1), tick(1, 2));
  await rig.tell(tick(1, 3));
  expect(rig.quotes.map(({ sequence, bid }) => [sequence, bid])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  expect(rig.inspect()).toEqual({
    sequence: 3,
    lastMicros: base + 1_000,
    ticks: 3,
    crossed: 0,
    gaps: 0,
    outOfOrder: 0,
    invalid: 0,
  });
});

test('a crossed quote is passed on and counted', async () => {
  const rig = await start();
  await rig.tell(tick(0, 10, 9), tick(1, 10, 10), tick(2, 10, 11));
  expect(rig.quotes).toHaveLength(3);
  expect(rig.inspect()).toMatchObject({ crossed: 1 });
});

test('a tick from the past is counted and goes no further', async () => {
  const rig = await start();
  await rig.tell(tick(10, 1), tick(9, 2), tick(11, 3));
  expect(rig.quotes.map(({ bid, sequence }) => [bid, sequence])).toEqual([
    [1, 1],
    [3, 2],
  ]);
  expect(rig.inspect()).toMatchObject({ ticks: 3, outOfOrder: 1 });
});

test.each([
  ['no number', Number.NaN],
  ['a fraction', 108_000_000.5],
  ['zero', 0],
  ['below zero', -1],
  ['beyond what is exact', 2 ** 53],
])('a price that is %s is counted and goes no further', async (_, price) => {
  const rig = await start();
  await rig.tell(tick(0, 1), tick(1, price, 2), tick(2, 2, price), tick(3, 3));
  expect(rig.quotes.map(({ bid, sequence }) => [bid, sequence])).toEqual([
    [1, 1],
    [3, 2],
  ]);
  expect(rig.inspect()).toMatchObject({ ticks: 4, invalid: 2 });
});

test.each([
  [1_000, 0],
  [1_001, 1],
])('a silence of %i ms makes %i gaps', async (silenceMs, gaps) => {
  const rig = await start();
  await rig.tell(tick(0), tick(silenceMs));
  expect(rig.inspect()).toMatchObject({ gaps });
});

test('candles are given by interval, the latest ones, the last still open', async () => {
  const rig = await start();
  await rig.tell(tick(0, 10), tick(30_000, 30), tick(59_000, 20), tick(60_000, 40), tick(120_000, 50));
  const minutes = await rig.ref.ask({ type: 'get-candles', interval: '1m', limit: 10 }, { timeoutMs: 1_000 });
  expect(minutes.map(({ open, high, low, close, ticks }) => [open, high, low, close, ticks])).toEqual([
    [10, 30, 10, 20, 3],
    [40, 40, 40, 40, 1],
    [50, 50, 50, 50, 1],
  ]);
  const last = await rig.ref.ask({ type: 'get-candles', interval: '1m', limit: 1 }, { timeoutMs: 1_000 });
  expect(last).toEqual(minutes.slice(-1));
  const hours = await rig.ref.ask({ type: 'get-candles', interval: '1h', limit: 10 }, { timeoutMs: 1_000 });
  expect(hours).toMatchObject([{ open: 10, high: 50, low: 10, close: 50, ticks: 5 }]);
});

test('a source is asked in turn, and has no new price now and then', async () => {
  const polled: number[] = [];
  const rig = await start({
    periodMs: 250,
    poll(nowMicros) {
      polled.push((nowMicros - base) / 1_000);
      return polled.length === 2 ? undefined : { bid: 1, ask: 2, timeMicros: nowMicros };
    },
  });
  for (let i = 0; i < 3; i++) await rig.test.advance(250);
  expect(polled).toEqual([250, 500, 750]);
  expect(rig.quotes.map(({ sequence }) => sequence)).toEqual([1, 2]);
});

test('after a crash numbers go on, and ticks from before the crash stay in the past', async () => {
  const rig = await start();
  await rig.tell(tick(0), tick(5));
  rig.ref.tell({ type: 'ticks' } as never);
  await rig.test.settle();
  await rig.tell(tick(4), tick(6));
  expect(rig.test.history()).toContain('restarted /EURUSD');
  expect(rig.quotes.map(({ sequence, timeMicros }) => [sequence, (timeMicros - base) / 1_000])).toEqual([
    [1, 0],
    [2, 5],
    [3, 6],
  ]);
});

/** A stream that somebody watches. */
async function watched() {
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const board = new QuoteBoard();
  const candles = new LatestBoard<CandleUpdate>();
  const told: CandleUpdate[] = [];
  const quotes: Quote[] = [];
  const alerts: string[] = [];
  bus.subscribe('candles:EURUSD:1m', (update) => void told.push(update));
  bus.subscribe('quotes:EURUSD', (quote) => void quotes.push(quote));
  bus.subscribe('alerts', ({ type }) => void alerts.push(type));
  const market = { isOpen: true };
  const behavior = priceStream({
    ...{ symbol: 'EURUSD', board, bus, gapMs: 1_000 },
    watched: { candles, staleAfterMs: 10_000, isOpen: () => market.isOpen },
  });
  const system = await startTestSystem([worker('EURUSD', behavior)]);
  const ref = system.ref<PriceStreamMessage>('/EURUSD');
  const tell = async (...ticks: Tick[]): Promise<void> => {
    ref.tell({ type: 'ticks', ticks });
    await system.settle();
  };
  return { system, ref, board, candles, told, quotes, alerts, market, tell };
}

test('candles are told at most four times a second, each one that ends once, and only what has changed', async () => {
  const { system, told, tell } = await watched();
  await tell(tick(0), tick(10, 108_000_100), tick(20, 108_000_050));
  expect(told).toEqual([]);
  await system.advance(250);
  await system.advance(1_000);
  expect(told).toMatchObject([{ sequence: 1, completed: [], series: { current: { ticks: 3, close: 108_000_050 } } }]);
  await tell(tick(60_000), tick(120_000));
  await system.advance(250);
  expect(told.slice(1)).toMatchObject([{ sequence: 2, completed: [{ ticks: 3 }, { ticks: 1 }] }]);
});

test('the numbers of candles go on after a crash', async () => {
  const { system, ref, told, tell } = await watched();
  await tell(tick(0));
  await system.advance(250);
  ref.tell({ type: 'ticks', ticks: undefined } as never);
  await system.settle();
  await system.advance(1_000);
  expect(system.history()).toContain('restarted /EURUSD');
  await tell(tick(1_000));
  await system.advance(250);
  expect(told.map(({ sequence }) => sequence)).toEqual([1, 2]);
});

test('a source that falls silent while the market is open is said to be stale, once, until it speaks again', async () => {
  const { system, board, quotes, alerts, tell } = await watched();
  await tell(tick(0));
  await system.advance(10_250);
  await system.advance(60_000);
  expect(quotes.map(({ sequence, fault }) => [sequence, fault])).toEqual([
    [1, undefined],
    [2, 'stale'],
  ]);
  expect(board.get('EURUSD')).toMatchObject({ bid: 108_000_000, timeMicros: base, fault: 'stale' });
  await tell(tick(70_500));
  expect(quotes.at(-1)).toMatchObject({ sequence: 3 });
  expect(quotes.at(-1)).not.toHaveProperty('fault');
  expect(alerts).toEqual(['source-stale', 'source-recovered']);
});

test('silence while the market is closed is no fault', async () => {
  const { system, quotes, market, tell } = await watched();
  await tell(tick(0));
  market.isOpen = false;
  await system.advance(60_000);
  expect(quotes).toHaveLength(1);
});
