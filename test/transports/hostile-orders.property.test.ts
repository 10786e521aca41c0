/** Whatever stands in whatever field of an order: a coded answer, never an error, and what is refused leaves the account as it was. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, evolve, type Account } from '../../actors/trading/account.ts';
import type { AccountCommand } from '../../actors/trading/commands.ts';
import { decodeFrame } from '../../transports/codec.ts';
import { parseJson } from '../../transports/json.ts';
import { problemKinds } from '../../transports/problems.ts';
import { factsOf, filled, NOW, opened, order as marketOrder, s } from '../actors/trading/fixtures.ts';

const texts = [
  ...[
    '',
    ' ',
    '0',
    '-0',
    '00',
    '1',
    '-1',
    '+1',
    '01',
    '1.',
    '.1',
    '1e5',
    '1E-5',
    '0x10',
    'NaN',
    'Infinity',
    '-Infinity',
    '1_000',
    '1,0',
  ],
  ...[
    '１',
    '٣',
    '1\u0000',
    '\u0000',
    '\ud800',
    '\u202e1',
    'null',
    'true',
    '{}',
    '[]',
    '__proto__',
    'constructor',
    'toString',
    '../../x',
  ],
  ...[
    'EURUSD',
    'eurusd',
    'EURXXX',
    'buy',
    'sell',
    'market',
    'limit',
    'stop',
    'stop-limit',
    'trailing-stop',
    'gtc',
    'day',
    'gtd',
    'ioc',
    'fok',
  ],
  ...[
    '1.08000',
    '1.080001',
    '0.01',
    '0.00000001',
    '99999999999',
    '9'.repeat(64),
    '9'.repeat(10_000),
    '0.' + '0'.repeat(60) + '1',
  ],
  ...[
    '2026-02-30T00:00:00Z',
    '2027-01-16T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '0000-01-01T00:00:00Z',
    '2027-01-15',
    'yesterday',
  ],
  ...["'; drop table x; --", '<script>', 'a'.repeat(65), '💥', '=1+1'],
];
const hostile = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...texts) },
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1, 0.1, 1e308, Number.MAX_SAFE_INTEGER, [], {}, [[]], { a: 1 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.jsonValue({ maxDepth: 2 }),
);
const fields = [
  ...[
    'clientOrderId',
    'symbol',
    'side',
    'type',
    'quantity',
    'limitPrice',
    'stopPrice',
    'trailBy',
    'timeInForce',
    'expireAt',
  ],
  ...[
    'stopLoss',
    'takeProfit',
    'reduceOnly',
    'postOnly',
    'ocoGroup',
    'positionId',
    'source',
    '__proto__',
    'margin',
    'orderId',
  ],
];
const good = fc.record({
  ...{ clientOrderId: fc.constant('c-1'), symbol: fc.constantFrom('EURUSD', 'USDJPY', 'BTCUSD') },
  side: fc.constantFrom('buy', 'sell'),
  type: fc.constantFrom('market', 'limit', 'stop', 'stop-limit', 'trailing-stop'),
  quantity: fc.constantFrom('0.01', '1', '100'),
  timeInForce: fc.constantFrom('gtc', 'day', 'gtd', 'ioc', 'fok'),
});
const sent = fc
  .tuple(good, fc.dictionary(fc.constantFrom(...fields), hostile, { maxKeys: 4 }))
  .map(([order, change]) => ({ ...order, ...change }));
/** Of the wall clock, which somebody sets, and microseconds that a double does not hold any more. */
const jumps = fc.constantFrom(0, -1, 1, -3_600e6, 86_400e6, -NOW, -NOW + 1, 9e15 - NOW);

const ledger = opened();
ledger.give(marketOrder({ quantity: s('0.50') }));
ledger.give(filled('o-1-3', '0.50', '1.0801'));
const { account } = ledger;

function give(to: Account, command: AccountCommand, jump: number): Account {
  const { events, reply } = decide(to, command, factsOf({ seq: 9, nowMicros: NOW + jump }));
  const after = events.reduce(evolve, to);
  const isTaken = reply.type === 'order' && reply.state === 'SUBMITTED';
  if (reply.type === 'order' && reply.denial) expect(Object.keys(problemKinds)).toContain(reply.denial.code);
  if (!isTaken)
    expect([after.orders.size, after.balance, after.positions]).toEqual([to.orders.size, to.balance, to.positions]);
  return after;
}

test('an order with anything in any field is a coded answer', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(sent, jumps, (order, jump) => {
      const decoded = decodeFrame({ type: 'submit-order', id: 'x', account: 'demo-1', order });
      if (!decoded.ok) {
        seen.add(decoded.problem.code);
        expect(decoded.problem.code).toBe('VALIDATION_FAILED');
        expect(decoded.problem.errors!.length).toBeGreaterThan(0);
        return;
      }
      if (decoded.result.type !== 'submit-order') throw new Error('another message');
      const after = give(account, { type: 'submit-order', ...decoded.result.order }, jump);
      seen.add(after.orders.size > account.orders.size ? 'SUBMITTED' : 'DENIED');
    }),
    { numRuns: 5_000 },
  );
  // Neither did everything fail at the door, nor did everything pass.
  expect([...seen].toSorted()).toEqual(['DENIED', 'SUBMITTED', 'VALIDATION_FAILED']);
});

test('so is a message of any shape', () => {
  const codes = new Set<string>();
  fc.assert(
    fc.property(
      fc.oneof(hostile, fc.dictionary(fc.constantFrom('type', 'id', 'account', ...fields), hostile)),
      (message) => {
        const decoded = decodeFrame(message);
        codes.add(decoded.ok ? 'OK' : decoded.problem.code);
      },
    ),
    { numRuns: 2_000 },
  );
  expect([...codes]).toEqual(['VALIDATION_FAILED']);
});

test('and any text, which is JSON or is not', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.json(),
        fc.constantFrom('['.repeat(10_000), '{"a":'.repeat(5_000), '"\\ud800"', '1e999'),
      ),
      (text) => {
        const parsed = parseJson(text);
        if (parsed.ok) expect(() => decodeFrame(parsed.value)).not.toThrow();
        else expect(parsed.detail).not.toBe('');
      },
    ),
    { numRuns: 2_000 },
  );
});

const scaled = fc.oneof(
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
  fc.constantFrom(0n, 1n, -1n, s('1.08'), s('0.01')),
);
const anyCommand: fc.Arbitrary<AccountCommand> = fc.oneof(
  fc
    .record(
      {
        limitPrice: scaled,
        stopPrice: scaled,
        trailBy: scaled,
        stopLoss: scaled,
        takeProfit: scaled,
        quantity: scaled,
      },
      { requiredKeys: [] },
    )
    .chain((terms) =>
      fc
        .constantFrom(
          'market' as const,
          'limit' as const,
          'stop' as const,
          'stop-limit' as const,
          'trailing-stop' as const,
        )
        .map((orderType) => ({ ...marketOrder(), ...terms, orderType })),
    ),
  fc
    .record({ orderId: fc.constantFrom('o-1-3', 'o-1-99', ''), quantity: scaled, limitPrice: scaled })
    .map(({ orderId, ...change }) => ({ type: 'amend-order' as const, orderId, requestId: 'r', change })),
  fc
    .constantFrom('o-1-3', 'o-1-99', '__proto__')
    .map((orderId) => ({ type: 'cancel-order' as const, orderId, requestId: 'r' })),
  fc
    .record({ positionId: fc.constantFrom('p-1-4', 'nothing', ''), quantity: scaled })
    .map((close) => ({ type: 'close-position' as const, requestId: 'r', ...close })),
  fc
    .constantFrom('p-1-4', 'nothing')
    .map((positionId) => ({ type: 'close-by' as const, positionId, byPositionId: 'p-1-4', requestId: 'r' })),
);

test('no command that passes the door, with any number and at any time, is an error of the rules', () => {
  fc.assert(
    fc.property(anyCommand, jumps, (command, jump) => {
      expect(() => give(account, command, jump)).not.toThrow();
    }),
    { numRuns: 5_000 },
  );
});
