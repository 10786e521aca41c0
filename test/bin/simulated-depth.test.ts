import { expect, test } from 'vitest';
import { LatestBoard } from '../../actors/market/latest.ts';
import type { BookUpdate } from '../../actors/market/order-book.ts';
import { simulatedQuote } from '../../actors/market/simulator.ts';
import type { TradingHours } from '../../actors/trading/account.ts';
import { tradedInstruments } from '../../bin/instruments.ts';
import { simulatedReference, simulatedSource } from '../../bin/simulated-source.ts';
import type { SourceHealth } from '../../actors/price-stream.ts';
import type { CandleUpdate } from '../../actors/market/candle.ts';
import { simulatedDepthSource } from '../../bin/simulated-depth.ts';
import { marketSubtree } from '../../bin/market.ts';
import { startStage } from '../support/stage.ts';

const start = Date.parse('2026-11-24T08:00:00Z') * 1_000;
const bitcoin = tradedInstruments().get('BTCUSD')!;

test('the book of a moment stands until the next tick, and its best levels are the quote', () => {
  const source = simulatedDepthSource(bitcoin, 1, undefined)!;
  let told = 0;
  for (let at = 0; at < 100; at += 1) {
    const nowMicros = start + at * source.periodMs * 1_000;
    const depth = source.poll(nowMicros);
    expect(source.poll(nowMicros)).toBeUndefined();
    if (!depth) continue;
    told += 1;
    expect(depth).toMatchObject({ timeMicros: simulatedQuote(bitcoin, 1, nowMicros).timeMicros });
    expect([depth.bids.length, depth.asks.length]).toEqual([20, 20]);
  }
  expect(told).toBeGreaterThan(25);
});

test('there is no book without depth, nor outside of trading hours', () => {
  expect(simulatedDepthSource(tradedInstruments().get('EURUSD')!, 1, undefined)).toBeUndefined();
  const closed: TradingHours = { isOpen: () => false, nextOpen: () => undefined, dayEnd: (micros) => micros };
  expect(simulatedDepthSource(bitcoin, 1, closed)!.poll(start)).toBeUndefined();
});

test('the market of the platform has a book where there is depth, and a keeper where there is a database', async () => {
  const rig = await startStage();
  const { test: system, stage } = rig;
  const watched = {
    ...{ candles: new LatestBoard<CandleUpdate>(), books: new LatestBoard<BookUpdate>() },
    sources: new LatestBoard<SourceHealth>(),
  };
  const candleStore = {
    ...{ isServing: () => false, save: async () => {}, load: async () => [], prune: async () => 0 },
  };
  const instruments = new Map(
    [...tradedInstruments()].filter(([symbol]) => symbol === 'BTCUSD' || symbol === 'XAUUSD'),
  );
  const subtree = marketSubtree(
    { ...stage, instruments, watched, candleStore },
    {
      prices: (symbol) => simulatedSource(instruments.get(symbol)!, 1, undefined),
      reference: (symbol) => simulatedReference(instruments.get(symbol)!, 1, undefined),
      depth: (symbol) => simulatedDepthSource(instruments.get(symbol)!, 1, undefined),
    },
  );
  await system.system.spawn('/', { ...subtree, id: 'other' });
  expect(system.system.list('/other').toSorted()).toEqual([
    '/other/BTCUSD',
    '/other/BTCUSD-book',
    '/other/XAUUSD',
    '/other/candle-keeper',
  ]);
  await system.advance(2_000);
  expect(watched.books.get('BTCUSD')).toMatchObject({ symbol: 'BTCUSD' });
  expect(watched.sources.get('BTCUSD')!.differenceShare).toBeLessThan(0.005);
  expect(watched.sources.get('XAUUSD')).toMatchObject({ gaps: 0, fault: undefined, differenceShare: undefined });
  expect(system.system.list('/market')).toEqual(['/market/EURUSD']);
});
