/** One an instrument and source: the latest quote, its number, candles, and what is wrong with the source. */
import type { Behavior } from '../runtime/actor.ts';
import type { EventBus } from '../runtime/event-bus.ts';
import type { Asks } from '../runtime/ref.ts';
import {
  applyTick,
  candleIntervals,
  candlesOf,
  emptySeries,
  seriesKey,
  type Candle,
  type CandleInterval,
  type CandleSeries,
  type CandleUpdate,
} from './market/candle.ts';
import type { LatestBoard } from './market/latest.ts';
import { isCrossed, isPrice, isStale, type Quote, type QuoteBoard } from './market/quote.ts';
import type { PlatformTopics } from './trading/topics.ts';

/** A price as its source gives it; prices scaled by 10^8. */
export interface Tick {
  readonly bid: number;
  readonly ask: number;
  readonly timeMicros: number;
}

export type PriceStreamMessage =
  | { readonly type: 'ticks'; readonly ticks: readonly Tick[] }
  | { readonly type: 'poll' }
  | { readonly type: 'watch' }
  | ({ readonly type: 'get-candles'; readonly interval: CandleInterval; readonly limit: number } & Asks<
      readonly Candle[]
    >);

export interface PriceSource {
  readonly periodMs: number;
  poll(nowMicros: number): Tick | undefined;
  /** What the candles would be, had the stream been running all along; absent where the source does not know its past. */
  history?(interval: CandleInterval, nowMicros: number): CandleSeries;
}

export interface PriceStreamSpec {
  readonly symbol: string;
  readonly board: QuoteBoard;
  readonly bus: EventBus<PlatformTopics>;
  /** A source that is asked in turn; absent where ticks are told. Undefined: no new price. */
  readonly source?: PriceSource;
  /** A silence longer than this within a session counts as a gap. */
  readonly gapMs: number;
  /** For those who watch: candles as they become, and that the source is silent. Absent where nobody does. */
  readonly watched?: {
    readonly candles: LatestBoard<CandleUpdate>;
    /** A silence longer than this while the market is open is a fault of the source. */
    readonly staleAfterMs: number;
    isOpen(nowMicros: number): boolean;
  };
}

/** How often those who watch are told what has changed. */
const watchMs = 250;

interface Stream {
  readonly last: Quote | undefined;
  readonly candles: readonly CandleSeries[];
  /** Intervals whose candles reach back beyond the start of this incarnation; they do so once somebody has asked for them. */
  readonly withHistory: readonly CandleInterval[];
  readonly counts: {
    readonly ticks: number;
    readonly crossed: number;
    readonly gaps: number;
    readonly outOfOrder: number;
    /** No prices: a fault of the source that goes no further. */
    readonly invalid: number;
  };
}

export function pricePath(symbol: string): string {
  return `/market/${symbol}`;
}

export function priceStream(spec: PriceStreamSpec): Behavior<Stream, PriceStreamMessage> {
  const topic = `quotes:${spec.symbol}` as const;

  function onTick(stream: Stream, tick: Tick): Stream {
    const { last } = stream;
    const counts = { ...stream.counts, ticks: stream.counts.ticks + 1 };
    // A price from the past is worth less than the one we have: it is counted and goes no further.
    if (last && tick.timeMicros < last.timeMicros)
      return { ...stream, counts: { ...counts, outOfOrder: counts.outOfOrder + 1 } };
    const { bid, ask, timeMicros } = tick;
    if (!isPrice(bid) || !isPrice(ask) || !Number.isSafeInteger(timeMicros))
      return { ...stream, counts: { ...counts, invalid: counts.invalid + 1 } };
    const quote: Quote = { symbol: spec.symbol, bid, ask, timeMicros, sequence: (last?.sequence ?? 0) + 1 };
    const crossed = isCrossed(quote);
    if (last?.fault) alert('source-recovered', timeMicros, 'prices come again');
    spec.board.set(quote);
    spec.bus.publish('quotes', quote);
    spec.bus.publish(topic, quote);
    return {
      ...stream,
      last: quote,
      candles: stream.candles.map((series) => applyTick(series, quote)),
      counts: {
        ...counts,
        crossed: counts.crossed + (crossed ? 1 : 0),
        gaps: counts.gaps + (last && tick.timeMicros - last.timeMicros > spec.gapMs * 1000 ? 1 : 0),
      },
    };
  }

  function alert(type: 'source-stale' | 'source-recovered', timeMicros: number, text: string): void {
    const { symbol } = spec;
    spec.bus.publish('alerts', { tenantId: undefined, timeMicros, severity: 'warning', type, subject: symbol, text });
  }

  /** A price that is too old is said again, with the next number, as what it is. */
  function noticeSilence(stream: Stream, nowMicros: number, staleAfterMs: number): Stream {
    const { last } = stream;
    if (!last || last.fault || !isStale(last, nowMicros, staleAfterMs)) return stream;
    const stale: Quote = { ...last, sequence: last.sequence + 1, fault: 'stale' };
    spec.board.set(stale);
    spec.bus.publish(topic, stale);
    alert('source-stale', nowMicros, `no price for more than ${staleAfterMs} ms`);
    return { ...stream, last: stale };
  }

  /** What was told is on the board, so nothing is told twice, and the numbers go on after a crash. */
  function tellCandles({ candles }: Stream, board: LatestBoard<CandleUpdate>): void {
    for (const series of candles) {
      const { interval, closed, current } = series;
      const key = seriesKey(spec.symbol, interval);
      const told = board.get(key);
      if (told?.series === series || !current) continue;
      const completed = told?.series.current
        ? closed.filter(({ openMicros }) => openMicros >= told.series.current!.openMicros)
        : [];
      const update = { symbol: spec.symbol, interval, sequence: (told?.sequence ?? 0) + 1, series, completed };
      board.set(key, update);
      spec.bus.publish(`candles:${key}`, update);
    }
  }

  /** The past is looked up for those who ask: nobody waits for it at the start. */
  function reachBack(stream: Stream, interval: CandleInterval, nowMicros: number): Stream {
    if (!spec.source?.history || stream.withHistory.includes(interval)) return stream;
    const past = spec.source.history(interval, nowMicros);
    const candles = stream.candles.map((series) => (series.interval === interval ? past : series));
    return { ...stream, candles, withHistory: [...stream.withHistory, interval] };
  }

  return {
    start(context) {
      if (spec.source) context.every(spec.source.periodMs, { type: 'poll' });
      if (spec.watched) context.every(watchMs, { type: 'watch' });
      // Numbers go on after a crash: the epoch that clients compare them under is the process's.
      const last = spec.board.get(spec.symbol);
      return {
        last,
        candles: candleIntervals.map(emptySeries),
        withHistory: [],
        counts: { ticks: 0, crossed: 0, gaps: 0, outOfOrder: 0, invalid: 0 },
      };
    },

    receive(stream, message, context) {
      switch (message.type) {
        case 'ticks':
          return message.ticks.reduce(onTick, stream);
        case 'poll': {
          const tick = spec.source?.poll(context.clock.wallMicros());
          return tick ? onTick(stream, tick) : stream;
        }
        case 'watch': {
          const { watched } = spec;
          if (!watched) return stream;
          tellCandles(stream, watched.candles);
          const nowMicros = context.clock.wallMicros();
          return watched.isOpen(nowMicros) ? noticeSilence(stream, nowMicros, watched.staleAfterMs) : stream;
        }
        case 'get-candles': {
          const reached = reachBack(stream, message.interval, context.clock.wallMicros());
          context.reply(latest(reached.candles, message.interval).slice(-message.limit));
          return reached;
        }
      }
    },

    inspect: ({ last, counts }) => ({ sequence: last?.sequence ?? 0, lastMicros: last?.timeMicros, ...counts }),
  };
}

function latest(candles: readonly CandleSeries[], interval: CandleInterval): readonly Candle[] {
  const series = candles.find((one) => one.interval === interval);
  return series ? candlesOf(series) : [];
}
