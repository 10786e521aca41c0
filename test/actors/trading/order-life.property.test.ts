/** The whole life of orders: every kind of order, change, report and request, in whatever order they come. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, emptyAccount, evolve, type Account, type WorkingOrder } from '../../../actors/trading/account.ts';
import { decodeAccount, encodeAccount } from '../../../actors/trading/account-snapshot.ts';
import type { BrokerReport } from '../../../actors/trading/broker.ts';
import { decodeEvent, decodePayload, encodeEvent, encodePayload } from '../../../actors/trading/codec.ts';
import { commandId } from '../../../actors/trading/command-identity.ts';
import type { AccountCommand } from '../../../actors/trading/commands.ts';
import type { AccountEvent, JournalledCommit, OrderChange } from '../../../actors/trading/events.ts';
import { postingsOf } from '../../../actors/trading/ledger.ts';
import { isWorking } from '../../../actors/trading/order.ts';
import { recallEnded } from '../../../actors/trading/order.ts';
import { fillableQuantity } from '../../../actors/trading/order-book.ts';
import { ordersToLookUp, projectionRows, type KnownOrder } from '../../../transports/drivers/projection-rows.ts';
import { factsOf, instrument, market, NOW, order, s } from './fixtures.ts';

const symbols = ['EURUSD', 'USDJPY', 'XAUUSD'] as const;
const kinds = ['market', 'limit', 'stop', 'stop-limit', 'trailing-stop'] as const;

type Step =
  | {
      readonly type: 'submit';
      readonly kind: number;
      readonly symbol: number;
      readonly flags: number;
      readonly lots: number;
    }
  | { readonly type: 'amend'; readonly at: number; readonly lots: number }
  | { readonly type: 'cancel'; readonly at: number; readonly lots: number }
  | { readonly type: 'cancel-all'; readonly at: number }
  | { readonly type: 'enforce'; readonly at: number }
  | { readonly type: 'close'; readonly at: number }
  | {
      readonly type: 'report';
      readonly at: number;
      readonly said: number;
      readonly lots: number;
      readonly execution: number;
    };

const nat = (max: number) => fc.nat(max);
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('submit' as const),
      kind: nat(4),
      symbol: nat(2),
      flags: nat(127),
      lots: nat(20),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('amend', 'cancel'), at: nat(12), lots: nat(20) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom('cancel-all' as const, 'enforce' as const, 'close' as const),
      at: nat(9),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      at: nat(12),
      said: nat(13),
      lots: nat(20),
      execution: nat(4),
    }),
  },
) as fc.Arbitrary<Step>;

interface Row {
  readonly command: AccountCommand;
  readonly events: readonly AccountEvent[];
  readonly after: Account;
}

function play(oms: 'netting' | 'hedging', script: readonly Step[]): Row[] {
  let account = emptyAccount(7);
  const rows: Row[] = [];
  const orderIds: string[] = [];
  const seen = new Set<string>();
  const give = (command: AccountCommand): void => {
    // As the entity does it: the same id has no second effect.
    const id = commandId(command);
    if (seen.has(id)) return;
    seen.add(id);
    const { events } = decide(account, command, factsOf({ seq: rows.length + 1, nowMicros: NOW + rows.length }));
    if (events.length === 0) return;
    account = events.reduce(evolve, account);
    for (const event of events) if (event.type === 'order-submitted') orderIds.push(event.orderId);
    rows.push({ command, events, after: account });
  };
  const stopOut = { mode: 'percent', callLevel: 100_00n, stopLevel: 50_00n } as const;
  give({ type: 'open-account', currency: 'USD', oms, leverage: 30, aiMayOrder: false, stopOut });
  give({ type: 'deposit', reference: 'seed', amount: s('1000000') });
  script.forEach((each, i) => {
    if (each.type === 'submit') return give(submitOf(each, i));
    if (each.type === 'cancel-all')
      return give({
        type: 'cancel-all',
        requestId: `r${i}`,
        reason: 'kill-switch',
        ...(each.at > 4 ? { flatten: true } : {}),
      });
    if (each.type === 'enforce') return give({ type: 'enforce', requestId: `r${i}` });
    if (each.type === 'close') {
      const position = [...account.positions.values()][each.at];
      return position && give({ type: 'close-position', positionId: position.positionId, requestId: `r${i}` });
    }
    const orderId = orderIds.at(-1 - each.at) ?? 'o-7-999';
    if (each.type === 'cancel') return give({ type: 'cancel-order', orderId, requestId: `r${i}` });
    if (each.type === 'amend')
      return give({ type: 'amend-order', orderId, requestId: `r${i}`, change: changeOf(each) });
    return give({ type: 'broker-report', report: reportOf(each, orderId, i) });
  });
  return rows;
}

function submitOf({ kind, symbol: at, flags, lots }: Extract<Step, { type: 'submit' }>, i: number): AccountCommand {
  const symbol = symbols[at]!;
  const { bid, ask } = market.find((quote) => quote.symbol === symbol)!;
  const tick = instrument(symbol)!.tickSize;
  const isBuy = (flags & 1) === 0;
  const orderType = kinds[kind]!;
  const away = tick * 100n;
  const limitPrice = isBuy ? BigInt(bid) - away : BigInt(ask) + away;
  const stopPrice = isBuy ? BigInt(ask) + away : BigInt(bid) - away;
  const opensAt =
    orderType === 'limit' || orderType === 'stop-limit'
      ? limitPrice
      : orderType === 'stop'
        ? stopPrice
        : BigInt(isBuy ? bid : ask);
  const sign = isBuy ? 1n : -1n;
  return order({
    ...{
      clientOrderId: `c-${i}`,
      symbol,
      side: isBuy ? 'buy' : 'sell',
      orderType,
      quantity: BigInt(lots + 1) * s('0.01'),
    },
    timeInForce: orderType === 'market' ? 'ioc' : (flags & 2) === 0 ? 'gtc' : 'day',
    ...(orderType === 'limit' || orderType === 'stop-limit' ? { limitPrice } : {}),
    ...(orderType === 'stop' || orderType === 'stop-limit' ? { stopPrice } : {}),
    ...(orderType === 'trailing-stop' ? { trailBy: away } : {}),
    ...((flags & 4) === 0 ? {} : { stopLoss: opensAt - sign * away }),
    ...((flags & 8) === 0 ? {} : { takeProfit: opensAt + sign * away }),
    ...((flags & 48) === 48 ? { reduceOnly: true } : {}),
    ...((flags & 64) === 0 ? {} : { ocoGroup: 'g' }),
  });
}

function changeOf({ lots }: { readonly lots: number }): OrderChange {
  if (lots % 4 === 0) return { stopLoss: s('0.5') };
  return { quantity: BigInt(lots + 1) * s('0.01') };
}

function reportOf(
  { said, lots, execution }: Extract<Step, { type: 'report' }>,
  orderId: string,
  i: number,
): BrokerReport {
  const quantity = BigInt(lots + 1) * s('0.01');
  const common = { orderId, venue: 'paper', timeMicros: NOW, requestId: `q${i}` };
  const all: readonly BrokerReport[] = [
    { ...common, type: 'accepted' },
    { ...common, type: 'rejected', reason: 'no' },
    { ...common, type: 'triggered' },
    { ...common, type: 'trailed', stopPrice: s('1.1') + BigInt(lots) },
    { ...common, type: 'canceled', reason: 'requested' },
    { ...common, type: 'expired' },
    { ...common, type: 'updated', change: { quantity } },
    { ...common, type: 'update-rejected', reason: 'no' },
    { ...common, type: 'cancel-rejected', reason: 'no' },
    { ...common, type: 'unknown', reason: 'silent' },
  ];
  return all[said] ?? { ...common, type: 'filled', executionId: `${orderId}-${execution}`, quantity, price: s('1.08') };
}

function holds(check: (rows: readonly Row[]) => void, numRuns = 300): void {
  fc.assert(
    fc.property(
      fc.constantFrom('netting' as const, 'hedging' as const),
      fc.array(step, { maxLength: 60, size: 'max' }),
      (oms, script) => {
        check(play(oms, script));
      },
    ),
    { numRuns },
  );
}

const fold = (rows: readonly Row[]) => rows.flatMap(({ events }) => events).reduce(evolve, emptyAccount(7));

test('stories come to everything: each kind of event happens', () => {
  const seen = new Set<string>();
  holds((rows) => {
    for (const { events } of rows) for (const event of events) seen.add(event.type);
  });
  const wanted = [
    'submitted',
    'denied',
    'accepted',
    'rejected',
    'triggered',
    'trailed',
    'partially-filled',
    'filled',
    'canceled',
  ]
    .concat(['expired', 'pending-update', 'updated', 'update-rejected', 'pending-cancel', 'cancel-rejected', 'unknown'])
    .map((name) => `order-${name}`);
  expect([...seen]).toEqual(
    expect.arrayContaining([...wanted, 'position-opened', 'position-changed', 'position-closed']),
  );
});

test('replaying the journal gives the same account, through its texts and through a snapshot anywhere', () => {
  holds((rows) => {
    const live = rows.at(-1)!.after;
    expect(fold(rows)).toStrictEqual(live);
    const read = rows.flatMap(({ command, events }) => {
      const texts = events.map((event) => encodeEvent(event, instrument));
      const payload = encodePayload({ command, events: texts, reply: { type: 'done' } });
      for (const [i, text] of texts.entries()) expect(decodeEvent(JSON.parse(text))).toStrictEqual(events[i]);
      return decodePayload(payload).events;
    });
    expect(read.reduce(evolve, emptyAccount(7))).toStrictEqual(live);
    const middle = rows[Math.floor(rows.length / 2)]!;
    const rest = rows.slice(rows.indexOf(middle) + 1).flatMap(({ events }) => events);
    expect(encodeAccount(rest.reduce(evolve, decodeAccount(encodeAccount(middle.after))))).toBe(encodeAccount(live));
  });
});

test('the totals of each side are those of the orders that may open something', () => {
  holds((rows) => {
    for (const { after } of rows) {
      const expected = new Map<string, { buy: bigint[]; sell: bigint[] }>();
      for (const each of after.orders.values()) {
        expect(isWorking(each.state)).toBe(true);
        expect(each.margin >= 0n).toBe(true);
        if (each.reduceOnly) continue;
        const sides = expected.get(each.symbol) ?? { buy: [0n, 0n], sell: [0n, 0n] };
        const open = fillableQuantity(each) - each.filledQuantity;
        const [quantity, margin] = sides[each.side];
        sides[each.side] = [quantity! + (open > 0n ? open : 0n), margin! + each.margin];
        expected.set(each.symbol, sides);
      }
      for (const [symbol, { buy, sell }] of after.totals)
        expect([buy.quantity, buy.margin, sell.quantity, sell.margin]).toEqual([
          ...(expected.get(symbol)?.buy ?? [0n, 0n]),
          ...(expected.get(symbol)?.sell ?? [0n, 0n]),
        ]);
      for (const [symbol, { buy, sell }] of expected)
        if (buy[0]! + sell[0]! > 0n) expect(after.totals.has(symbol)).toBe(true);
    }
  });
});

test('what is open is what was filled, and the balance is what was booked', () => {
  holds((rows) => {
    const net = new Map<string, bigint>();
    let [balance, client] = [0n, 0n];
    const books = new Map<string, bigint>();
    for (const { events, after } of rows) {
      for (const event of events) {
        if (event.type === 'order-filled' || event.type === 'order-partially-filled')
          net.set(
            event.symbol,
            (net.get(event.symbol) ?? 0n) + (event.side === 'buy' ? event.quantity : -event.quantity),
          );
        if (event.type !== 'balance-changed') continue;
        balance += event.amount;
        for (const posting of postingsOf(event)) {
          books.set(posting.currency, (books.get(posting.currency) ?? 0n) + posting.amount);
          if (posting.account === 'client') client += posting.amount;
        }
      }
      const open = new Map<string, bigint>();
      for (const { symbol, side, quantity } of after.positions.values()) {
        expect(quantity > 0n).toBe(true);
        open.set(symbol, (open.get(symbol) ?? 0n) + (side === 'buy' ? quantity : -quantity));
      }
      for (const symbol of symbols) expect(open.get(symbol) ?? 0n).toBe(net.get(symbol) ?? 0n);
      expect(after.balance).toBe(balance);
      // Double entry: what the client has is what all others of the books have given.
      expect([...books.values()].every((sum) => sum === 0n)).toBe(true);
      expect(client).toBe(balance * 10n ** 10n);
    }
  });
});

test('no order is filled beyond its quantity, none that only reduces opens anything, and an order that has ended stays so', () => {
  holds((rows) => {
    const ended = new Set<string>();
    for (const { events, after } of rows) {
      for (const each of after.orders.values()) expect(each.filledQuantity <= fillableQuantity(each)).toBe(true);
      for (const event of events) {
        if (event.type === 'order-submitted') expect(ended.has(event.orderId)).toBe(false);
        if (!('orderId' in event) || event.orderId === undefined) continue;
        const known: WorkingOrder | undefined =
          after.orders.get(event.orderId) ?? recallEnded(after.ended, event.orderId);
        if (known && !isWorking(known.state)) ended.add(event.orderId);
        if (ended.has(event.orderId)) expect(after.orders.has(event.orderId)).toBe(false);
      }
    }
  });
});

test('the read models have each order in the state that the account has it in, however the rows were batched', () => {
  holds((rows) => {
    const table = new Map<string, KnownOrder & { quantity: string; limit_price: string | null }>();
    const commits = rows.map(({ events }, i): JournalledCommit => ({
      ...{ tenantId: 1, tenant: 't', accountId: 7, account: 'a', seq: i + 1, commandId: 'c', digest: 'd' },
      events: events.map((event) => ({ event })),
    }));
    const size = 1 + (rows.length % 5);
    for (let from = 0; from < commits.length; from += size) {
      const batch = commits.slice(from, from + size);
      const known = ordersToLookUp(batch).flatMap(({ order_id }) => table.get(order_id) ?? []);
      const { newOrders, changedOrders } = projectionRows(batch, known);
      for (const row of [...newOrders, ...changedOrders] as KnownOrder[])
        table.set(row.order_id, { ...table.get(row.order_id), ...(JSON.parse(JSON.stringify(row)) as typeof row) });
    }
    const { orders, ended } = rows.at(-1)!.after;
    expect([...orders.values()].filter(({ orderId }) => !table.has(orderId))).toEqual([]);
    for (const row of table.values()) {
      const ours = orders.get(row.order_id) ?? recallEnded(ended, row.order_id);
      if (ours) expect([row.order_id, row.state]).toEqual([row.order_id, ours.state]);
    }
  });
});
