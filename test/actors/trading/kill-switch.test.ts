import { expect, test } from 'vitest';
import { covers, KillSwitchBoard, releasesNeeded, type LatchedSwitch } from '../../../actors/trading/kill-switch.ts';

const thrown = (change: Partial<LatchedSwitch>): LatchedSwitch => ({
  ...{ id: 'k-1', scope: 'platform', flatten: false, reason: 'r', by: 'b', latchedMicros: 1, releasedBy: [] },
  ...change,
});
const subject = { tenantId: 1, accountId: 2, symbol: 'EURUSD', strategyId: 'cross' };

test.each([
  [{}, true],
  [{ scope: 'tenant', tenantId: 1 }, true],
  [{ scope: 'tenant', tenantId: 2 }, false],
  [{ scope: 'account', tenantId: 1, accountId: 2 }, true],
  [{ scope: 'account', tenantId: 1, accountId: 3 }, false],
  [{ scope: 'symbol', symbol: 'EURUSD' }, true],
  [{ scope: 'symbol', symbol: 'USDJPY' }, false],
  [{ scope: 'symbol', tenantId: 2, symbol: 'EURUSD' }, false],
  [{ scope: 'strategy', tenantId: 1, strategyId: 'cross' }, true],
  [{ scope: 'strategy', tenantId: 1, strategyId: 'other' }, false],
] as const)('a switch with %o stops an order: %s', (change, isStopped) => {
  expect(covers(thrown(change), subject)).toBe(isStopped);
});

test('a board finds what stands against an order until it is released', () => {
  const board = new KillSwitchBoard();
  expect(board.find(subject)).toBeUndefined();
  board.latch(thrown({ id: 'k-1', scope: 'tenant', tenantId: 2 }));
  board.latch(thrown({ id: 'k-2', scope: 'symbol', symbol: 'EURUSD' }));
  board.latch(thrown({ id: 'k-2', scope: 'symbol', symbol: 'EURUSD', releasedBy: ['a'] }));
  expect(board.find(subject)).toMatchObject({ id: 'k-2', releasedBy: ['a'] });
  expect(board.all.length).toBe(2);
  board.release('k-2');
  expect(board.find(subject)).toBeUndefined();
});

test('what is of the whole platform takes two persons, what is of a tenant one', () => {
  expect(
    [thrown({}), thrown({ scope: 'symbol', symbol: 'X' }), thrown({ scope: 'tenant', tenantId: 1 })].map(
      releasesNeeded,
    ),
  ).toEqual([2, 2, 1]);
});
