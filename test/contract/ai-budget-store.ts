/** What every store of AI budgets keeps to. */
import { beforeEach, expect, test } from 'vitest';
import type { Reservation, Spent } from '../../actors/ai/budget.ts';
import type { AiCall, BudgetStore } from '../../actors/ai/budget-store.ts';

export const reservation = (id: string, change: Partial<Reservation> = {}): Reservation => ({
  ...{
    id,
    subjectId: 'joe',
    provider: 'openai',
    model: 'gpt-5',
    day: 20_000,
    tokens: 500,
    picoUsd: 1_234_567_890_123n,
  },
  ...change,
});

export const booking = (id: string, change: Partial<AiCall> = {}): AiCall => ({
  ...{ id, timeMicros: 1_795_000_000_000_000, subjectId: 'joe', purpose: 'chat', provider: 'openai', model: 'gpt-5' },
  ...{ outcome: 'answered', costPicoUsd: 7n, chargedPicoUsd: 7n, chargedTokens: 21, priceVersion: 'v1' },
  usage: {
    ...{ inputTokens: 1, cachedInputTokens: 2, cacheWriteTokens: 3, cacheWrite1hTokens: 4 },
    ...{ outputTokens: 5, reasoningTokens: 6 },
  },
  ...{ latencyMs: 12.5, day: 20_000, ...change },
});

/** @param create gives two stores of one tenant, the second as another process would have it, and one of another tenant */
export function budgetStoreContract(
  create: () => Promise<{ readonly store: BudgetStore; readonly next: BudgetStore; readonly other: BudgetStore }>,
): void {
  let store: BudgetStore;
  let next: BudgetStore;
  let other: BudgetStore;

  beforeEach(async () => {
    ({ store, next, other } = await create());
  });

  const now = 1_795_000_000_000_000;
  const sums = (spent: readonly Spent[]): (readonly [string, number, bigint])[] => {
    const found = new Map<string, readonly [number, bigint]>();
    for (const { subjectId, model, day, tokens, picoUsd } of spent) {
      const key = `${subjectId} ${model} ${day}`;
      const [allTokens, all] = found.get(key) ?? [0, 0n];
      found.set(key, [allTokens + tokens, all + picoUsd]);
    }
    return [...found]
      .map(([key, [tokens, pico]]) => [key, tokens, pico] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
  };

  test('at first nothing is spent', async () => {
    expect(await store.open(now)).toEqual([]);
  });

  test('what was booked is spent, to the last digit, by subject, model and day', async () => {
    await store.write({ reservations: [reservation('a'), reservation('b')], calls: [] });
    const large = 123_456_789_012_345_678_901n;
    await store.write({
      reservations: [],
      calls: [booking('a'), booking('b', { chargedPicoUsd: large, chargedTokens: 4_000_000_000 })],
    });
    await store.write({ reservations: [reservation('c')], calls: [booking('c', { subjectId: 'sue', day: 20_001 })] });
    expect(sums(await next.open(now))).toEqual([
      ['joe gpt-5 20000', 4_000_000_021, large + 7n],
      ['sue gpt-5 20001', 21, 7n],
    ]);
  });

  test('what was reserved and never settled is spent in full, once', async () => {
    await store.write({ reservations: [reservation('a'), reservation('b')], calls: [] });
    await store.write({ reservations: [], calls: [booking('a')] });
    const spent = [['joe gpt-5 20000', 521, 1_234_567_890_130n]];
    expect(sums(await next.open(now))).toEqual(spent);
    expect(sums(await store.open(now))).toEqual(spent);
  });

  test('a call that is booked again is not charged again', async () => {
    await store.write({ reservations: [reservation('a')], calls: [] });
    for (let times = 0; times < 3; times++) await store.write({ reservations: [], calls: [booking('a')] });
    expect(sums(await next.open(now))).toEqual([['joe gpt-5 20000', 21, 7n]]);
  });

  test('a call without a price, or without a count, is booked as it is', async () => {
    await store.write({
      reservations: [],
      calls: [
        booking('a', { costPicoUsd: undefined, chargedPicoUsd: 99n }),
        booking('b', { usage: undefined, outcome: 'timeout', chargedPicoUsd: 0n, chargedTokens: 0 }),
      ],
    });
    expect(sums(await next.open(now))).toEqual([['joe gpt-5 20000', 21, 99n]]);
  });

  test('one tenant knows nothing of another', async () => {
    await store.write({ reservations: [reservation('a'), reservation('b')], calls: [booking('a')] });
    await other.write({ reservations: [reservation('a', { picoUsd: 1n, tokens: 1 })], calls: [] });
    expect(sums(await other.open(now))).toEqual([['joe gpt-5 20000', 1, 1n]]);
  });
}
