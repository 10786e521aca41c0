import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ACCOUNT_SNAPSHOT_VERSION, decodeAccount, encodeAccount } from '../../../actors/trading/account-snapshot.ts';
import { decide, emptyAccount, type Account, type Block, type WorkingOrder } from '../../../actors/trading/account.ts';
import type { PositionTerms } from '../../../actors/trading/events.ts';
import { type EndedOrders, ENDED_ORDERS_KEPT, noEndedOrders, rememberEnded } from '../../../actors/trading/order.ts';
import { PersistentMap } from '../../../actors/trading/persistent-map.ts';
import { orderTerms, stopOutTerms } from './arbitraries.ts';
import { factsOf, filled, limitOrder, opened, order, report } from './fixtures.ts';

const amount = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n });
const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('__proto__', 'toString', ''));
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });

const workingOrder: fc.Arbitrary<WorkingOrder> = fc
  .record({
    terms: orderTerms,
    rest: fc.record(
      {
        orderId: anyText,
        state: fc.constantFrom('SUBMITTED', 'ACCEPTED', 'PARTIALLY_FILLED', 'PENDING_CANCEL', 'UNKNOWN', 'FILLED'),
        filledQuantity: amount,
        margin: amount,
        conversionRate: amount,
        submittedMicros: count,
        fillIds: fc.array(anyText, { maxLength: 3 }),
      },
      { noNullPrototype: true },
    ),
  })
  .map(({ terms, rest }) => ({ ...terms, ...rest }));

const position: fc.Arbitrary<PositionTerms> = fc.record(
  {
    ...{ positionId: anyText, symbol: anyText, side: fc.constantFrom('buy' as const, 'sell' as const) },
    ...{ quantity: amount, cost: amount, averagePrice: amount },
  },
  { noNullPrototype: true },
);

const block: fc.Arbitrary<Block> = fc.record(
  {
    ...{
      reason: fc.constantFrom('reconciliation' as const, 'drawdown' as const),
      subject: anyText,
      sinceMicros: count,
    },
    figures: fc.dictionary(fc.constantFrom('limit', 'was'), anyText, { noNullPrototype: true }),
  },
  { noNullPrototype: true },
);

const side = fc.record({ quantity: amount, margin: amount }, { noNullPrototype: true });
const totals = fc.record({ buy: side, sell: side }, { noNullPrototype: true });

/** Whatever the types allow, also what no history comes to. */
const account: fc.Arbitrary<Account> = fc.record(
  {
    ...{ accountId: count, isOpen: fc.boolean(), currency: anyText, oms: fc.constant('netting' as const) },
    ...{
      leverage: count,
      aiMayOrder: fc.boolean(),
      balance: amount,
      isMarginCalled: fc.boolean(),
      stopOut: stopOutTerms,
    },
    negativeBalanceProtection: fc.constant(true as const),
    blocks: fc
      .array(block, { maxLength: 3 })
      .map((blocks) => new Map(blocks.map((each) => [`${each.reason}:${each.subject}`, each]))),
    day: fc.option(fc.record({ day: anyText, openEquity: amount, peakEquity: amount }, { noNullPrototype: true }), {
      nil: undefined,
    }),
    recent: fc.record(
      {
        orders: fc.array(fc.record({ key: anyText, orderId: anyText, timeMicros: count }, { noNullPrototype: true }), {
          maxLength: 3,
        }),
        fills: fc
          .array(fc.tuple(anyText, fc.array(count, { maxLength: 3 })), { maxLength: 3 })
          .map((all) => new Map(all)),
      },
      { noNullPrototype: true },
    ),
    orders: fc
      .array(workingOrder, { maxLength: 60 })
      .map((orders) => orders.reduce((map, each) => map.with(each.orderId, each), PersistentMap.empty<WorkingOrder>())),
    totals: fc.array(fc.tuple(anyText, totals), { maxLength: 5 }).map((entries) => new Map(entries)),
    ended: fc
      .array(workingOrder, { maxLength: 3 * ENDED_ORDERS_KEPT, size: 'max' })
      .map((orders): EndedOrders => orders.reduce(rememberEnded, noEndedOrders)),
    positions: fc
      .array(position, { maxLength: 5 })
      .map((positions) => new Map(positions.map((each) => [each.symbol, each]))),
    sequences: fc.record({ orders: count, positions: count, account: count }, { noNullPrototype: true }),
  },
  { noNullPrototype: true },
);

test('decoding after encoding is the identity, for whatever an account may hold', () => {
  fc.assert(
    fc.property(account, (any) => {
      const read = decodeAccount(encodeAccount(any));
      expect(read).toStrictEqual(any);
      expect([...read.orders.entries()]).toStrictEqual([...any.orders.entries()]);
      for (const part of ['totals', 'positions'] as const) expect([...read[part]]).toStrictEqual([...any[part]]);
    }),
    { numRuns: 100 },
  );
});

test('an account that was read back goes on as the one that was written', () => {
  const ledger = opened();
  // Enough of them that ended orders are forgotten on the way.
  for (let i = 0; i < 3 * ENDED_ORDERS_KEPT; i++) {
    const { reply } = ledger.give(limitOrder('1.07', { clientOrderId: `c-${i}` }));
    if (reply.type !== 'order' || i % 5 === 0) continue;
    ledger.give(
      i % 2 === 0 ? filled(reply.orderId, '0.1', '1.07') : report({ type: 'expired', orderId: reply.orderId }),
    );
    const read = decodeAccount(encodeAccount(ledger.account));
    for (const command of [order({ clientOrderId: 'next' }), filled(`o-1-${i + 3}`, '0.1', '1.07', 'late')]) {
      const facts = factsOf({ seq: ledger.nextSeq });
      expect(decide(read, command, facts)).toEqual(decide(ledger.account, command, facts));
    }
    ledger.account = read;
  }
  expect(ledger.account.ended.youngCount).toBeGreaterThan(0);
  expect(ledger.account.ended.old).toBeDefined();
});

test('the text of an account is the same for ever, as long as its version is', () => {
  const ledger = opened();
  ledger.give(limitOrder('1.079'));
  ledger.give(order({ clientOrderId: 'c-2' }));
  ledger.give(filled('o-1-4', '0.1', '1.08'));
  ledger.give(limitOrder('1.06', { clientOrderId: 'c-3', side: 'sell', symbol: 'GBPUSD' }));
  ledger.give(report({ type: 'rejected', orderId: 'o-1-6', reason: 'no' }));
  expect(ACCOUNT_SNAPSHOT_VERSION).toBe(2);
  expect(JSON.parse(encodeAccount(ledger.account))).toEqual({
    ...{ v: 2, accountId: 1, isOpen: true, isMarginCalled: false, blocks: [] },
    terms: { currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false },
    recentOrders: [
      ['GBPUSD sell limit 10000000 106000000 ', 'o-1-6'],
      ['EURUSD buy market 10000000  ', 'o-1-4'],
      ['EURUSD buy limit 10000000 107900000 ', 'o-1-3'],
    ].map(([key, orderId]) => ({ key, orderId, timeMicros: 1_800_000_000_000_000 })),
    recentFills: [{ subject: 'EURUSD', times: [1_800_000_000_000_000] }],
    balance: '100000',
    orders: [
      {
        ...{ orderId: 'o-1-3', clientOrderId: 'c-1', symbol: 'EURUSD', side: 'buy', orderType: 'limit' },
        ...{ quantity: '0.1', limitPrice: '1.079', timeInForce: 'gtc', source: 'trader', state: 'SUBMITTED' },
        ...{ filledQuantity: '0', margin: '360.04', conversionRate: '1', submittedMicros: 1_800_000_000_000_000 },
        fillIds: [],
      },
    ],
    totals: [{ symbol: 'EURUSD', buy: { quantity: '0.1', margin: '360.04' }, sell: { quantity: '0', margin: '0' } }],
    young: [
      {
        ...{ orderId: 'o-1-6', clientOrderId: 'c-3', symbol: 'GBPUSD', side: 'sell', orderType: 'limit' },
        ...{ quantity: '0.1', limitPrice: '1.06', timeInForce: 'gtc', source: 'trader', state: 'REJECTED' },
        ...{ filledQuantity: '0', margin: '0', conversionRate: '1', submittedMicros: 1_800_000_000_000_000 },
        fillIds: [],
      },
      {
        ...{ orderId: 'o-1-4', clientOrderId: 'c-2', symbol: 'EURUSD', side: 'buy', orderType: 'market' },
        ...{ quantity: '0.1', timeInForce: 'ioc', source: 'trader', state: 'FILLED' },
        ...{ filledQuantity: '0.1', margin: '0', conversionRate: '1', submittedMicros: 1_800_000_000_000_000 },
        fillIds: ['f-paper-o-1-4-1'],
      },
    ],
    old: [],
    positions: [
      {
        ...{ positionId: 'p-1-5', symbol: 'EURUSD', side: 'buy', quantity: '0.1', cost: '10800' },
        averagePrice: '1.08',
      },
    ],
    sequences: { orders: 5, positions: 1, account: 2 },
  });
});

const encoded = encodeAccount(emptyAccount(1));

test.each([
  ['nothing', ''],
  ['no object', '[]'],
  ['another version', encoded.replace('"v":2', '"v":1')],
  ['no version', encoded.replace('"v":2,', '')],
  ['an amount that is none', encoded.replace('"balance":"0"', '"balance":"1e3"')],
  ['an amount as a number', encoded.replace('"balance":"0"', '"balance":0')],
  ['orders that are no list', encoded.replace('"orders":[]', '"orders":{}')],
  ['an order that is none', encoded.replace('"orders":[]', '"orders":[1]')],
  ['no sequences', encoded.replace('"sequences"', '"numbers"')],
])('no account is read from %s', (_name, text) => {
  expect(() => decodeAccount(text)).toThrow(/must be|JSON/);
});
