import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  climb,
  closedAt,
  emptyLadder,
  interrupted,
  seriesOf,
  type CandleLadder,
} from '../../../actors/market/candle-ladder.ts';
import { applyTick, candleIntervals, candlesOf, emptySeries, intervalMicros } from '../../../actors/market/candle.ts';

const second = 1_000_000;
const tick = (timeMicros: number, bid: number, ask = bid + 2) => ({ timeMicros, bid, ask });
type Tick = ReturnType<typeof tick>;

/** Times in steps of very different lengths, now and then backwards; some quotes are crossed. */
const ticks = fc
  .array(
    fc.tuple(
      fc.oneof(fc.integer({ min: -second, max: second }), fc.integer({ min: 0, max: 90_000 * second })),
      fc.integer({ min: 5, max: 1_000 }),
      fc.integer({ min: -1, max: 9 }),
    ),
    { minLength: 1, maxLength: 60 },
  )
  .map((drawn) => {
    let timeMicros = 100_000 * second;
    return drawn.map(([step, bid, spread]) => tick((timeMicros += step), bid, bid + spread));
  });

/** What a ladder sees of ticks: those of a second that is over come too late. */
function inTime(all: readonly Tick[]): readonly Tick[] {
  let open = -Infinity;
  return all.filter(({ timeMicros, bid, ask }) => {
    if (bid > ask || timeMicros < open) return false;
    open = Math.max(open, timeMicros - (timeMicros % second));
    return true;
  });
}

test('every interval is what its ticks alone would have made it', () => {
  fc.assert(
    fc.property(ticks, (all) => {
      const ladder = all.reduce((made, one) => climb(made, one), emptyLadder(-Infinity));
      for (const interval of candleIntervals) {
        const alone = inTime(all).reduce((series, one) => applyTick(series, one), emptySeries(interval));
        expect(candlesOf(seriesOf(ladder, interval))).toEqual(candlesOf(alone));
      }
    }),
  );
});

test('closing by the clock changes no candle, and leaves none open whose time is over', () => {
  fc.assert(
    fc.property(ticks, fc.array(fc.integer({ min: 0, max: 20_000 * second })), (all, waits) => {
      let ladder: CandleLadder = emptyLadder(-Infinity);
      let untouched = ladder;
      for (const [at, one] of inTime(all).entries()) {
        // Never beyond the second of the next tick, which would come too late.
        const until = Math.min(ladder.closedMicros + (waits[at] ?? 0), one.timeMicros - (one.timeMicros % second));
        ladder = climb(Number.isFinite(until) ? closedAt(ladder, until) : ladder, one);
        untouched = climb(untouched, one);
      }
      for (const interval of candleIntervals)
        expect(candlesOf(seriesOf(ladder, interval))).toEqual(candlesOf(seriesOf(untouched, interval)));
      const last = inTime(all).at(-1);
      if (!last) return;
      for (const interval of candleIntervals) {
        const open = seriesOf(ladder, interval).current!;
        const end = open.openMicros + intervalMicros(interval);
        expect(seriesOf(closedAt(ladder, end - 1), interval).current).toEqual(open);
        const ended = seriesOf(closedAt(ladder, end), interval);
        expect([ended.current, ended.closed.newest]).toEqual([undefined, open]);
      }
    }),
  );
});

test('a tick whose second was closed by the clock is in no candle of any interval', () => {
  const ladder = closedAt(climb(emptyLadder(-Infinity), tick(second / 2, 10)), second);
  expect(climb(ladder, tick(second - 1, 99))).toBe(ladder);
  expect(candlesOf(seriesOf(climb(ladder, tick(second, 11)), '1d'))).toMatchObject([{ ticks: 2, high: 11 }]);
});

const completeness = (ladder: CandleLadder, interval: '1s' | '5s') =>
  candlesOf(seriesOf(ladder, interval)).map(({ openMicros, isComplete }) => [openMicros / second, isComplete]);

test('what opened before the source was heard is not complete, at any height', () => {
  const start = 2.5 * second;
  const ladder = [2.6, 3, 4, 5].reduce((made, at) => climb(made, tick(at * second, 1)), emptyLadder(start));
  expect(completeness(ladder, '1s')).toEqual([
    [2, false],
    [3, true],
    [4, true],
    [5, true],
  ]);
  expect(completeness(ladder, '5s')).toEqual([
    [0, false],
    [5, true],
  ]);
});

test('a break marks what was open when it began and what opened before it ended', () => {
  const before = [0, 1].reduce((made, at) => climb(made, tick(at * second, 1)), emptyLadder(0));
  const after = [13.5, 14, 15].reduce(
    (made, at) => climb(made, tick(at * second, 1)),
    interrupted(before, 13.5 * second),
  );
  expect(completeness(after, '1s')).toEqual([
    [0, true],
    [1, false],
    [13, false],
    [14, true],
    [15, true],
  ]);
  expect(completeness(after, '5s')).toEqual([
    [0, false],
    [10, false],
    [15, true],
  ]);
});
