import { describe, expect, test } from 'vitest';
import { type Account, decide, emptyAccount, evolve } from '../../../actors/trading/account.ts';
import { commandId, digest } from '../../../actors/trading/command-identity.ts';
import type { AccountCommand } from '../../../actors/trading/commands.ts';
import type { BrokerReport } from '../../../actors/trading/broker.ts';
import { ENDED_ORDERS_KEPT } from '../../../actors/trading/order.ts';
import { deciderOf } from '../../support/decider.ts';
import {
  factsOf,
  filled,
  type Ledger,
  limitOrder,
  marketWith,
  marketWithout,
  NOW,
  opened,
  order,
  quote,
  report,
  s,
} from './fixtures.ts';

const account = deciderOf({
  initial: emptyAccount(1),
  decide: (before: Account, command: AccountCommand) => decide(before, command, factsOf()),
  evolve,
});

describe('opening and deposits', () => {
  test('an account opens once, with its terms', () => {
    const ledger = opened({ currency: 'EUR', leverage: 20, aiMayOrder: true, balance: '50000' });
    expect(ledger.account).toMatchObject({
      accountId: 1,
      isOpen: true,
      currency: 'EUR',
      leverage: 20,
      aiMayOrder: true,
      balance: s('50000'),
      sequences: { orders: 0, positions: 0, account: 2 },
    });
    const again = { type: 'open-account', currency: 'USD', oms: 'netting', leverage: 1, aiMayOrder: false } as const;
    account.given(ledger.events).when(again).thenEvents().thenReply({ type: 'done' });
  });

  test.each([0, 501, 1.5, Number.NaN])('leverage %d is refused', (leverage) => {
    account
      .given([])
      .when({ type: 'open-account', currency: 'USD', oms: 'netting', leverage, aiMayOrder: false })
      .thenThrows(`leverage must be 1 to 500, was ${leverage}`);
  });

  test.each(['0', '-1', '0.001'])('a deposit of %s is refused', (amount) => {
    account
      .given(opened().events)
      .when({ type: 'deposit', reference: 'r', amount: s(amount) })
      .thenThrows(RangeError);
  });

  test('nothing can be deposited before the account is open', () => {
    account
      .given([])
      .when({ type: 'deposit', reference: 'r', amount: s('1') })
      .thenEvents()
      .thenReply({ type: 'refused', code: 'NOT_FOUND' });
  });
});

describe('submitting', () => {
  test('an order is named after its journal row and carries what it was valued at', () => {
    const ledger = opened({ currency: 'EUR' });
    const { events, reply } = ledger.give(order());
    expect(reply).toEqual({ type: 'order', orderId: 'o-1-3', clientOrderId: 'c-1', state: 'SUBMITTED' });
    const { type: _, ...terms } = order();
    expect(events).toEqual([
      {
        type: 'order-submitted',
        orderId: 'o-1-3',
        timeMicros: NOW,
        ...terms,
        margin: s('333.34'),
        currency: 'EUR',
        conversionRate: 925_925_925_925_925_926n,
      },
    ]);
    expect(ledger.account.orders.get('o-1-3')).toMatchObject({
      state: 'SUBMITTED',
      margin: s('333.34'),
      filledQuantity: 0n,
    });
  });

  test('a denial is an event and a reply, and changes nothing but the sequence', () => {
    const ledger = opened();
    const before = ledger.account;
    const { events, reply } = ledger.give(order({ quantity: 0n }));
    const denial = { code: 'QUANTITY_BELOW_MINIMUM', figures: { minimum: '0.01', was: '0.00' } };
    expect(reply).toEqual({ type: 'order', orderId: 'o-1-3', clientOrderId: 'c-1', state: 'DENIED', denial });
    expect(events).toMatchObject([{ type: 'order-denied', orderId: 'o-1-3', quantity: 0n, denial }]);
    expect(ledger.account).toEqual({ ...before, sequences: { ...before.sequences, orders: 1 } });
  });
});

/** `o-1-3`: a working limit order to buy 1 lot of EURUSD. */
function working(): Ledger {
  const ledger = opened();
  ledger.give(limitOrder('1.08', { quantity: s('1') }));
  return ledger;
}

const typesOf = ({ events }: { events: readonly { type: string }[] }) => events.map(({ type }) => type);

describe('canceling', () => {
  const cancel = (requestId: string): AccountCommand => ({ type: 'cancel-order', orderId: 'o-1-3', requestId });

  test('a working order waits for the broker to say so, and a second request is passed on', () => {
    const ledger = working();
    expect(ledger.give(cancel('1'))).toEqual({
      events: [{ type: 'order-pending-cancel', timeMicros: NOW, orderId: 'o-1-3', symbol: 'EURUSD' }],
      reply: { type: 'cancel', orderId: 'o-1-3', state: 'PENDING_CANCEL' },
    });
    expect(ledger.account.orders.get('o-1-3')?.state).toBe('PENDING_CANCEL');
    expect(typesOf(ledger.give(cancel('2')))).toEqual(['order-pending-cancel']);
    expect(typesOf(ledger.give(report({ type: 'canceled', orderId: 'o-1-3', reason: 'requested' })))).toEqual([
      'order-canceled',
    ]);
    expect(ledger.account.orders.size).toBe(0);
  });

  test('an ended order is refused without an event', () => {
    const ledger = working();
    ledger.give(filled('o-1-3', '1', '1.08'));
    account
      .given(ledger.events)
      .when(cancel('1'))
      .thenEvents()
      .thenReply({ type: 'refused', code: 'ORDER_NOT_WORKING', figures: { orderId: 'o-1-3', state: 'FILLED' } });
  });

  test('an order that was never there is not found', () => {
    account
      .given(opened().events)
      .when(cancel('1'))
      .thenEvents()
      .thenReply({ type: 'refused', code: 'NOT_FOUND', figures: { orderId: 'o-1-3' } });
  });
});

describe('fills', () => {
  test('come as the fill, the position, then the profit', () => {
    const ledger = working();
    expect(typesOf(ledger.give(filled('o-1-3', '0.4', '1.08', 'a')))).toEqual([
      'order-partially-filled',
      'position-opened',
    ]);
    expect(typesOf(ledger.give(filled('o-1-3', '0.6', '1.08', 'b')))).toEqual(['order-filled', 'position-changed']);
    ledger.give(order({ side: 'sell', quantity: s('1.5') }));
    expect(typesOf(ledger.give(filled('o-1-6', '1.5', '1.09')))).toEqual([
      'order-filled',
      'position-closed',
      'position-opened',
      'balance-changed',
    ]);
    expect(ledger.account.balance).toBe(s('101000'));
    expect(ledger.account.positions.get('EURUSD')).toMatchObject({
      positionId: 'p-1-7',
      side: 'sell',
      quantity: s('0.5'),
    });
    expect(ledger.account.sequences).toEqual({ orders: 5, positions: 4, account: 3 });
  });

  test('tell the order so far, its symbol and side, and when the broker says it happened', () => {
    const ledger = working();
    ledger.give(filled('o-1-3', '0.4', '1.08', 'a'));
    const { events } = ledger.give(filled('o-1-3', '0.1', '1.07', 'b'));
    expect(events[0]).toEqual({
      type: 'order-partially-filled',
      orderId: 'o-1-3',
      timeMicros: NOW,
      symbol: 'EURUSD',
      side: 'buy',
      fillId: 'f-paper-b',
      quantity: s('0.1'),
      price: s('1.07'),
      filledQuantity: s('0.5'),
      brokerTimeMicros: NOW - 5,
    });
  });

  test('a closing without profit is booked too', () => {
    const ledger = working();
    ledger.give(filled('o-1-3', '1', '1.08'));
    ledger.give(order({ side: 'sell', quantity: s('1') }));
    expect(ledger.give(filled('o-1-5', '1', '1.08')).events.at(-1)).toMatchObject({
      type: 'balance-changed',
      reason: 'profit',
      amount: 0n,
      balance: s('100000'),
      orderId: 'o-1-5',
      fillId: 'f-paper-o-1-5-1',
    });
  });

  test('a fill that is told again gives no event, also when the order has ended by it', () => {
    const ledger = working();
    ledger.give(filled('o-1-3', '0.4', '1.08', 'a'));
    account
      .given(ledger.events)
      .when(filled('o-1-3', '0.4', '1.08', 'a'))
      .thenEvents();
    ledger.give(filled('o-1-3', '0.6', '1.08', 'b'));
    account
      .given(ledger.events)
      .when(filled('o-1-3', '0.6', '1.08', 'b'))
      .thenEvents();
    expect(ledger.account.positions.get('EURUSD')?.quantity).toBe(s('1'));
  });

  test('an acknowledgement that a fill has overtaken gives no event', () => {
    const ledger = working();
    ledger.give(filled('o-1-3', '0.4', '1.08', 'a'));
    expect(ledger.give(report({ type: 'accepted', orderId: 'o-1-3' })).events).toEqual([]);
    ledger.give(filled('o-1-3', '0.6', '1.08', 'b'));
    expect(ledger.give(report({ type: 'accepted', orderId: 'o-1-3' })).events).toEqual([]);
  });

  test('a fill that comes after the order was canceled is booked', () => {
    const ledger = working();
    ledger.give(report({ type: 'canceled', orderId: 'o-1-3', reason: 'requested' }));
    expect(typesOf(ledger.give(filled('o-1-3', '0.4', '1.08', 'a')))).toEqual([
      'order-partially-filled',
      'position-opened',
    ]);
    expect(typesOf(ledger.give(filled('o-1-3', '0.6', '1.08', 'b')))).toEqual(['order-filled', 'position-changed']);
    expect(ledger.account.orders.size).toBe(0);
    expect(ledger.account.totals.size).toBe(0);
    expect(ledger.account.positions.get('EURUSD')?.quantity).toBe(s('1'));
  });
});

describe('reports that have no place', () => {
  const quarantined = (reason: string, state: string, type: string) => [
    { type: 'order-report-quarantined', orderId: 'o-1-3', timeMicros: NOW, report: type, state, reason },
  ];

  test.each([
    ['larger than the order', filled('o-1-3', '1.00000001', '1.08'), 'beyond-quantity'],
    ['of nothing', filled('o-1-3', '0', '1.08'), 'not-positive'],
    ['below zero', filled('o-1-3', '-1', '1.08'), 'not-positive'],
    ['at no price', filled('o-1-3', '1', '0'), 'not-positive'],
  ])('a fill %s is quarantined', (_, fill, reason) => {
    const ledger = working();
    const before = ledger.account;
    expect(ledger.give(fill).events).toEqual(quarantined(reason, 'SUBMITTED', 'filled'));
    const sequences = { ...before.sequences, orders: before.sequences.orders + 1 };
    expect(ledger.account).toEqual({ ...before, sequences });
  });

  test('a fill beyond what is left is quarantined', () => {
    const ledger = working();
    ledger.give(filled('o-1-3', '0.6', '1.08', 'a'));
    expect(ledger.give(filled('o-1-3', '0.41', '1.08', 'b')).events).toEqual(
      quarantined('beyond-quantity', 'PARTIALLY_FILLED', 'filled'),
    );
  });

  test('a report about an order that we do not know is quarantined', () => {
    expect(opened().give(filled('o-1-3', '1', '1.08')).events).toEqual(
      quarantined('order-not-known', 'NONE', 'filled'),
    );
  });

  test('a rejection of an order that has fills is quarantined', () => {
    const ledger = working();
    ledger.give(filled('o-1-3', '0.6', '1.08', 'a'));
    expect(ledger.give(report({ type: 'rejected', orderId: 'o-1-3', reason: 'no money' })).events).toEqual(
      quarantined('not-in-this-state', 'PARTIALLY_FILLED', 'rejected'),
    );
    ledger.give({ type: 'cancel-order', orderId: 'o-1-3', requestId: 'r' });
    expect(ledger.give(report({ type: 'rejected', orderId: 'o-1-3', reason: 'no money' })).events).toEqual(
      quarantined('not-in-this-state', 'PENDING_CANCEL', 'rejected'),
    );
  });

  test('a fill of an instrument that is not traded any more is quarantined', () => {
    const ledger = working();
    const facts = { ...factsOf(), instrument: () => undefined };
    expect(decide(ledger.account, filled('o-1-3', '1', '1.08'), facts).events).toEqual(
      quarantined('instrument-not-known', 'SUBMITTED', 'filled'),
    );
  });

  test('orders are forgotten at last, and what is then reported of them is quarantined', () => {
    const ledger = working();
    ledger.give(report({ type: 'expired', orderId: 'o-1-3' }));
    for (let i = 0; i < 2 * ENDED_ORDERS_KEPT; i++) {
      const { reply } = ledger.give(limitOrder('1.05'));
      const orderId = reply.type === 'order' ? reply.orderId : '';
      ledger.give(report({ type: 'expired', orderId }));
    }
    expect(ledger.give(report({ type: 'accepted', orderId: 'o-1-3' })).events).toEqual(
      quarantined('order-not-known', 'NONE', 'accepted'),
    );
  });
});

test.each<[BrokerReport, object]>([
  [{ type: 'accepted', orderId: 'o-1-3', venue: 'paper', timeMicros: 7 }, { type: 'order-accepted' }],
  [
    { type: 'rejected', reason: 'no money', orderId: 'o-1-3', venue: 'paper', timeMicros: 7 },
    { type: 'order-rejected', reason: 'no money' },
  ],
  [
    { type: 'canceled', reason: 'fill-or-kill', orderId: 'o-1-3', venue: 'paper', timeMicros: 7 },
    { type: 'order-canceled', reason: 'fill-or-kill' },
  ],
  [{ type: 'expired', orderId: 'o-1-3', venue: 'paper', timeMicros: 7 }, { type: 'order-expired' }],
])('a report that the order is $type becomes an event', (said, event) => {
  const common = { orderId: 'o-1-3', symbol: 'EURUSD', timeMicros: NOW, brokerTimeMicros: 7 };
  expect(working().give({ type: 'broker-report', report: said })).toEqual({
    events: [{ ...common, ...event }],
    reply: { type: 'done' },
  });
});

describe('booking a profit in another currency', () => {
  // 1 lot of USDJPY bought at 150.000 and sold at 150.100 gains 10,000 yen, and a yen is at least 1 ÷ 162.020 euro.
  function bought(): Ledger {
    const ledger = opened({ currency: 'EUR' });
    ledger.give(order({ symbol: 'USDJPY', quantity: s('1') }));
    ledger.give(filled('o-1-3', '1', '150'));
    ledger.give(order({ symbol: 'USDJPY', quantity: s('1'), side: 'sell' }));
    return ledger;
  }

  test('takes the rate that is worse for the trader, and says which', () => {
    expect(
      bought()
        .give(filled('o-1-5', '1', '150.1'))
        .events.at(-1),
    ).toMatchObject({
      amount: s('61.72'),
      balance: s('100061.72'),
      quoteAmount: 10_000n * 10n ** 18n,
      conversionRate: 6_172_077_521_293_667n,
      currency: 'EUR',
    });
  });

  test('takes it for a loss as well', () => {
    expect(
      bought()
        .give(filled('o-1-5', '1', '149.9'))
        .events.at(-1),
    ).toMatchObject({
      amount: s('-61.73'),
      conversionRate: 6_172_839_506_172_840n,
    });
  });

  test('takes a fresh way over the dollar before a direct rate that is stale', () => {
    const { events } = bought().give(filled('o-1-5', '1', '150.1'), {
      quotes: marketWith(quote('EURJPY', '170', '170.01', NOW - 60_000_000)),
    });
    expect(events.at(-1)).toMatchObject({ amount: s('61.72'), conversionRate: 6_171_856_542_773_702n });
  });

  test('takes the last rate when none is fresh, since a fill is a fact', () => {
    const { events } = bought().give(filled('o-1-5', '1', '150.1'), { nowMicros: NOW + 3_600_000_000 });
    expect(events.at(-1)).toMatchObject({ amount: s('61.72'), conversionRate: 6_172_077_521_293_667n });
  });

  test('takes the rate at which the order was valued when no quote was seen since a restart', () => {
    const { events } = bought().give(filled('o-1-5', '1', '150.1'), {
      quotes: marketWithout('EURJPY', 'USDJPY', 'EURUSD'),
    });
    expect(events.at(-1)).toMatchObject({ amount: s('61.73'), conversionRate: 6_172_839_506_172_840n });
  });
});

test('an event that does not follow from the account is a damaged journal', () => {
  const accepted = {
    type: 'order-accepted',
    orderId: 'o-1-9',
    symbol: 'EURUSD',
    timeMicros: 0,
    brokerTimeMicros: 0,
  } as const;
  expect(() => evolve(opened().account, accepted)).toThrow(
    'the journal holds "accepted" for order o-1-9, which is not known',
  );
});

describe('the id of a command', () => {
  test.each<[AccountCommand, string]>([
    [{ type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false }, 'system:open'],
    [{ type: 'deposit', reference: 'seed', amount: s('1') }, 'deposit:seed'],
    [order(), 'order:c-1'],
    [{ type: 'cancel-order', orderId: 'o-1-3', requestId: 'r-1' }, 'cancel:o-1-3:r-1'],
    [filled('o-1-3', '1', '1.08', 'x-1'), 'fill:paper:x-1'],
    [report({ type: 'accepted', orderId: 'o-1-3' }), 'accepted:paper:o-1-3'],
    [report({ type: 'rejected', orderId: 'o-1-3', reason: 'no' }), 'rejected:paper:o-1-3'],
    [report({ type: 'canceled', orderId: 'o-1-3', reason: 'requested' }), 'canceled:paper:o-1-3'],
    [report({ type: 'expired', orderId: 'o-1-3' }), 'expired:paper:o-1-3'],
  ])('is made of what it is about (%#)', (command, id) => {
    expect(commandId(command)).toBe(id);
  });
});

describe('the digest of a command', () => {
  test('does not depend on the order of fields, and is the same for ever', () => {
    const { type, ...terms } = order();
    expect(digest({ ...terms, type })).toBe(digest(order()));
    expect(digest(order())).toBe('17545403d75ae2b53c1bfa7c1de8fe35281048acb526587b73599aef4d3caff1');
  });

  test('does not depend on when a broker repeats itself', () => {
    const said = { type: 'accepted', orderId: 'o-1-3', venue: 'paper' } as const;
    const at = (timeMicros: number): AccountCommand => ({ type: 'broker-report', report: { ...said, timeMicros } });
    expect(digest(at(1))).toBe(digest(at(2)));
  });

  test.each([
    order({ quantity: s('0.11') }),
    order({ side: 'sell' }),
    order({ symbol: 'GBPUSD' }),
    order({ timeInForce: 'fok' }),
    order({ source: 'ai' }),
    order({ limitPrice: s('1.08') }),
    limitOrder('1.08'),
  ])('differs where the order differs (%#)', (other) => {
    expect(digest(other)).not.toBe(digest(order()));
  });
});
