/** Market channels that everybody sees alike: quotes, candles, order books. The actors that make them keep the newest on boards. */
import {
  candlesOf,
  candleView,
  mergedCandles,
  seriesKey,
  type Candle,
  type CandleInterval,
  type CandleUpdate,
} from '../../actors/market/candle.ts';
import type { Quote } from '../../actors/market/quote.ts';
import type { Instrument } from '../../actors/trading/instrument.ts';
import { latestCandles } from '../candles.ts';
import type { Services } from '../services.ts';
import { quoteRecord, quoteText, quoteView } from './quote-text.ts';
import type { OpenSource, Step } from './topic.ts';

export type MarketServices = Pick<
  Services,
  'bus' | 'quotes' | 'candles' | 'books' | 'marketEpoch' | 'directory' | 'log'
>;

export function quoteSource(services: MarketServices, instrument: Instrument): OpenSource {
  const { symbol, digits } = instrument;
  const stepOf = (quote: Quote, skipped: number): Step => ({
    sequence: quote.sequence,
    text: () => quoteText(quote, instrument, skipped),
    record: (topicNumber) => quoteRecord(quote, topicNumber, skipped),
  });
  return (publish) => ({
    epoch: services.marketEpoch(symbol),
    recordTerms: { digits },
    get sequence() {
      return services.quotes.get(symbol)?.sequence ?? 0;
    },
    snapshot() {
      const quote = services.quotes.get(symbol);
      return quote ? quoteView(quote, instrument) : null;
    },
    newest: (skipped) => stepOf(services.quotes.get(symbol)!, skipped),
    close: services.bus.subscribe(`quotes:${symbol}`, (quote) => publish(stepOf(quote, 0))),
  });
}

/** Candles that a snapshot holds. */
const snapshotCandles = 100;
/** For the past to be looked up; then the snapshot is without it. */
const pastWithinMs = 5_000;
/** Complete candles that go with the newest one to who has missed some: who has missed more subscribes anew. */
const repeatedCandles = 10;

export function candleSource(services: MarketServices, instrument: Instrument, interval: CandleInterval): OpenSource {
  const { symbol, digits } = instrument;
  const key = seriesKey(symbol, interval);
  const channel = `candles:${key}`;
  const view = (candle: Candle) => candleView(candle, digits);
  const newest = (): CandleUpdate | undefined => services.candles.get(key);
  const stepOf = ({ sequence, series }: CandleUpdate, completed: readonly Candle[], skipped: number): Step => ({
    sequence,
    text: () =>
      JSON.stringify({
        ...{ type: 'candle', channel, sequence, symbol, interval },
        candle: series.current ? view(series.current) : null,
        ...(completed.length > 0 && { completed: completed.map(view) }),
        ...(skipped > 0 && { skipped }),
      }),
  });
  let past: readonly Candle[] = [];
  async function lookUpPast(): Promise<void> {
    const question = { symbol, interval, limit: snapshotCandles };
    try {
      past = (await latestCandles(services, question, { timeoutMs: pastWithinMs })) ?? [];
    } catch (error) {
      services.log.warn({ err: error, channel }, 'the past of a series could not be looked up');
    }
  }
  return (publish) => ({
    epoch: services.marketEpoch(symbol),
    get sequence() {
      return newest()?.sequence ?? 0;
    },
    snapshot() {
      const update = newest();
      const live = update ? candlesOf(update.series) : [];
      return { symbol, interval, items: mergedCandles(past, live).slice(-snapshotCandles).map(view) };
    },
    newest(skipped) {
      const update = newest()!;
      return stepOf(update, update.series.closed.last(repeatedCandles), skipped);
    },
    ready: lookUpPast(),
    close: services.bus.subscribe(`candles:${key}`, (update) => publish(stepOf(update, update.completed, 0))),
  });
}
