/**
 * Ticks into candles. A candle is built of bids, as MT5 charts are, and opens with its first tick; an interval without a tick has none.
 * Prices are numbers scaled by 10^8.
 */
import { formatScaled } from '../trading/money.ts';
import { formatTime } from '../trading/time.ts';
import { isCrossed, type Quote } from './quote.ts';
import { Tail } from './tail.ts';

/** Shortest first; each is made of whole ones of the one before. */
export const candleIntervals = ['1s', '5s', '1m', '5m', '15m', '1h', '4h', '1d'] as const;
export type CandleInterval = (typeof candleIntervals)[number];

export interface Candle {
  /** Start of the interval, in UTC. */
  readonly openMicros: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  /** How many ticks it is made of, one or more. */
  readonly ticks: number;
  /** Whether its source was heard all the time from its start on: no start of ours, and no gap, fell into it. */
  readonly isComplete: boolean;
}

export interface CandleSeries {
  readonly interval: CandleInterval;
  /** Those that have ended, oldest first, at most `maxClosed`. */
  readonly closed: Tail<Candle>;
  /** The one that ticks still change. */
  readonly current?: Candle;
}

/** What is published of one series: at most a few times a second, and whenever a candle is complete. */
export interface CandleUpdate {
  readonly symbol: string;
  readonly interval: CandleInterval;
  /** Raised by one an update, for as long as the process lives. */
  readonly sequence: number;
  readonly series: CandleSeries;
  /** What has become complete since the update before. */
  readonly completed: readonly Candle[];
}

/** Of a series on a board, and behind `candles:` in its topic and its channel. */
export function seriesKey(symbol: string, interval: CandleInterval): string {
  return `${symbol}:${interval}`;
}

/** A series holds 500 candles, the current one included. */
export const maxClosed = 499;

export function emptySeries(interval: CandleInterval): CandleSeries {
  return { interval, closed: new Tail(maxClosed) };
}

/** A tick of an interval before the current one comes too late to count, and a crossed quote is no price: both change nothing. */
export function applyTick(series: CandleSeries, tick: Pick<Quote, 'bid' | 'ask' | 'timeMicros'>): CandleSeries {
  return isCrossed(tick) ? series : applyPart(series, partOf(tick), -Infinity);
}

/** A tick as a candle that has no length yet. */
export function partOf({ bid, timeMicros }: Pick<Quote, 'bid' | 'timeMicros'>): Candle {
  return { openMicros: timeMicros, open: bid, high: bid, low: bid, close: bid, ticks: 1, isComplete: true };
}

/**
 * A part, or a whole candle of a shorter interval, goes into the candle of its time; one of an earlier candle changes nothing.
 * @param seenFromMicros since when the source has been heard without a break: what opened before is not complete
 */
export function applyPart(series: CandleSeries, part: Candle, seenFromMicros: number): CandleSeries {
  const { interval, closed, current } = series;
  const openMicros = openOf(interval, part.openMicros);
  if (current && openMicros < current.openMicros) return series;
  if (current && openMicros === current.openMicros) return { interval, closed, current: extended(current, part) };
  const isComplete = part.isComplete && openMicros >= seenFromMicros;
  const opened = { ...part, openMicros, isComplete };
  return { interval, closed: current ? closed.append(current) : closed, current: opened };
}

/** All candles, oldest first; the last one may still change. */
export function candlesOf({ closed, current }: CandleSeries): readonly Candle[] {
  return current ? [...closed.all(), current] : closed.all();
}

/**
 * Two accounts of one series, each oldest first: of a candle that both have, the complete one; where neither is, what both saw.
 * @param later the one that saw its end
 */
export function mergedCandles(earlier: readonly Candle[], later: readonly Candle[]): readonly Candle[] {
  const merged = new Map(earlier.map((candle) => [candle.openMicros, candle]));
  for (const candle of later) {
    const other = merged.get(candle.openMicros);
    merged.set(candle.openMicros, other ? merge(other, candle) : candle);
  }
  return [...merged.values()].toSorted((a, b) => a.openMicros - b.openMicros);
}

function merge(earlier: Candle, later: Candle): Candle {
  if (later.isComplete) return later;
  if (earlier.isComplete) return earlier;
  const { openMicros, open, high, low, ticks, isComplete } = earlier;
  return {
    ...{ openMicros, open, isComplete, close: later.close, ticks: Math.max(ticks, later.ticks) },
    ...{ high: Math.max(high, later.high), low: Math.min(low, later.low) },
  };
}

/** A candle as clients see it: decimal text with the instrument's digits, time in RFC 3339 with microseconds. */
export interface CandleView {
  readonly time: string;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly ticks: number;
  readonly isComplete: boolean;
}

export function candleView(candle: Candle, digits: number): CandleView {
  const price = (value: number) => formatScaled(BigInt(value), 8, digits);
  return {
    time: formatTime(candle.openMicros),
    open: price(candle.open),
    high: price(candle.high),
    low: price(candle.low),
    close: price(candle.close),
    ticks: candle.ticks,
    isComplete: candle.isComplete,
  };
}

const lengthMicros: Readonly<Record<CandleInterval, number>> = {
  '1s': 1_000_000,
  '5s': 5_000_000,
  '1m': 60_000_000,
  '5m': 300_000_000,
  '15m': 900_000_000,
  '1h': 3_600_000_000,
  '4h': 14_400_000_000,
  '1d': 86_400_000_000,
};

export function intervalMicros(interval: CandleInterval): number {
  return lengthMicros[interval];
}

/** When the interval began that a time lies in. */
export function openOf(interval: CandleInterval, timeMicros: number): number {
  return timeMicros - (timeMicros % lengthMicros[interval]);
}

function extended(candle: Candle, part: Candle): Candle {
  return {
    openMicros: candle.openMicros,
    open: candle.open,
    high: Math.max(candle.high, part.high),
    low: Math.min(candle.low, part.low),
    close: part.close,
    ticks: candle.ticks + part.ticks,
    isComplete: candle.isComplete && part.isComplete,
  };
}
