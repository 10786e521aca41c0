import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type Quote, QuoteBoard, type SourceFault } from '../../../actors/market/quote.ts';
import type { BrokerOrder, BrokerReport, BrokerStatement } from '../../../actors/trading/broker.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { createPaperBroker } from '../../../transports/drivers/paper-broker.ts';
import { brokerContract } from '../../contract/broker.ts';
import { eurusd } from '../../support/instruments.ts';

const symbol = 'EURUSD';
const nothing = { orders: [], positions: [] };

function start(deliver?: (run: () => void) => void, hours?: { isOpen(micros: number): boolean }) {
  const clock = new VirtualClock(1_000_000_000);
  const quotes = new QuoteBoard();
  const instrument = (name: string) => (name === symbol ? eurusd : undefined);
  const broker = createPaperBroker({
    clock,
    quotes,
    instrument,
    ...(deliver && { deliver }),
    ...(hours && { hours: () => hours }),
  });
  let sequence = 0;
  const quote = (bid: number, ask: number, ageMs = 0, fault?: SourceFault): Quote => {
    const timeMicros = clock.wallMicros() - ageMs * 1000;
    const made = { symbol, bid, ask, timeMicros, sequence: (sequence += 1), ...(fault && { fault }) };
    quotes.set(made);
    broker.onQuote(made);
    return made;
  };
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { broker, clock, symbol, quote, settle, close: () => {} };
}

/** Reports are delivered at once, which is simpler to read where their timing does not matter. */
function startLoggedIn(hours?: { isOpen(micros: number): boolean }) {
  const reports: BrokerReport[] = [];
  const harness = start((run) => run(), hours);
  const statements: BrokerStatement[] = [];
  const login = harness.broker.login('account-1', nothing, (message) => {
    if (message.type === 'report') reports.push(message.report);
    if (message.type === 'statement') statements.push(message.statement);
  });
  const working = () => {
    login.query('working', [], true);
    return statements
      .at(-1)!
      .orders.filter(({ state }) => state === 'working')
      .map(({ orderId }) => orderId);
  };
  return { ...harness, login, reports, working, statements, types: () => reports.map(({ type }) => type) };
}

const market: BrokerOrder = {
  orderId: 'o-1',
  symbol,
  side: 'buy',
  orderType: 'market',
  quantity: 100_000_000n,
  timeInForce: 'gtc',
};
const limit = (orderId: string, side: 'buy' | 'sell', limitPrice: bigint): BrokerOrder => ({
  ...market,
  orderId,
  side,
  orderType: 'limit',
  limitPrice,
});

describe('the paper broker keeps the contract of brokers', () => {
  brokerContract(() => start());
});

test('outside of its hours nothing is filled and no stop is triggered, whatever the quotes', () => {
  const hours = { isOpen: (micros: number) => micros >= 1_060_000_000 };
  const { clock, login, quote, types } = startLoggedIn(hours);
  quote(107_000_000, 107_010_000);
  login.place({ ...market, orderId: 'o-1' });
  login.place(limit('o-2', 'buy', 108_000_000n));
  login.place({ ...market, orderId: 'o-3', orderType: 'stop', stopPrice: 107_000_000n });
  login.place({ ...market, orderId: 'o-4', timeInForce: 'ioc' });
  expect(types()).toEqual(['accepted', 'accepted', 'accepted', 'canceled']);
  quote(107_000_000, 107_010_000);
  expect(types()).toHaveLength(4);
  clock.advance(60_000);
  quote(107_000_000, 107_010_000);
  expect(types().slice(4)).toEqual(['triggered', 'filled', 'filled', 'filled']);
});

test('a fill is named after its order, so it is recognised after a restart of the broker', () => {
  const first = startLoggedIn();
  first.quote(100, 102);
  first.login.place(market);
  const second = startLoggedIn();
  second.quote(110, 112);
  second.login.place(market);
  expect([...first.reports, ...second.reports]).toMatchObject([
    { type: 'filled', executionId: 'o-1-1', price: 102n, venue: 'paper', timeMicros: 1_000_000_000 },
    { type: 'filled', executionId: 'o-1-1', price: 112n },
  ]);
});

test.each([
  ['missing', () => {}],
  ['crossed', ({ quote }: ReturnType<typeof startLoggedIn>) => void quote(105, 102)],
  [
    'stale',
    ({ quote, clock }: ReturnType<typeof startLoggedIn>) => (quote(100, 102), clock.advance(eurusd.staleAfterMs + 1)),
  ],
])('a market order waits for the next good quote when the last one is %s', (_, prepare) => {
  const harness = startLoggedIn();
  prepare(harness);
  harness.login.place(market);
  expect([harness.types(), harness.working()]).toEqual([['accepted'], ['o-1']]);
  harness.quote(108, 107);
  harness.quote(100, 102, eurusd.staleAfterMs + 1);
  harness.quote(100, 102, 0, 'diverged');
  expect(harness.types()).toEqual(['accepted']);
  harness.quote(110, 112);
  expect(harness.reports.at(-1)).toMatchObject({ type: 'filled', price: 112n });
});

test('a market order for the day waits as one without an end does', () => {
  const { login, quote, types } = startLoggedIn();
  login.place({ ...market, timeInForce: 'day' });
  quote(100, 102);
  expect(types()).toEqual(['accepted', 'filled']);
});

test.each(['ioc', 'fok'] as const)('a market order that is %s does not wait for a good quote', (timeInForce) => {
  const { login, types, working } = startLoggedIn();
  login.place({ ...market, timeInForce });
  expect([types(), working()]).toEqual([['canceled'], []]);
});

test.each([
  ['buy', 105n, 100, 102, 102n],
  ['sell', 95n, 100, 102, 100n],
] as const)(
  'a %s limit at %d that is marketable on arrival is filled at the far side',
  (side, price, bid, ask, filled) => {
    const { login, quote, reports } = startLoggedIn();
    quote(bid, ask);
    login.place(limit('o-1', side, price));
    expect(reports).toMatchObject([{ type: 'filled', price: filled }]);
  },
);

test.each([
  ['buy', 95n, [94, 96], [90, 95]],
  ['buy', 95n, [94, 96], [90, 93]],
  ['sell', 105n, [104, 106], [105, 108]],
  ['sell', 105n, [104, 106], [107, 108]],
] as const)(
  'a resting %s limit is filled at its limit when the far side reaches it, and not before',
  (side, price, before, reached) => {
    const { login, quote, reports, types } = startLoggedIn();
    quote(100, 102);
    login.place(limit('o-1', side, price));
    quote(before[0], before[1]);
    expect(types()).toEqual(['accepted']);
    quote(reached[0], reached[1]);
    expect(reports.at(-1)).toMatchObject({ type: 'filled', price });
  },
);

test.each<[string, Partial<BrokerOrder>]>([
  ['a stop order has a stop price', { orderType: 'stop' }],
  ['a trailing stop has a distance, others have none', { orderType: 'trailing-stop' }],
  ['an order that is good till a date has a date', { timeInForce: 'gtd' }],
  ['its date is past', { timeInForce: 'gtd', expireAtMicros: 1_000_000_000 }],
  ['a limit order has a limit price, others have none', { orderType: 'limit' }],
  ['a limit order has a limit price, others have none', { limitPrice: 90n }],
  // A price that the tick path cannot hold would otherwise break every session that places the order anew.
  ['a price is too large', { orderType: 'limit', side: 'sell', limitPrice: 9_500_000_000_000_000n }],
  ['unknown symbol NOSUCH', { symbol: 'NOSUCH' }],
])('an order that the broker has no place for is rejected: %s', (reason, change) => {
  const { login, quote, reports } = startLoggedIn();
  quote(100, 102);
  login.place({ ...market, ...change });
  expect(reports).toMatchObject([{ type: 'rejected', reason }]);
});

test('a cancel that overtakes its order wins: the order is not filled when it arrives', () => {
  const { login, quote, types } = startLoggedIn();
  quote(100, 102);
  login.cancel('o-1', 'r');
  login.place(market);
  expect(types()).toEqual(['canceled', 'canceled']);
});

test('a login that was taken over places and cancels nothing', () => {
  const { broker, login, quote, reports } = startLoggedIn();
  quote(100, 102);
  const next = broker.login(
    'account-1',
    nothing,
    (message) => void (message.type === 'report' && reports.push(message.report)),
  );
  next.place(limit('o-1', 'buy', 90n));
  login.place(market);
  login.cancel('o-1', 'r');
  login.close();
  quote(80, 90);
  expect(reports.map(({ orderId, type }) => [orderId, type])).toEqual([
    ['o-1', 'accepted'],
    ['o-1', 'filled'],
  ]);
});

test('a login remembers how its last 1,000 orders ended, and forgets the oldest first', () => {
  const { login, quote, reports } = startLoggedIn();
  quote(100, 102);
  for (let order = 0; order <= 1_000; order += 1) login.place({ ...market, orderId: `o-${order}` });
  quote(110, 112);
  reports.length = 0;
  login.place({ ...market, orderId: 'o-1' });
  login.place({ ...market, orderId: 'o-0' });
  expect(reports).toMatchObject([{ price: 102n }, { price: 112n }]);
});

type Step =
  | { type: 'place'; side: 'buy' | 'sell'; price: number | undefined; timeInForce: 'gtc' | 'ioc' | 'fok' }
  | { type: 'cancel'; at: number }
  | { type: 'quote'; bid: number; spread: number; ageMs: number }
  | { type: 'wait'; ms: number };

const price = fc.integer({ min: 90, max: 110 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constant('place' as const),
    side: fc.constantFrom('buy' as const, 'sell' as const),
    price: fc.option(price, { nil: undefined }),
    timeInForce: fc.constantFrom('gtc' as const, 'gtc' as const, 'ioc' as const, 'fok' as const),
  }),
  fc.record({ type: fc.constant('cancel' as const), at: fc.nat(40) }),
  fc.record({
    type: fc.constant('quote' as const),
    bid: price,
    spread: fc.integer({ min: -3, max: 5 }),
    ageMs: fc.constantFrom(0, 0, 0, 6_000),
  }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(100, 6_000) }),
);

test('whatever happens: no fill on a crossed or stale quote, none better than quoted, none twice, the best price first', () => {
  let fills = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), (steps) => {
      const harness = startLoggedIn();
      const placed: BrokerOrder[] = [];
      let last: Quote | undefined;
      for (const one of steps) {
        const before = harness.reports.length;
        const wasWorking = new Set(harness.working());
        switch (one.type) {
          case 'place': {
            const order: BrokerOrder = {
              ...market,
              orderId: `o-${placed.length}`,
              side: one.side,
              timeInForce: one.timeInForce,
            };
            placed.push(
              one.price === undefined ? order : { ...order, orderType: 'limit', limitPrice: BigInt(one.price) },
            );
            harness.login.place(placed.at(-1)!);
            break;
          }
          case 'cancel':
            harness.login.cancel(`o-${one.at}`, 'r');
            break;
          case 'quote':
            last = harness.quote(one.bid, one.bid + one.spread, one.ageMs);
            break;
          case 'wait':
            harness.clock.advance(one.ms);
            break;
        }
        // A cancel repeats the report of an order that has ended; what is new is what was working or has just been placed.
        const filled = harness.reports.slice(before).filter((report) => report.type === 'filled');
        if (one.type === 'cancel') continue;
        for (const { orderId, price: at } of filled) {
          const order = placed.find((candidate) => candidate.orderId === orderId)!;
          expect(last!.bid <= last!.ask && harness.clock.wallMicros() - last!.timeMicros <= 5_000_000).toBe(true);
          expect(order.side === 'buy' ? at >= BigInt(last!.ask) : at <= BigInt(last!.bid)).toBe(true);
          const worst = order.limitPrice ?? at;
          expect(order.side === 'buy' ? at <= worst : at >= worst).toBe(true);
          expect(one.type === 'place' || wasWorking.has(orderId)).toBe(true);
        }
        expect(new Set(filled.map(({ orderId }) => orderId)).size).toBe(filled.length);
        expect(filled.map(({ orderId }) => orderId)).toEqual(
          filled.toSorted(byPriority(placed)).map(({ orderId }) => orderId),
        );
        fills += filled.length;
      }
    }),
    { numRuns: 500 },
  );
  expect(fills).toBeGreaterThan(500);
});

/** Market orders, then buys from the highest limit, then sells from the lowest; equals by time of arrival. */
function byPriority(placed: readonly BrokerOrder[]) {
  const rank = (orderId: string): [number, number, number] => {
    const at = placed.findIndex((order) => order.orderId === orderId);
    const { side, limitPrice } = placed[at]!;
    if (limitPrice === undefined) return [0, 0, at];
    return side === 'buy' ? [1, -Number(limitPrice), at] : [2, Number(limitPrice), at];
  };
  return (one: { orderId: string }, other: { orderId: string }): number => {
    const [a, b] = [rank(one.orderId), rank(other.orderId)];
    return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
  };
}
