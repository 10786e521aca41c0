import { expect, test } from 'vitest';
import { compared, notCompared, type Comparison } from '../../../actors/market/divergence.ts';

const limits = { maxShare: 0.01, afterMs: 2_000, staleAfterMs: 10_000 };
const price = (middle: number, timeMicros = 0) => ({ bid: middle - 1, ask: middle + 1, timeMicros });

/** @param middles of our own price, one a second, against 10,000 */
function follow(...middles: number[]): Comparison[] {
  let state = notCompared;
  return middles.map((middle, at) => {
    const nowMicros = at * 1_000_000;
    const prices = { own: price(middle, nowMicros), reference: price(10_000, nowMicros) };
    return (state = compared(state, prices, nowMicros, limits));
  });
}

const diverged = (...middles: number[]): boolean[] => follow(...middles).map(({ isDiverged }) => isDiverged);

test.each<[string, number[], boolean[]]>([
  ['as far apart as may be, for ever', [10_100, 10_100, 10_100, 10_100], [false, false, false, false]],
  ['too far, above', [10_101, 10_101, 10_101], [false, false, true]],
  ['too far, below', [9_899, 9_899, 9_899], [false, false, true]],
  ['too far, but not without a break', [10_101, 10_101, 10_100, 10_101, 10_101], [false, false, false, false, false]],
  [
    'back at the limit, then at half of it',
    [10_200, 10_200, 10_200, 10_100, 10_051, 10_050],
    [false, false, true, true, true, false],
  ],
])('%s', (_, middles, wanted) => {
  expect(diverged(...middles)).toEqual(wanted);
});

test('how far apart they are is told, of two fresh prices', () => {
  expect(follow(10_050)[0]).toEqual({ share: 0.005, sinceMicros: undefined, isDiverged: false });
  const now = 20_000_000;
  const [fresh, old] = [price(10_000, now), price(10_000, now - 10_000_001)];
  for (const prices of [
    { own: fresh, reference: old },
    { own: old, reference: fresh },
    { own: fresh, reference: undefined },
    { own: undefined, reference: fresh },
  ])
    expect(compared({ share: 1, sinceMicros: 0, isDiverged: true }, prices, now, limits)).toEqual(notCompared);
});
