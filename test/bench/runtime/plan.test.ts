import { expect, test } from 'vitest';
import { filling, planOf } from '../../../bench/runtime/plan.ts';

test.each([1, 0.01])('at scale %d every name that readers of the output count on is measured once', (scale) => {
  const names = planOf(scale)
    .flat()
    .flatMap(({ figures }) => figures.map(({ name }) => name));
  expect(names).toEqual([...new Set(names)]);
  expect(names).toEqual(
    expect.arrayContaining([
      ...['tells-1-actor', 'tells-1000-actors', 'tells-100000-actors', 'asks-sequential', 'asks-1000-outstanding'],
      ...['spawn-100000', 'bytes-per-actor', 'rss-per-actor', 'restart-one-child', 'restart-one-child-p99'],
      ...['restart-one-child-of-10000', 'snapshot-10000-actors', 'fairness-delay'],
    ]),
  );
});

test('a hundredth of the size has a hundredth of the actors, and each is told something', () => {
  const [, spawn, tells] = planOf(0.01).at(-1)!;
  expect([spawn, tells]).toMatchObject([
    { request: 'spawn', count: 1_000 },
    { request: 'tells', count: 1_000 },
  ]);
});

test.each([
  ['a fast contender takes as many as fill the window', 200_000, 12_000],
  ['one so slow that the fewest take longer takes the fewest', 5_000, 1_000],
])('%s', (_what, perSecond, count) => {
  expect(filling(60, perSecond, 1_000)).toBe(count);
});
