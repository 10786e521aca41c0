import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BudgetBook, dayOf, type BudgetTerms, type Reservation } from '../../../actors/ai/budget.ts';

const usd = 10n ** 12n;
const call = (id: string, change: Partial<Reservation> = {}): Reservation => ({
  ...{ id, subjectId: 'joe', provider: 'p', model: 'm', day: 5, tokens: 10, picoUsd: usd, ...change },
});
const tenant: BudgetTerms = { scope: 'tenant', period: 'day', picoUsd: 2n * usd };

test('what is set aside counts until it is settled, then what was spent', () => {
  const book = new BudgetBook([tenant]);
  expect(book.reserve(call('a'))).toBeUndefined();
  expect(book.reserve(call('b'))).toBeUndefined();
  expect(book.reserve(call('c', { picoUsd: 1n }))).toEqual({
    ...{ budget: 'tenant:day:5:', unit: 'USD', limit: '2', used: '0', reserved: '2', asked: '0.000000000001' },
  });
  book.settle('a', { tokens: 3, picoUsd: usd / 2n });
  expect(book.reserve(call('d', { picoUsd: usd / 2n }))).toBeUndefined();
  expect(book.reserve(call('e', { picoUsd: 1n }))).toMatchObject({ used: '0.5', reserved: '1.5' });
  expect(book.openCount).toBe(2);
});

test('what costs more than was set aside is booked in full, and nothing goes out any more', () => {
  const book = new BudgetBook([tenant]);
  book.reserve(call('a'));
  book.settle('a', { tokens: 10, picoUsd: 5n * usd });
  expect(book.reserve(call('b', { picoUsd: 0n }))).toMatchObject({ used: '5', limit: '2' });
});

test('the same again changes nothing', () => {
  const book = new BudgetBook([tenant]);
  for (let times = 0; times < 3; times++) expect(book.reserve(call('a', { picoUsd: 2n * usd }))).toBeUndefined();
  for (let times = 0; times < 3; times++) book.settle('a', { tokens: 1, picoUsd: usd });
  book.settle('never', { tokens: 1, picoUsd: usd });
  expect(book.view()).toMatchObject([{ usedUsd: '1', reservedUsd: '0' }]);
});

test.each<[string, BudgetTerms, Partial<Reservation>, boolean]>([
  ['another day has a budget of its own', tenant, { day: 6 }, true],
  ['a total has not', { ...tenant, period: 'total' }, { day: 6 }, false],
  ['another user has', { ...tenant, scope: 'user' }, { subjectId: 'sue' }, true],
  ['the same has not', { ...tenant, scope: 'user' }, { model: 'n' }, false],
  ['another model has', { ...tenant, scope: 'model' }, { model: 'n' }, true],
  ['what is named is meant alone', { ...tenant, scope: 'model', name: 'm' }, { model: 'n' }, true],
  ['and it is meant', { ...tenant, scope: 'model', name: 'm' }, {}, false],
  ['tokens count as money does', { scope: 'tenant', period: 'day', tokens: 29 }, {}, false],
])('%s', (_, terms, change, isAdmitted) => {
  const book = new BudgetBook([terms]);
  book.reserve(call('a'));
  book.reserve(call('b'));
  expect(book.reserve(call('c', change)) === undefined).toBe(isAdmitted);
});

test('a call has to fit into every budget, and one that does not takes from none', () => {
  const book = new BudgetBook([tenant, { scope: 'user', period: 'day', picoUsd: usd }]);
  book.reserve(call('a'));
  expect(book.reserve(call('b'))).toMatchObject({ budget: 'user:day:5:joe' });
  expect(book.view()).toMatchObject([{ reservedUsd: '1' }, { reservedUsd: '1' }]);
});

test('at 80 and at 100 percent somebody hears of it, once', () => {
  const book = new BudgetBook([{ ...tenant, picoUsd: 10n * usd }]);
  const spend = (id: string, picoUsd: bigint) => {
    book.reserve(call(id, { picoUsd }));
    return book.settle(id, { tokens: 0, picoUsd }).map(({ percent, used }) => [percent, used]);
  };
  expect(spend('a', 7n * usd)).toEqual([]);
  expect(spend('b', usd)).toEqual([[80, '8']]);
  expect(spend('c', usd)).toEqual([]);
  expect(spend('d', usd)).toEqual([[100, '10']]);
  const all = new BudgetBook([{ ...tenant, picoUsd: usd }]);
  all.reserve(call('a'));
  expect(all.settle('a', { tokens: 0, picoUsd: usd }).map(({ percent }) => percent)).toEqual([80, 100]);
});

test('what was spent before a start counts, and days that are over are forgotten', () => {
  const spent = [
    { subjectId: 'joe', model: 'm', day: 5, tokens: 1, picoUsd: usd },
    { subjectId: 'joe', model: 'm', day: 4, tokens: 1, picoUsd: 9n * usd },
  ];
  const book = new BudgetBook([tenant], spent);
  expect(book.reserve(call('a'))).toBeUndefined();
  expect(book.reserve(call('b', { picoUsd: 1n }))).toMatchObject({ used: '1', reserved: '1' });
  book.forgetBefore(5);
  expect(book.view()).toHaveLength(1);
});

test('a day is one of UTC', () => {
  expect([dayOf(86_400_000_000 - 1), dayOf(86_400_000_000)]).toEqual([0, 1]);
});

test('whatever comes in whatever order: never more than the limit is admitted, and sums are exact', () => {
  const step = fc.record({
    what: fc.constantFrom('reserve', 'settle'),
    id: fc.nat(12),
    asked: fc.bigInt({ min: 0n, max: 5n }),
    share: fc.integer({ min: 0, max: 100 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.bigInt({ min: 0n, max: 20n }), (steps, limit) => {
      const book = new BudgetBook([{ scope: 'tenant', period: 'total', picoUsd: limit }]);
      const open = new Map<string, bigint>();
      let used = 0n;
      for (const { what, id: number, asked, share } of steps) {
        const id = String(number);
        const reserved = [...open.values()].reduce((all, one) => all + one, 0n);
        if (what === 'settle') {
          const cost = ((open.get(id) ?? 0n) * BigInt(share)) / 100n;
          if (open.delete(id)) used += cost;
          book.settle(id, { tokens: 0, picoUsd: cost });
        } else if (!open.has(id)) {
          const isAdmitted = book.reserve(call(id, { picoUsd: asked })) === undefined;
          expect(isAdmitted).toBe(used + reserved + asked <= limit);
          if (isAdmitted) open.set(id, asked);
        }
      }
      expect(used).toBeLessThanOrEqual(limit);
      expect(book.openCount).toBe(open.size);
    }),
  );
});
