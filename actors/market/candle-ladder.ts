/**
 * All intervals of one symbol at once. A tick goes into its second alone; a second that has ended goes into its five seconds, they into
 * their minute, and so on up to the day: so a tick costs the same however many intervals there are.
 */
import { isCrossed, type Quote } from './quote.ts';
import {
  applyPart,
  candleIntervals,
  emptySeries,
  intervalMicros,
  openOf,
  partOf,
  type Candle,
  type CandleInterval,
  type CandleSeries,
} from './candle.ts';

export interface CandleLadder {
  readonly seconds: CandleSeries;
  /** The longer intervals, shortest first. What has not ended below is not in their current candles yet. */
  readonly longer: readonly CandleSeries[];
  /** Since when the source has been heard without a break. */
  readonly seenFromMicros: number;
  /** All that ended until then has been closed; ticks from before come too late for a candle. */
  readonly closedMicros: number;
}

const [shortest, ...longerIntervals] = candleIntervals;

/** @param seenFromMicros candles that opened before are not complete */
export function emptyLadder(seenFromMicros: number): CandleLadder {
  return {
    seconds: emptySeries(shortest),
    longer: longerIntervals.map(emptySeries),
    ...{ seenFromMicros, closedMicros: -Infinity },
  };
}

/** A tick from before `closedMicros`, or a crossed one, changes nothing. */
export function climb(ladder: CandleLadder, tick: Pick<Quote, 'bid' | 'ask' | 'timeMicros'>): CandleLadder {
  if (isCrossed(tick) || tick.timeMicros < ladder.closedMicros) return ladder;
  const { seconds, longer, seenFromMicros, closedMicros } = closedAt(ladder, openOf(shortest, tick.timeMicros));
  return { seconds: applyPart(seconds, partOf(tick), seenFromMicros), longer, seenFromMicros, closedMicros };
}

/** Closes whatever has ended until then, with or without a tick behind it. */
export function closedAt(ladder: CandleLadder, timeMicros: number): CandleLadder {
  if (timeMicros <= ladder.closedMicros) return ladder;
  const { seenFromMicros } = ladder;
  let ended: Candle | undefined;
  const close = (series: CandleSeries): CandleSeries => {
    const { interval, closed, current } = ended ? applyPart(series, ended, seenFromMicros) : series;
    ended = current && current.openMicros + intervalMicros(interval) <= timeMicros ? current : undefined;
    if (ended) return { interval, closed: closed.append(ended) };
    return { interval, closed, ...(current && { current }) };
  };
  return { seconds: close(ladder.seconds), longer: ladder.longer.map(close), seenFromMicros, closedMicros: timeMicros };
}

/** The source was not heard for a while: what is open now is not complete, and what opened before `untilMicros` will not be. */
export function interrupted(ladder: CandleLadder, untilMicros: number): CandleLadder {
  const mark = (series: CandleSeries): CandleSeries =>
    series.current ? { ...series, current: { ...series.current, isComplete: false } } : series;
  return { ...ladder, seconds: mark(ladder.seconds), longer: ladder.longer.map(mark), seenFromMicros: untilMicros };
}

/** One interval as it stands, all that is open below included. */
export function seriesOf({ seconds, longer, seenFromMicros }: CandleLadder, interval: CandleInterval): CandleSeries {
  let found = seconds;
  for (const series of longer) {
    if (found.interval === interval) break;
    found = found.current ? applyPart(series, found.current, seenFromMicros) : series;
  }
  return found;
}
