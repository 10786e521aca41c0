import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock, VirtualClock } from '../../runtime/clock.ts';

test('time stands still until it is advanced', () => {
  const clock = new VirtualClock(5_000);
  expect([clock.wallMicros(), clock.monotonicMs()]).toEqual([5_000, 0]);
  clock.advance(1.5);
  expect([clock.wallMicros(), clock.monotonicMs()]).toEqual([6_500, 1.5]);
});

test('timers fire in order of time, then of creation, each at its own time', () => {
  const clock = new VirtualClock();
  const fired: [string, number][] = [];
  const note = (name: string) => () => void fired.push([name, clock.monotonicMs()]);
  clock.after(20, note('late'));
  clock.after(10, note('first'));
  clock.after(10, note('second'));
  clock.every(15, note('beat'));
  clock.advance(30);
  expect(fired).toEqual([
    ['first', 10],
    ['second', 10],
    ['beat', 15],
    ['late', 20],
    ['beat', 30],
  ]);
  expect(clock.pending).toBe(1);
});

test('a timer that is canceled does not fire, also when it cancels itself or another on the way', () => {
  const clock = new VirtualClock();
  let beats = 0;
  const beat = clock.every(1, () => {
    beats += 1;
    if (beats === 3) beat.cancel();
  });
  const never = clock.after(5, () => (beats += 100));
  clock.after(4, () => never.cancel());
  clock.advance(10);
  never.cancel();
  expect(beats).toBe(3);
  expect(clock.pending).toBe(0);
});

test('a timer set by a timer fires in the same advance when it falls due in it', () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  clock.after(1, () => clock.after(1, () => fired.push(clock.monotonicMs())));
  clock.advance(2);
  expect(fired).toEqual([2]);
});

test('a timer that advances the clock itself does not turn it back', () => {
  const clock = new VirtualClock();
  clock.after(1, () => clock.advance(10));
  clock.advance(2);
  expect(clock.monotonicMs()).toBe(11);
});

test('a wall clock that is set moves no timer', () => {
  const clock = new VirtualClock();
  let fired = 0;
  clock.after(10, () => (fired += 1));
  clock.jumpWall(60_000_000);
  expect([clock.wallMicros(), clock.monotonicMs(), fired]).toEqual([60_000_000, 0, 0]);
  clock.advance(10);
  expect(fired).toBe(1);
});

test('advancing to a moment ends exactly there, and a moment in the past changes nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 90_000_000 }), { minLength: 1, maxLength: 200 }), (steps) => {
      const clock = new VirtualClock();
      let moment = 1_399_525_200_000_000;
      for (const step of steps) {
        moment += step;
        clock.advanceTo(moment);
        clock.advanceTo(moment - 1_000);
        expect(clock.wallMicros()).toBe(moment);
      }
    }),
  );
});

test('a period of zero is refused', () => {
  expect(() => new VirtualClock().every(0, () => {})).toThrow('period must be above 0 ms, was 0');
});

test('the clock of the machine tells microseconds, and its monotonic time never goes back', () => {
  const seen = Array.from({ length: 1_000 }, () => systemClock.monotonicMs());
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(Number.isSafeInteger(systemClock.wallMicros())).toBe(true);
  expect(Math.abs(systemClock.wallMicros() / 1_000 - Date.now())).toBeLessThan(1_000);
});

test('the clock of the machine follows when the wall clock is set, and goes on telling microseconds', () => {
  const laterMs = Date.now() + 3_600_000;
  const now = vi.spyOn(Date, 'now').mockReturnValue(laterMs);
  onTestFinished(() => now.mockRestore());
  const seen = Array.from({ length: 10_000 }, () => systemClock.wallMicros());
  expect(Math.abs(seen[0]! - laterMs * 1_000)).toBeLessThan(2_000);
  expect(new Set(seen.map((micros) => micros % 1_000)).size).toBeGreaterThan(1);
});

test('a wait longer than a timer of the machine can count is kept, an infinite one never ends, and both can be cancelled', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let rang = 0;
  const days = 86_400_000;
  systemClock.after(100 * days, () => rang++);
  const cancelled = [60 * days, Infinity].map((delayMs) => systemClock.after(delayMs, () => rang++));
  vi.advanceTimersByTime(50 * days);
  for (const timer of cancelled) timer.cancel();
  vi.advanceTimersByTime(50 * days - 1);
  expect(rang).toBe(0);
  vi.advanceTimersByTime(1);
  expect([rang, vi.getTimerCount()]).toEqual([1, 0]);
});
