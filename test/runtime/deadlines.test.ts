import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../runtime/clock.ts';
import { Deadline, Deadlines } from '../../runtime/deadlines.ts';
import { trapRejections } from '../support/rejections.ts';

trapRejections();

class Noted extends Deadline {
  readonly #expired: () => void;

  constructor(expired: () => void) {
    super();
    this.#expired = expired;
  }

  override expire(): void {
    this.#expired();
  }
}

test('each deadline expires once, at its time, unless it was cleared before, whatever stands beside it', () => {
  const entry = fc.record({
    delayMs: fc.constantFrom(0, 1, 5, 5, 5, 20),
    clearAfterMs: fc.option(fc.integer({ min: 0, max: 25 }), { nil: undefined }),
    waitMs: fc.integer({ min: 0, max: 7 }),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 30 }), (entries) => {
      const clock = new VirtualClock();
      const deadlines = new Deadlines(clock, () => {});
      const expired: [number, number][] = [];
      const expected: [number, number][] = [];
      const clears: { readonly atMs: number; readonly deadline: Deadline }[] = [];
      const advance = (byMs: number): void => {
        for (let left = byMs; left > 0; left--) {
          clock.advance(1);
          for (const { atMs, deadline } of clears) if (atMs === clock.monotonicMs()) deadline.clear();
        }
      };
      for (const [at, { delayMs, clearAfterMs, waitMs }] of entries.entries()) {
        const nowMs = clock.monotonicMs();
        const deadline = new Noted(() => void expired.push([at, clock.monotonicMs()]));
        deadlines.add(deadline, delayMs, nowMs);
        if (clearAfterMs === 0) deadline.clear();
        else if (clearAfterMs !== undefined) clears.push({ atMs: nowMs + clearAfterMs, deadline });
        if (clearAfterMs === undefined || clearAfterMs >= Math.max(delayMs, 1)) expected.push([at, nowMs + delayMs]);
        advance(waitMs);
      }
      advance(60);
      // One that is due at once rings with the next look at the clock.
      const late = (dueMs: number, found: number): boolean => found >= dueMs && found <= dueMs + 1;
      expect(expired.toSorted(([a], [b]) => a - b).map(([at]) => at)).toEqual(expected.map(([at]) => at));
      for (const [at, dueMs] of expected) expect(late(dueMs, expired.find(([id]) => id === at)![1])).toBe(true);
    }),
  );
});

test('many deadlines of one length need one timer, and none when all are past', () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock, () => {});
  let expired = 0;
  for (let count = 0; count < 1_000; count++) {
    deadlines.add(new Noted(() => void expired++), 100, clock.monotonicMs());
    if (count % 100 === 0) clock.advance(1);
  }
  expect(clock.pending).toBe(1);
  clock.advance(200);
  expect([expired, clock.pending]).toEqual([1_000, 0]);
});

test('deadlines of a thousand lengths leave eight timers at most when they are cleared, and each length can come again', () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock, () => {});
  let expired = 0;
  const add = (delayMs: number): Deadline => {
    const deadline = new Noted(() => void expired++);
    deadlines.add(deadline, delayMs, clock.monotonicMs());
    return deadline;
  };
  const all = Array.from({ length: 1_000 }, (_, at) => add(60_000 + at));
  for (const deadline of all) deadline.clear();
  expect(clock.pending).toBe(8);
  for (let at = 0; at < 1_000; at++) add(60_000 + at).clear();
  expect(clock.pending).toBe(8);
  for (let at = 0; at < 1_000; at++) add(60_000 + at);
  clock.advance(61_000);
  expect([expired, clock.pending]).toEqual([1_000, 0]);
});

test('a length that is used over and over keeps its timer', () => {
  const clock = new VirtualClock();
  let timers = 0;
  const after = clock.after.bind(clock);
  clock.after = (delayMs, run) => {
    timers++;
    return after(delayMs, run);
  };
  const deadlines = new Deadlines(clock, () => {});
  for (let count = 0; count < 1_000; count++) {
    const deadline = new Noted(() => expect.unreachable());
    deadlines.add(deadline, 5_000, 0);
    deadline.clear();
  }
  expect(timers).toBe(1);
});

test('an infinite deadline never expires and takes no timer', () => {
  const clock = new VirtualClock();
  new Deadlines(clock, () => {}).add(new Noted(() => expect.unreachable()), Infinity, 0);
  expect(clock.pending).toBe(0);
});

test('one that is cleared twice, or after it has expired, disturbs no other', () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock, () => {});
  const expired: string[] = [];
  const [first, second, third] = ['first', 'second', 'third'].map((name) => new Noted(() => void expired.push(name)));
  for (const deadline of [first!, second!, third!]) deadlines.add(deadline, 10, 0);
  second!.clear();
  second!.clear();
  clock.advance(10);
  first!.clear();
  expect(expired).toEqual(['first', 'third']);
});

test('one that comes back as it expires rings again', () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock, () => {});
  const atMs: number[] = [];
  const again: Noted = new Noted(() => {
    atMs.push(clock.monotonicMs());
    if (atMs.length < 3) deadlines.add(again, 10, clock.monotonicMs());
  });
  deadlines.add(again, 10, 0);
  clock.advance(100);
  expect(atMs).toEqual([10, 20, 30]);
});

test('one that was added with a stamp that was too old is postponed before it can expire too early', () => {
  const clock = new VirtualClock();
  let lateMs = 5;
  const deadlines: Deadlines = new Deadlines(clock, () => {
    if (lateMs > 0) deadlines.postpone(3, lateMs);
    lateMs = 0;
  });
  const atMs: [string, number][] = [];
  for (const [name, stampMs] of [
    ['in time', 0],
    ['late', 3],
  ] as const) {
    deadlines.add(new Noted(() => void atMs.push([name, clock.monotonicMs()])), 10, stampMs);
  }
  for (let step = 0; step < 30; step++) clock.advance(1);
  expect(atMs).toEqual([
    ['in time', 10],
    ['late', 18],
  ]);
});

test('one that was added with a stamp that was too old is postponed also when an older stamp stands behind it', () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock, () => {});
  const atMs: [string, number][] = [];
  for (const [name, stampMs] of [
    ['newer', 10],
    ['older', 5],
  ] as const) {
    deadlines.add(new Noted(() => void atMs.push([name, clock.monotonicMs()])), 100, stampMs);
  }
  deadlines.postpone(10, 20);
  for (let step = 0; step < 200; step++) clock.advance(1);
  expect(atMs).toEqual([
    ['newer', 130],
    ['older', 130],
  ]);
});
