import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RiskLimits } from '../../actors/trading/risk-limits.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import type { AccountEntry } from '../../transports/services.ts';
import { CommandThrottle, type CommandKind } from '../../transports/throttle.ts';

const one = { account: 'a-1' } as AccountEntry;
const other = { account: 'a-2' } as AccountEntry;

function start(limits: RiskLimits) {
  const clock = new VirtualClock();
  const now = { limits };
  return { clock, now, throttle: new CommandThrottle(clock, () => now.limits) };
}

test('so many orders in a second, those of each account for themselves, and then a wait', () => {
  const { clock, throttle } = start({ maxOrdersPerSecond: 2 });
  expect([throttle.take(one, 'order'), throttle.take(one, 'order')]).toEqual([undefined, undefined]);
  clock.advance(400);
  expect(throttle.take(one, 'order')).toEqual({
    ...{ code: 'THROTTLED', retryAfterMs: 600 },
    figures: { bound: 'maxOrdersPerSecond', limit: '2', windowMs: '1000' },
  });
  expect([throttle.take(one, 'amend'), throttle.take(other, 'order')]).toEqual([undefined, undefined]);
  clock.advance(599);
  expect(throttle.take(one, 'order')?.retryAfterMs).toBe(1);
  clock.advance(1);
  expect(throttle.take(one, 'order')).toBeUndefined();
});

test('a cancel counts as a message and always passes', () => {
  const { throttle } = start({ maxMessagesPerSecond: 2, maxOrdersPerSecond: 1 });
  for (let i = 0; i < 5; i++) expect(throttle.take(one, 'cancel')).toBeUndefined();
  expect(throttle.take(one, 'order')?.figures).toMatchObject({ bound: 'maxMessagesPerSecond', limit: '2' });
});

test('a limit that is changed counts from then on, what went before included', () => {
  const { now, throttle } = start({ maxOrdersPerSecond: 40 });
  for (let i = 0; i < 40; i++) expect(throttle.take(one, 'order')).toBeUndefined();
  expect(throttle.take(one, 'order')?.code).toBe('THROTTLED');
  now.limits = { maxOrdersPerSecond: 50 };
  for (let i = 0; i < 10; i++) expect(throttle.take(one, 'order')).toBeUndefined();
  expect(throttle.take(one, 'order')?.code).toBe('THROTTLED');
  now.limits = { maxOrdersPerSecond: 3 };
  expect(throttle.take(one, 'order')?.code).toBe('THROTTLED');
  now.limits = {};
  expect(throttle.take(one, 'order')).toBeUndefined();
});

const step = fc.record({
  kind: fc.constantFrom<CommandKind>('order', 'amend', 'cancel'),
  waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 700 })),
});

test('no second, wherever it begins, has more than the limit, and nothing is turned away that would be within it', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(16, 17, 32, 33, 1_000_000_000)),
      fc.array(step, { maxLength: 200 }),
      (limit, steps) => {
        const { clock, throttle } = start({ maxOrdersPerSecond: limit, maxMessagesPerSecond: limit + 3 });
        const passed: { kind: CommandKind; atMs: number }[] = [];
        for (const { kind, waitMs } of steps) {
          clock.advance(waitMs);
          const atMs = clock.monotonicMs();
          const within = passed.filter((one) => one.atMs > atMs - 1_000);
          const isOver =
            (kind === 'order' && within.filter((one) => one.kind === 'order').length >= limit) ||
            (kind !== 'cancel' && within.length >= limit + 3);
          expect(throttle.take(one, kind)?.code).toBe(isOver ? 'THROTTLED' : undefined);
          if (!isOver) passed.push({ kind, atMs });
        }
      },
    ),
  );
});
