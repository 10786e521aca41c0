/** One an instrument and source: the latest quote, its number, candles, and what is wrong with the source. */
import type { Behavior } from '../runtime/actor.ts';
import type { EventBus } from '../runtime/event-bus.ts';
import type { Asks } from '../runtime/ref.ts';
import { climb, closedAt, emptyLadder, interrupted, seriesOf, type CandleLadder } from './market/candle-ladder.ts';
import {
  candleIntervals,
  candlesOf,
  mergedCandles,
  seriesKey,
  type Candle,
  type CandleInterval,
  type CandleSeries,
  type CandleUpdate,
} from './market/candle.ts';
import { compared, notCompared, type Comparison, type DivergenceLimits } from './market/divergence.ts';
import type { LatestBoard } from './market/latest.ts';
import { isCrossed, isPrice, isStale, type Quote, type QuoteBoard, type SourceFault } from './market/quote.ts';
import type { PlatformTopics } from './trading/topics.ts';

/** A price as its source gives it; prices scaled by 10^8. */
export interface Tick {
  readonly bid: number;
  readonly ask: number;
  readonly timeMicros: number;
}

export type PriceStreamMessage =
  | { readonly type: 'ticks'; readonly ticks: readonly Tick[] }
  /** Of the second source: never shown, only compared. */
  | { readonly type: 'reference'; readonly tick: Tick }
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
  /** A silence longer than this while the market is open counts as a gap. */
  readonly gapMs: number;
  /** For those who watch: candles as they become, and that the source is silent. Absent where nobody does. */
  readonly watched?: {
    readonly candles: LatestBoard<CandleUpdate>;
    readonly sources: LatestBoard<SourceHealth>;
    /** A silence longer than this while the market is open is a fault of the source. */
    readonly staleAfterMs: number;
    isOpen(nowMicros: number): boolean;
    /** Of the second source, asked in turn. Absent: it is told, or there is none. */
    readonly reference?: PriceSource;
    readonly divergence: Omit<DivergenceLimits, 'staleAfterMs'>;
  };
}

/** What is known of a source of prices, and what was wrong with it since the start. */
export interface SourceHealth extends SourceCounts {
  readonly symbol: string;
  /** Of the last quote, which `lastMicros` is the time of. */
  readonly sequence: number;
  readonly lastMicros: number | undefined;
  readonly fault: SourceFault | undefined;
  /** How far it is from the second source, as a share of the price; undefined without one. */
  readonly differenceShare: number | undefined;
}

export interface SourceCounts {
  readonly ticks: number;
  readonly crossed: number;
  /** Silences while the market was open. */
  readonly gaps: number;
  /** Prices from before the last one, which go no further. */
  readonly outOfOrder: number;
  /** No prices: a fault of the source that goes no further. */
  readonly invalid: number;
}

type Watched = NonNullable<PriceStreamSpec['watched']>;

/** How often those who watch are told what has changed. */
const watchMs = 250;

/** How late a tick may come to be counted in a candle whose time is over. */
const lateMicros = 1_000_000;

interface Stream {
  readonly last: Quote | undefined;
  readonly candles: CandleLadder;
  /** What the source knows of the time before this incarnation, by interval; looked up once somebody has asked for it. */
  readonly past: ReadonlyMap<CandleInterval, readonly Candle[]>;
  readonly counts: SourceCounts;
  readonly reference: Tick | undefined;
  readonly comparison: Comparison;
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
    const price = { symbol: spec.symbol, bid, ask, timeMicros, sequence: (last?.sequence ?? 0) + 1 };
    const quote: Quote = stream.comparison.isDiverged ? { ...price, fault: 'diverged' } : price;
    const crossed = isCrossed(quote);
    const isBehindGap = last !== undefined && isGap(last.timeMicros, timeMicros);
    if (last?.fault === 'stale') alert('source-recovered', timeMicros, 'prices come again');
    spec.board.set(quote);
    spec.bus.publish('quotes', quote);
    spec.bus.publish(topic, quote);
    return {
      ...stream,
      last: quote,
      candles: climb(isBehindGap ? interrupted(stream.candles, timeMicros) : stream.candles, quote),
      counts: {
        ...counts,
        crossed: counts.crossed + (crossed ? 1 : 0),
        gaps: counts.gaps + (isBehindGap ? 1 : 0),
      },
    };
  }

  /** A market that has only just opened has not been silent before. */
  function isGap(fromMicros: number, toMicros: number): boolean {
    const silentFrom = toMicros - spec.gapMs * 1000;
    return fromMicros < silentFrom && (spec.watched?.isOpen(silentFrom) ?? true);
  }

  type AlertType = 'source-stale' | 'source-diverged' | 'source-recovered';

  function alert(type: AlertType, timeMicros: number, text: string): void {
    const { symbol } = spec;
    spec.bus.publish('alerts', { tenantId: undefined, timeMicros, severity: 'warning', type, subject: symbol, text });
  }

  /** The last price is said again, with the next number, as what it is. */
  function sayAgain(stream: Stream, fault: SourceFault | undefined): Stream {
    if (!stream.last || stream.last.fault === fault) return stream;
    const { fault: _, ...price } = stream.last;
    const again: Quote = { ...price, sequence: price.sequence + 1, ...(fault && { fault }) };
    spec.board.set(again);
    spec.bus.publish(topic, again);
    return { ...stream, last: again };
  }

  function noticeSilence(stream: Stream, nowMicros: number, staleAfterMs: number): Stream {
    const { last } = stream;
    if (!last || last.fault === 'stale' || !isStale(last, nowMicros, staleAfterMs)) return stream;
    alert('source-stale', nowMicros, `no price for more than ${staleAfterMs} ms`);
    return sayAgain(stream, 'stale');
  }

  function compare(stream: Stream, nowMicros: number, limits: DivergenceLimits): Stream {
    const { last: own, reference, comparison } = stream;
    const next = compared(comparison, { own, reference }, nowMicros, limits);
    const changed = { ...stream, comparison: next };
    if (next.isDiverged === comparison.isDiverged) return changed;
    const percent = next.share === undefined ? 'not comparable any more' : `${(next.share * 100).toFixed(3)} % apart`;
    alert(next.isDiverged ? 'source-diverged' : 'source-recovered', nowMicros, `two sources are ${percent}`);
    return sayAgain(changed, next.isDiverged ? 'diverged' : undefined);
  }

  function watch(stream: Stream, watched: Watched, nowMicros: number): Stream {
    const ended = { ...stream, candles: closedAt(stream.candles, nowMicros - lateMicros) };
    tellCandles(ended, watched.candles);
    const { staleAfterMs, divergence } = watched;
    const polled = watched.reference?.poll(nowMicros);
    const asked = polled ? { ...ended, reference: polled } : ended;
    const judged = compare(asked, nowMicros, { ...divergence, staleAfterMs });
    const noticed = watched.isOpen(nowMicros) ? noticeSilence(judged, nowMicros, staleAfterMs) : judged;
    watched.sources.set(spec.symbol, healthOf(noticed));
    return noticed;
  }

  function healthOf({ last, counts, comparison }: Stream): SourceHealth {
    return {
      ...{ symbol: spec.symbol, sequence: last?.sequence ?? 0, lastMicros: last?.timeMicros, ...counts },
      ...{ fault: last?.fault, differenceShare: comparison.share },
    };
  }

  /** What was told is on the board, so nothing is told twice, and the numbers go on after a crash. */
  function tellCandles({ candles }: Stream, board: LatestBoard<CandleUpdate>): void {
    for (const interval of candleIntervals) {
      const series = seriesOf(candles, interval);
      const key = seriesKey(spec.symbol, interval);
      const told = board.get(key);
      const completed = endedSince(told?.series, series);
      // Empty after a crash: what was told is still the newest.
      const isNew = series.current && !isSameCandle(told?.series.current, series.current);
      if (completed.length === 0 && !isNew) continue;
      const update = { symbol: spec.symbol, interval, sequence: (told?.sequence ?? 0) + 1, series, completed };
      board.set(key, update);
      spec.bus.publish(`candles:${key}`, update);
    }
  }

  /** The past is looked up for those who ask: nobody waits for it at the start. */
  function reachBack(stream: Stream, interval: CandleInterval, nowMicros: number): Stream {
    if (!spec.source?.history || stream.past.has(interval)) return stream;
    const past = candlesOf(spec.source.history(interval, nowMicros));
    return { ...stream, past: new Map([...stream.past, [interval, past]]) };
  }

  return {
    start(context) {
      if (spec.source) context.every(spec.source.periodMs, { type: 'poll' });
      if (spec.watched) context.every(watchMs, { type: 'watch' });
      // Numbers go on after a crash: the epoch that clients compare them under is the process's.
      const last = spec.board.get(spec.symbol);
      return {
        last,
        candles: emptyLadder(context.clock.wallMicros()),
        past: new Map(),
        reference: undefined,
        comparison: notCompared,
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
        case 'reference':
          return { ...stream, reference: message.tick };
        case 'watch':
          return spec.watched ? watch(stream, spec.watched, context.clock.wallMicros()) : stream;
        case 'get-candles': {
          const { interval, limit } = message;
          const reached = reachBack(stream, interval, context.clock.wallMicros());
          const live = candlesOf(seriesOf(reached.candles, interval));
          context.reply(mergedCandles(reached.past.get(interval) ?? [], live).slice(-limit));
          return reached;
        }
      }
    },

    inspect: healthOf,
  };
}

/** What has ended since a series was told. */
function endedSince(told: CandleSeries | undefined, { closed }: CandleSeries): readonly Candle[] {
  const lastMicros = told?.closed.newest?.openMicros ?? -Infinity;
  return (closed.newest?.openMicros ?? -Infinity) > lastMicros
    ? closed.all().filter(({ openMicros }) => openMicros > lastMicros)
    : [];
}

function isSameCandle(a: Candle | undefined, b: Candle | undefined): boolean {
  return a?.openMicros === b?.openMicros && a?.ticks === b?.ticks && a?.isComplete === b?.isComplete;
}
