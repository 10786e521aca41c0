import { expect, test } from 'vitest';
import {
  priceStream,
  type PriceStreamMessage,
  type PriceStreamSpec,
  type SourceHealth,
  type Tick,
} from '../../actors/price-stream.ts';
import {
  applyPart,
  emptySeries,
  type Candle,
  type CandleInterval,
  type CandleUpdate,
} from '../../actors/market/candle.ts';
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
    symbol: 'EURUSD',
    fault: undefined,
    differenceShare: undefined,
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
  const sources = new LatestBoard<SourceHealth>();
  const told: CandleUpdate[] = [];
  const quotes: Quote[] = [];
  const alerts: string[] = [];
  bus.subscribe('candles:EURUSD:1m', (update) => void told.push(update));
  bus.subscribe('quotes:EURUSD', (quote) => void quotes.push(quote));
  bus.subscribe('alerts', ({ type }) => void alerts.push(type));
  const market = { isOpen: true };
  const behavior = priceStream({
    ...{ symbol: 'EURUSD', board, bus, gapMs: 1_000 },
    watched: {
      ...{ candles, sources, staleAfterMs: 10_000, isOpen: () => market.isOpen },
      divergence: { maxShare: 0.01, afterMs: 2_000 },
    },
  });
  const system = await startTestSystem([worker('EURUSD', behavior)]);
  const ref = system.ref<PriceStreamMessage>('/EURUSD');
  const tell = async (...ticks: Tick[]): Promise<void> => {
    ref.tell({ type: 'ticks', ticks });
    await system.settle();
  };
  return { system, ref, board, candles, sources, told, quotes, alerts, market, tell };
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

test('a candle ends by the clock a second after its time, and a tick that comes later is in none', async () => {
  const { system, told, ref, tell } = await watched();
  await tell(tick(59_900));
  await system.advance(60_999);
  expect(told.flatMap(({ completed }) => completed)).toEqual([]);
  await system.advance(251);
  expect(told.at(-1)).toMatchObject({ completed: [{ openMicros: base, ticks: 1 }] });
  expect(told.at(-1)?.series.current).toBeUndefined();
  await tell(tick(59_950, 200), tick(60_300, 300));
  const minutes = await ref.ask({ type: 'get-candles', interval: '1m', limit: 9 }, { timeoutMs: 1_000 });
  expect(minutes.map(({ close, ticks }) => [close, ticks])).toEqual([
    [108_000_000, 1],
    [300, 1],
  ]);
});

test('a candle is complete when its source was heard from its start on', async () => {
  const { system, ref, market, tell } = await watched();
  const complete = async (interval: CandleInterval): Promise<(number | boolean)[][]> => {
    const candles = await ref.ask({ type: 'get-candles', interval, limit: 99 }, { timeoutMs: 1_000 });
    return candles.map(({ openMicros, isComplete }) => [(openMicros - base) / 1e6, isComplete]);
  };
  // The stream starts at 0; it is silent from 4 to 6.3.
  await tell(tick(200), tick(1_100), tick(2_100), tick(3_100), tick(4_000));
  await tell(tick(6_300), tick(7_100));
  expect(await complete('1s')).toEqual([
    [0, true],
    [1, true],
    [2, true],
    [3, true],
    [4, false],
    [6, false],
    [7, true],
  ]);
  expect(await complete('5s')).toEqual([
    [0, false],
    [5, false],
  ]);
  // No gap: the market has been closed.
  market.isOpen = false;
  await tell(tick(60_000), tick(60_800));
  expect((await complete('1m')).at(-1)).toEqual([60, true]);
  await system.advance(100_500);
  ref.tell({ type: 'ticks', ticks: undefined } as never);
  await system.settle();
  await tell(tick(100_600), tick(101_100));
  expect(await complete('1s')).toEqual([
    [100, false],
    [101, true],
  ]);
});

test('what the source knows of the past stands before what was heard, and fills up the first candle', async () => {
  const day = 86_400_000_000;
  const today: Candle = {
    ...{ openMicros: base - (base % day), open: 4, high: 7, low: 3, close: 5, ticks: 60, isComplete: false },
  };
  const asked: CandleInterval[] = [];
  const rig = await start({
    ...{ periodMs: 60_000, poll: () => undefined },
    history(interval) {
      asked.push(interval);
      const past = applyPart(emptySeries(interval), { ...today, openMicros: today.openMicros - day }, Infinity);
      return applyPart(past, today, Infinity);
    },
  });
  await rig.tell(tick(1_000, 6, 7), tick(2_000, 8, 9));
  const ask = () => rig.ref.ask({ type: 'get-candles', interval: '1d', limit: 9 }, { timeoutMs: 1_000 });
  const days = [
    [today.openMicros - day, 4, 7, 3, 5, 60],
    [today.openMicros, 4, 8, 3, 8, 60],
  ];
  for (let times = 0; times < 2; times++) {
    const found = await ask();
    expect(found.map((one) => [one.openMicros, one.open, one.high, one.low, one.close, one.ticks])).toEqual(days);
  }
  expect(asked).toEqual(['1d']);
});

test('two sources that differ for too long are both doubted, on every quote, until they agree again', async () => {
  const { system, ref, board, sources, quotes, alerts, tell } = await watched();
  const reference = (atMs: number, bid: number): void => void ref.tell({ type: 'reference', tick: tick(atMs, bid) });
  const faults = () => quotes.map(({ bid, fault }) => [bid, fault]);
  await tell(tick(0, 102_000_000));
  reference(0, 100_000_000);
  for (let atMs = 0; atMs < 2_000; atMs += 250) await system.advance(250);
  expect(faults()).toEqual([[102_000_000, undefined]]);
  expect(sources.get('EURUSD')).toMatchObject({ fault: undefined, differenceShare: expect.closeTo(0.02, 4) });
  await system.advance(250);
  expect(board.get('EURUSD')).toMatchObject({ bid: 102_000_000, sequence: 2, fault: 'diverged' });
  await tell(tick(2_300, 102_000_001));
  expect(alerts).toEqual(['source-diverged']);
  // Nearer than the limit, and not near enough.
  await tell(tick(2_400, 100_600_000));
  await system.advance(250);
  await tell(tick(2_600, 100_400_000));
  await system.advance(250);
  await tell(tick(3_000, 100_400_001));
  expect(faults().slice(2)).toEqual([
    [102_000_001, 'diverged'],
    [100_600_000, 'diverged'],
    [100_400_000, 'diverged'],
    [100_400_000, undefined],
    [100_400_001, undefined],
  ]);
  expect(quotes.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(alerts).toEqual(['source-diverged', 'source-recovered']);
});

test('a second source that falls silent is compared with nothing', async () => {
  const { system, ref, sources, alerts, tell } = await watched();
  ref.tell({ type: 'reference', tick: tick(0, 100_000_000) });
  for (let atMs = 0; atMs <= 15_000; atMs += 1_000) {
    await tell(tick(atMs, 102_000_000));
    await system.advance(1_000);
  }
  expect(alerts).toEqual(['source-diverged', 'source-recovered']);
  expect(sources.get('EURUSD')).toMatchObject({ fault: undefined, differenceShare: undefined });
});
