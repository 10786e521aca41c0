/** What every broker does, whichever driver stands for it. */
import { expect, test } from 'vitest';

import type {
  Broker,
  BrokerLogin,
  BrokerMessage,
  BrokerOrder,
  BrokerReport,
  BrokerStatement,
} from '../../actors/trading/broker.ts';

/** A broker with one market that the test moves. Prices are scaled by 10^8. */
export interface BrokerHarness {
  readonly broker: Broker;
  readonly symbol: string;
  /** Moves the market; orders that it reaches are filled. Awaited. */
  quote(bid: number, ask: number): unknown;
  /** Resolves once every report that is due has been delivered. */
  settle(): Promise<void>;
  close(): void | Promise<void>;
}

const lot = 100_000_000n;
const nothing = { orders: [], positions: [] };

function into(reports: BrokerReport[]): (message: BrokerMessage) => void {
  return (message) => void (message.type === 'report' && reports.push(message.report));
}

export function brokerContract(start: () => BrokerHarness | Promise<BrokerHarness>): void {
  interface Session {
    readonly harness: BrokerHarness;
    readonly reports: BrokerReport[];
    readonly login: BrokerLogin;
    order(orderId: string, change?: Partial<BrokerOrder>): BrokerOrder;
    /** Types of the reports about an order, in order. */
    told(orderId: string): string[];
    /** Ids of the orders that work, as the broker states them. */
    working(): Promise<string[]>;
  }

  /** Runs a test in a market of 1.0000 to 1.0001 with one account logged in. */
  const session = (run: (session: Session) => Promise<void>) => async () => {
    const harness = await start();
    const reports: BrokerReport[] = [];
    const statements: BrokerStatement[] = [];
    const login = harness.broker.login('account-1', nothing, (message) => {
      if (message.type === 'report') reports.push(message.report);
      if (message.type === 'statement') statements.push(message.statement);
    });
    const working = async () => {
      login.query('working', [], true);
      await harness.settle();
      return statements
        .at(-1)!
        .orders.filter(({ state }) => state === 'working')
        .map(({ orderId }) => orderId);
    };
    const order = (orderId: string, change: Partial<BrokerOrder> = {}): BrokerOrder => ({
      orderId,
      symbol: harness.symbol,
      side: 'buy',
      orderType: change.limitPrice === undefined ? 'market' : 'limit',
      quantity: lot,
      timeInForce: 'gtc',
      ...change,
    });
    const told = (orderId: string) => reports.filter((report) => report.orderId === orderId).map(({ type }) => type);
    try {
      await harness.quote(100_000_000, 100_010_000);
      await run({ harness, reports, login, order, told, working });
    } finally {
      await harness.close();
    }
  };

  test(
    'reports come after the call that caused them has returned',
    session(async ({ harness, login, order, reports, told }) => {
      login.place(order('o-1'));
      login.cancel('o-9', 'r');
      expect(reports).toEqual([]);
      await harness.settle();
      expect([told('o-1').at(-1), told('o-9')]).toEqual(['filled', ['canceled']]);
    }),
  );

  test(
    'a market order is filled at the far side of the quote',
    session(async ({ harness, login, order, reports }) => {
      login.place(order('o-1', { side: 'buy' }));
      login.place(order('o-2', { side: 'sell' }));
      await harness.settle();
      const fills = reports.filter((report) => report.type === 'filled');
      expect(fills.map(({ orderId, price, quantity }) => [orderId, price, quantity])).toEqual([
        ['o-1', 100_010_000n, lot],
        ['o-2', 100_000_000n, lot],
      ]);
    }),
  );

  test(
    'a limit order works until the market reaches it',
    session(async ({ harness, login, order, reports, told, working }) => {
      login.place(order('o-1', { limitPrice: 99_900_000n }));
      await harness.settle();
      expect([told('o-1'), await working()]).toEqual([['accepted'], ['o-1']]);
      await harness.quote(99_880_000, 99_890_000);
      await harness.settle();
      const fill = reports.at(-1)!;
      expect(fill.type === 'filled' && fill.price <= 99_900_000n && fill.price >= 99_890_000n).toBe(true);
      expect(await working()).toEqual([]);
    }),
  );

  test(
    'placing an order again has no second effect',
    session(async ({ harness, login, order, reports, working }) => {
      const resting = order('o-1', { limitPrice: 99_900_000n });
      login.place(resting);
      login.place(resting);
      await harness.settle();
      expect(await working()).toEqual(['o-1']);
      await harness.quote(99_880_000, 99_890_000);
      login.place(resting);
      await harness.settle();
      const executions = reports.filter((report) => report.type === 'filled').map((report) => report.executionId);
      expect(new Set(executions).size).toBe(1);
      expect(await working()).toEqual([]);
    }),
  );

  test(
    'a canceled order is not filled any more',
    session(async ({ harness, login, order, told, working }) => {
      login.place(order('o-1', { limitPrice: 99_900_000n }));
      login.cancel('o-1', 'r');
      await harness.settle();
      await harness.quote(99_880_000, 99_890_000);
      await harness.settle();
      expect([told('o-1'), await working()]).toEqual([['accepted', 'canceled'], []]);
    }),
  );

  test(
    'a cancel that comes too late is answered with how the order ended',
    session(async ({ harness, login, order, told }) => {
      login.place(order('o-1'));
      await harness.settle();
      login.cancel('o-1', 'r');
      await harness.settle();
      expect(told('o-1').at(-1)).toBe('filled');
    }),
  );

  test(
    'an immediate order that the market does not reach is canceled',
    session(async ({ harness, login, order, reports }) => {
      login.place(order('o-1', { limitPrice: 99_900_000n, timeInForce: 'ioc' }));
      login.place(order('o-2', { limitPrice: 99_900_000n, timeInForce: 'fok' }));
      await harness.settle();
      const canceled = reports.map((report) => report.type === 'canceled' && [report.orderId, report.reason]);
      expect(canceled).toEqual([
        ['o-1', 'immediate-or-cancel'],
        ['o-2', 'fill-or-kill'],
      ]);
    }),
  );

  test(
    'an unknown symbol is rejected',
    session(async ({ harness, login, order, told }) => {
      login.place(order('o-1', { symbol: 'NOSUCH' }));
      await harness.settle();
      expect(told('o-1')).toEqual(['rejected']);
    }),
  );

  test(
    'logging in again takes over the working orders and their reports',
    session(async ({ harness, login, order, reports }) => {
      login.place(order('o-1', { limitPrice: 99_900_000n }));
      await harness.settle();
      reports.length = 0;
      const later: BrokerReport[] = [];
      harness.broker.login('account-1', nothing, into(later));
      await harness.quote(99_880_000, 99_890_000);
      await harness.settle();
      expect([later.map(({ type }) => type), reports]).toEqual([['filled'], []]);
    }),
  );

  test(
    'a fill that nobody was logged in for is told when the order is placed again',
    session(async ({ harness, login, order, reports }) => {
      const resting = order('o-1', { limitPrice: 99_900_000n });
      login.place(resting);
      await harness.settle();
      login.close();
      await harness.quote(99_880_000, 99_890_000);
      await harness.settle();
      expect(reports.map(({ type }) => type)).toEqual(['accepted']);
      const later: BrokerReport[] = [];
      harness.broker.login('account-1', nothing, into(later)).place(resting);
      await harness.settle();
      expect(later.map(({ type }) => type)).toEqual(['filled']);
    }),
  );

  test(
    'accounts do not see each other, even with equal order ids',
    session(async ({ harness, login, order, told, working }) => {
      const other: BrokerReport[] = [];
      const second = harness.broker.login('account-2', nothing, into(other));
      login.place(order('o-1', { limitPrice: 99_900_000n }));
      second.place(order('o-1', { limitPrice: 99_800_000n }));
      second.cancel('o-1', 'r');
      await harness.settle();
      expect([told('o-1'), await working(), other.map(({ type }) => type)]).toEqual([
        ['accepted'],
        ['o-1'],
        ['accepted', 'canceled'],
      ]);
    }),
  );
}
