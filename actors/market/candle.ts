/**
 * Ticks into candles. A candle is built of bids, as MT5 charts are, and opens with its first tick; an interval without a tick has none.
 * Prices are numbers scaled by 10^8.
 */
import { formatScaled } from '../trading/money.ts';
import { formatTime } from '../trading/time.ts';
import { isCrossed, type Quote } from './quote.ts';

export const candleIntervals = ['1m', '5m', '15m', '1h'] as const;
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
}

export interface CandleSeries {
  readonly interval: CandleInterval;
  /** Complete ones, oldest first, at most `maxClosed`. */
  readonly closed: readonly Candle[];
  /** The one that ticks still change. */
  readonly current?: Candle;
}

/** What is published of one series: at most a few times a second, and whenever a candle is complete. */
export interface CandleUpdate {
  readonly symbol: string;
  readonly interval: CandleInterval;
  /** Raised by one an update, for as long as the process lives. */
  readonly sequence: number;
  /** The current candle is its last one. */
  readonly series: CandleSeries;
  /** What has become complete since the update before. */
  readonly completed: readonly Candle[];
}

/** Of a series on a board, and behind `candles:` in its topic and its channel. */
export function seriesKey(symbol: string, interval: CandleInterval): string {
  return `${symbol}:${interval}`;
}

/** The series holds 500 candles, the current one included. */
export const maxClosed = 499;

export function emptySeries(interval: CandleInterval): CandleSeries {
  return { interval, closed: [] };
}

/** A tick of an interval before the current one comes too late to count, and a crossed quote is no price: both change nothing. */
export function applyTick(series: CandleSeries, tick: Pick<Quote, 'bid' | 'ask' | 'timeMicros'>): CandleSeries {
  if (isCrossed(tick)) return series;
  const { interval, closed, current } = series;
  const openMicros = openOf(interval, tick.timeMicros);
  if (current && openMicros < current.openMicros) return series;
  if (current && openMicros === current.openMicros) return { interval, closed, current: extend(current, tick.bid) };
  const opened = { openMicros, open: tick.bid, high: tick.bid, low: tick.bid, close: tick.bid, ticks: 1 };
  return { interval, closed: current ? [...closed, current].slice(-maxClosed) : closed, current: opened };
}

/** All candles, oldest first; the last one may still change. */
export function candlesOf(series: CandleSeries): readonly Candle[] {
  return series.current ? [...series.closed, series.current] : series.closed;
}

/** A candle as clients see it: decimal text with the instrument's digits, time in RFC 3339 with microseconds. */
export interface CandleView {
  readonly time: string;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly ticks: number;
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
  };
}

const lengthMicros: Readonly<Record<CandleInterval, number>> = {
  '1m': 60_000_000,
  '5m': 300_000_000,
  '15m': 900_000_000,
  '1h': 3_600_000_000,
};

export function intervalMicros(interval: CandleInterval): number {
  return lengthMicros[interval];
}

function openOf(interval: CandleInterval, timeMicros: number): number {
  return timeMicros - (timeMicros % lengthMicros[interval]);
}

function extend(candle: Candle, bid: number): Candle {
  return {
    openMicros: candle.openMicros,
    open: candle.open,
    high: Math.max(candle.high, bid),
    low: Math.min(candle.low, bid),
    close: bid,
    ticks: candle.ticks + 1,
  };
}
