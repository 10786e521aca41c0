import { describe, expect, test } from 'vitest';
import type { PositionTerms } from '../../../actors/trading/events.ts';
import { formatScaled } from '../../../actors/trading/money.ts';
import { closingPrice, netFill, openProfitOf } from '../../../actors/trading/position.ts';
import { instruments, quote, s } from './fixtures.ts';

const eurusd = instruments.get('EURUSD')!;

function position(side: 'buy' | 'sell', quantity: string, cost: string, averagePrice: string): PositionTerms {
  const scaledCost = s(cost) * 10n ** 10n;
  return {
    positionId: 'p-1',
    symbol: 'EURUSD',
    side,
    quantity: s(quantity),
    cost: scaledCost,
    averagePrice: s(averagePrice),
  };
}

const fill = (side: 'buy' | 'sell', quantity: string, price: string) => ({
  side,
  quantity: s(quantity),
  price: s(price),
});

test('the first fill opens a position at its price', () => {
  expect(netFill(undefined, fill('sell', '0.10', '1.08'), eurusd, 'p-9')).toEqual({
    changes: [
      { type: 'position-opened', position: { ...position('sell', '0.10', '10800', '1.08'), positionId: 'p-9' } },
    ],
    realized: undefined,
  });
});

test('a fill on the same side adds its cost and moves the average price', () => {
  const { changes, realized } = netFill(
    position('buy', '0.10', '10800', '1.08'),
    fill('buy', '0.20', '1.09'),
    eurusd,
    'p-9',
  );
  expect(realized).toBeUndefined();
  expect(changes).toEqual([{ type: 'position-changed', position: position('buy', '0.30', '32600', '1.08666667') }]);
});

describe.each([
  ['buy', 'sell', '1.09', '50'],
  ['buy', 'sell', '1.07', '-50'],
  ['sell', 'buy', '1.07', '50'],
  ['sell', 'buy', '1.09', '-50'],
] as const)('closing some of a %s position by a %s at %s', (side, against, price, profit) => {
  const netted = netFill(position(side, '0.20', '21600', '1.08'), fill(against, '0.05', price), eurusd, 'p-9');

  test(`realizes ${profit}`, () => {
    expect(formatScaled(netted.realized!, 18)).toBe(profit);
  });

  test('releases its share of the cost and keeps the average price', () => {
    expect(netted.changes).toEqual([{ type: 'position-changed', position: position(side, '0.15', '16200', '1.08') }]);
  });
});

test('closing all of it leaves nothing behind', () => {
  const { changes, realized } = netFill(
    position('buy', '0.20', '21600', '1.08'),
    fill('sell', '0.20', '1.09'),
    eurusd,
    'p-9',
  );
  expect(changes).toEqual([{ type: 'position-closed', position: position('buy', '0', '0', '1.08') }]);
  expect(formatScaled(realized!, 18)).toBe('200');
});

test('a fill that is larger than an opposite position closes it, then opens the other side with what is left over', () => {
  const { changes, realized } = netFill(
    position('buy', '0.20', '21600', '1.08'),
    fill('sell', '0.50', '1.09'),
    eurusd,
    'p-9',
  );
  expect(changes).toEqual([
    { type: 'position-closed', position: position('buy', '0', '0', '1.08') },
    { type: 'position-opened', position: { ...position('sell', '0.30', '32700', '1.09'), positionId: 'p-9' } },
  ]);
  expect(formatScaled(realized!, 18)).toBe('200');
});

test('a partial close releases cost rounded half-even to 18 digits, and all parts together release all of it', () => {
  // 0.07 lots that cost 7560.000000000000000001: a seventh of it does not come out even.
  let held: PositionTerms = { ...position('buy', '0.07', '7560', '1.08'), cost: 7560n * 10n ** 18n + 1n };
  const released: bigint[] = [];
  for (let i = 0; i < 7; i++) {
    const { changes } = netFill(held, fill('sell', '0.01', '1.08'), eurusd, 'p-9');
    released.push(held.cost - changes[0]!.position.cost);
    held = changes[0]!.position;
  }
  expect(released[0]).toBe(1080n * 10n ** 18n);
  expect(released.reduce((sum, part) => sum + part)).toBe(7560n * 10n ** 18n + 1n);
  expect(held).toMatchObject({ quantity: 0n, cost: 0n });
});

test.each([
  ['buy', '1.08100', '1.08110', '20'],
  ['sell', '1.08100', '1.08110', '-22'],
  ['buy', '1.08110', '1.08100', '20'],
  ['sell', '1.08110', '1.08100', '-22'],
] as const)(
  'open profit of a %s at 1.08000 on %s/%s is %s, at the worse price where the quote is crossed',
  (side, bid, ask, profit) => {
    const open = openProfitOf(position(side, '0.20', '21600', '1.08'), eurusd, quote('EURUSD', bid, ask));
    expect(formatScaled(open, 18)).toBe(profit);
  },
);

test('a long closes at the bid, a short at the ask', () => {
  const { bid, ask } = quote('EURUSD', '1.08', '1.0801');
  expect(closingPrice('buy', { bid, ask })).toBe(s('1.08'));
  expect(closingPrice('sell', { bid, ask })).toBe(s('1.0801'));
});
