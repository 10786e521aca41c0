import { expect, test } from 'vitest';
import { emitCompared, type PeerFigures } from '../../../bench/orders/comparison.ts';
import type { Measurement } from '../../../bench/report.ts';

const rate = { name: 'rate', unit: 'orders/s', direction: 'higher' } as const;

function lines(values: readonly number[], ...peers: readonly PeerFigures[]): Measurement[] {
  const emitted: Measurement[] = [];
  emitCompared((measurement) => void emitted.push(measurement), { ...rate, values }, peers);
  return emitted;
}

test('both figures of a line come from the round whose ratio is the median', () => {
  // Ratios 10, 2 and 4: the medians alone, 200 and 50, would be of rounds that never met.
  expect(lines([100, 200, 400], { peer: 'plain', values: [10, 100, 100] })).toEqual([
    { ...rate, peer: 'plain', value: 400, peerValue: 100 },
  ]);
});

test('each peer has a line of its own', () => {
  const emitted = lines([8], { peer: 'plain', values: [1] }, { peer: 'tuned', values: [2] });
  expect(emitted.map(({ peer, peerValue }) => [peer, peerValue])).toEqual([
    ['plain', 1],
    ['tuned', 2],
  ]);
});

test('a peer that is not there has no figure but a reason', () => {
  expect(lines([3, 1, 2], { peer: 'plain', values: { skipped: 'not installed' } })).toEqual([
    { ...rate, peer: 'plain', value: 2, skipped: 'not installed' },
  ]);
});
