import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CompletionFailureCode } from '../../../actors/ai/provider.ts';
import { consequenceOf, deadKeyMs, type Situation } from '../../../actors/ai/retry.ts';

const first: Situation = { repeats: 0, hasAlternative: true, leftMs: 60_000, isBegun: false, chance: 0.5 };
const alone: Situation = { ...first, hasAlternative: false };
const codes: readonly CompletionFailureCode[] = [
  ...(['unreachable', 'timeout', 'stalled', 'stream-broken', 'malformed', 'rate-limited', 'quota-exhausted'] as const),
  ...([
    'unauthenticated',
    'payment-required',
    'model-not-found',
    'context-too-long',
    'conflict',
    'bad-request',
  ] as const),
  ...(['server-error', 'overloaded', 'busy', 'aborted'] as const),
];

describe('with another target at hand', () => {
  test.each<[CompletionFailureCode, string, string, boolean]>([
    // what is done at first, and when the same target has failed so before; whether the breaker counts it
    ['unreachable', 'same', 'elsewhere', true],
    ['server-error', 'same', 'elsewhere', true],
    ['conflict', 'same', 'elsewhere', false],
    ['timeout', 'elsewhere', 'elsewhere', true],
    ['stalled', 'elsewhere', 'elsewhere', true],
    ['stream-broken', 'elsewhere', 'elsewhere', true],
    ['malformed', 'elsewhere', 'elsewhere', true],
    ['overloaded', 'elsewhere', 'elsewhere', true],
    ['rate-limited', 'elsewhere', 'elsewhere', false],
    ['busy', 'elsewhere', 'elsewhere', false],
    ['quota-exhausted', 'elsewhere', 'elsewhere', false],
    ['payment-required', 'elsewhere', 'elsewhere', false],
    ['unauthenticated', 'elsewhere', 'elsewhere', false],
    ['model-not-found', 'elsewhere', 'elsewhere', false],
    ['context-too-long', 'larger', 'larger', false],
    ['bad-request', 'end', 'end', false],
    ['aborted', 'end', 'end', false],
  ])('%s', (code, atFirst, again, counts) => {
    const [one, two] = [0, 1].map((repeats) => consequenceOf({ code }, { ...first, repeats }));
    expect([one!.next, two!.next, one!.counts]).toEqual([atFirst, again, counts]);
    if (one!.next === 'elsewhere') expect(one!.waitMs).toBe(0);
  });
});

describe('with nowhere else to turn', () => {
  test('an overloaded provider is asked again behind growing pauses, twice', () => {
    const steps = [0, 1, 2].map((repeats) => consequenceOf({ code: 'overloaded' }, { ...alone, repeats, chance: 1 }));
    expect(steps.map(({ next, waitMs }) => [next, waitMs])).toEqual([
      ['same', 500],
      ['same', 1_000],
      ['end', 0],
    ]);
  });

  test('a time to wait is kept, and a little more; one that is longer than there is time ends it', () => {
    const limited = { code: 'rate-limited', retryAfterMs: 7_000 } as const;
    expect(consequenceOf(limited, { ...alone, chance: 0 })).toMatchObject({ next: 'same', waitMs: 7_000 });
    expect(consequenceOf(limited, { ...alone, chance: 1 }).waitMs).toBe(7_250);
    expect(consequenceOf(limited, { ...alone, chance: 0, leftMs: 7_000 })).toMatchObject({ next: 'end', waitMs: 0 });
  });

  test.each(codes)('%s: nobody is sent elsewhere', (code) => {
    expect(consequenceOf({ code }, { ...alone, repeats: 5 }).next).not.toBe('elsewhere');
  });
});

test.each<[CompletionFailureCode, object | undefined]>([
  ['rate-limited', { scope: 'target', forMs: 9_000 }],
  ['overloaded', { scope: 'target', forMs: 9_000 }],
  ['quota-exhausted', { scope: 'key', forMs: deadKeyMs }],
  ['payment-required', { scope: 'key', forMs: deadKeyMs }],
  ['unauthenticated', { scope: 'key', forMs: deadKeyMs }],
  ['model-not-found', { scope: 'target', forMs: 300_000 }],
  ['server-error', undefined],
  ['aborted', undefined],
])('%s marks what is at fault', (code, mark) => {
  expect(consequenceOf({ code, retryAfterMs: 9_000 }, first).mark).toEqual(mark);
});

test('whatever fails: once a part was told it is the end, and no wait goes beyond the deadline', () => {
  expect.hasAssertions();
  const situation = fc.record({
    repeats: fc.nat(4),
    hasAlternative: fc.boolean(),
    leftMs: fc.integer({ min: 1, max: 20_000 }),
    isBegun: fc.boolean(),
    chance: fc.double({ min: 0, max: 0.999, noNaN: true }),
  });
  const retryAfterMs = fc.option(fc.integer({ min: 0, max: 50_000 }), { nil: undefined });
  fc.assert(
    fc.property(fc.constantFrom(...codes), retryAfterMs, situation, (code, waitMs, given) => {
      const failure = { code, ...(waitMs !== undefined && { retryAfterMs: waitMs }) };
      const found = consequenceOf(failure, given);
      if (given.isBegun) expect(found.next).toBe('end');
      if (found.next === 'same') expect(found.waitMs).toBeLessThan(given.leftMs);
      if (found.next === 'same' && code === 'rate-limited') expect(found.waitMs).toBeGreaterThanOrEqual(waitMs ?? 0);
    }),
  );
});
