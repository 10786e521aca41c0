import { expect, test } from 'vitest';
import { brokerSession } from '../../actors/broker-session.ts';
import type { AccountCommandResult, TradingAccountMessage } from '../../actors/trading-account.ts';
import type { Account } from '../../actors/trading/account.ts';
import type { BrokerLogin, BrokerMessage, BrokerReport } from '../../actors/trading/broker.ts';
import type { AccountCommand } from '../../actors/trading/commands.ts';
import { orderToPlace } from '../../actors/trading/reconcile.ts';
import type { ActorContext, Log } from '../../runtime/actor.ts';
import { silentLog } from '../../runtime/actor.ts';
import { handler, startTestSystem, supervisor, worker, type TestSystem } from '../support/test-system.ts';
import { limitOrder, opened, report as reported, s, type Ledger } from './trading/fixtures.ts';

interface Rig {
  readonly test: TestSystem;
  /** What the broker was asked, as `call id`. */
  readonly calls: string[];
  /** What the account was told. */
  readonly said: AccountCommand[];
  readonly errors: string[];
  readonly queries: string[];
  session(message: Parameters<ReturnType<typeof brokerSession>['receive']>[1]): Promise<void>;
  hears(message: BrokerMessage): Promise<void>;
}

/** A session between a broker that takes down what it is asked and an account that answers what it is told to. */
async function start(
  read: () => Promise<Account | undefined>,
  {
    memory = 'own',
    answer = () => booked,
    isStopped = () => false,
    glance = () => undefined,
  }: {
    memory?: 'own' | 'none';
    answer?: (report: BrokerReport) => AccountCommandResult;
    isStopped?: () => boolean;
    glance?: () => Account | undefined;
  } = {},
): Promise<Rig> {
  const [calls, said, errors, queries]: [string[], AccountCommand[], string[], string[]] = [[], [], [], []];
  let onMessage: (message: BrokerMessage) => void = () => {};
  const account = handler<TradingAccountMessage>((message, context: ActorContext<TradingAccountMessage>) => {
    if (message.type !== 'command') return;
    said.push(message.command);
    if (message.command.type === 'broker-report') context.reply(answer(message.command.report));
  });
  const session = brokerSession({
    broker: {
      ...{ venue: 'scripted', memory },
      login(_name, book, hear) {
        onMessage = hear;
        calls.push(`login ${book.orders.map(({ orderId }) => orderId).join(' ')}`.trim());
        const login: BrokerLogin = {
          place: ({ orderId }) => void calls.push(`place ${orderId}`),
          amend: (orderId, requestId) => void calls.push(`amend ${orderId} ${requestId}`),
          cancel: (orderId) => void calls.push(`cancel ${orderId}`),
          query(queryId, orderIds, isAll) {
            queries.push(queryId);
            calls.push(`query ${isAll ? 'all ' : ''}${orderIds.join(' ')}`.trim());
          },
          close: () => {},
        };
        return login;
      },
    },
    ...{
      login: 'acme/a-1',
      deadlineMs: 1_000,
      retryMs: 500,
      answerMs: 2_000,
      reconcileMs: 30_000,
      read,
      glance,
      isStopped,
    },
    account: () => system.system.find<TradingAccountMessage>('/account'),
  });
  const log: Log = { ...silentLog, error: (_fields, message) => void errors.push(message) };
  const system = await startTestSystem(
    supervisor('root', 'one-for-one', [worker('account', account), worker('session', session)]),
    log,
  );
  await system.settle();
  const ref = system.ref<Parameters<typeof session.receive>[1]>('/session');
  return {
    ...{ test: system, calls, said, errors, queries },
    async session(message) {
      ref.tell(message);
      await system.settle();
    },
    async hears(message) {
      onMessage(message);
      await system.settle();
    },
  };
}

const booked: AccountCommandResult = { type: 'done', reply: { type: 'done' }, seq: 4, duplicate: false };
const reports = (rig: Rig) => rig.said.flatMap((command) => (command.type === 'broker-report' ? [command.report] : []));
const fill: BrokerReport = {
  ...{ type: 'filled', orderId: 'o-1-3', venue: 'scripted', timeMicros: 1, executionId: 'x-1' },
  ...{ quantity: s('1'), price: s('1.07') },
};

/** An account with one limit order on its way. */
function working(): Ledger {
  const ledger = opened();
  ledger.give(limitOrder('1.07'));
  return ledger;
}
const orderOf = (ledger: Ledger) => orderToPlace(ledger.account.orders.get('o-1-3')!);

test('the account is asked what it has until it says so, and then the broker has it', async () => {
  let asked = 0;
  const ledger = working();
  ledger.give(limitOrder('1.06'));
  ledger.give({ type: 'cancel-order', orderId: 'o-1-4', requestId: 'r' });
  const rig = await start(
    async () => {
      asked += 1;
      if (asked < 3) throw new Error('the account has too much to do');
      return ledger.account;
    },
    { memory: 'none' },
  );
  expect(rig.calls).toEqual([]);
  await rig.test.advance(500);
  await rig.test.advance(500);
  expect([asked, rig.calls]).toEqual([3, ['login o-1-3', 'cancel o-1-4']]);
});

test('what was handed over is not placed again, and what comes before the login waits for it', async () => {
  const ledger = working();
  const ready = Promise.withResolvers<Account>();
  const rig = await start(() => ready.promise, { memory: 'none' });
  await rig.session({ type: 'place', order: orderOf(ledger) });
  await rig.session({ type: 'place', order: { ...orderOf(ledger), orderId: 'o-1-9' } });
  expect(rig.calls).toEqual([]);
  ready.resolve(ledger.account);
  await rig.test.settle();
  expect(rig.calls).toEqual(['login o-1-3', 'place o-1-9']);
});

test('a broker with a memory of its own is asked before anything else, and nothing is placed blindly', async () => {
  const { account } = working();
  const rig = await start(async () => account, { glance: () => account });
  expect(rig.calls).toEqual(['login', 'query all o-1-3']);
});

test('what is not answered in time is unknown, and the broker is asked until it says what became of it', async () => {
  const ledger = working();
  const rig = await start(async () => ledger.account, { memory: 'none' });
  await rig.session({ type: 'amend', orderId: 'o-1-3', requestId: 'a-1', change: { limitPrice: s('1.08') } });
  await rig.test.advance(2_000);
  expect(reports(rig)).toMatchObject([{ type: 'unknown', orderId: 'o-1-3', reason: 'the broker has not answered' }]);
  expect(rig.calls.at(-1)).toBe('query o-1-3');
  const asked = rig.queries.length;
  for (let i = 0; i < 5; i++) await rig.test.advance(500);
  expect(rig.queries.length).toBe(asked + 1);
  const order = { ...orderOf(ledger) };
  await rig.hears({
    type: 'statement',
    statement: {
      ...{ queryId: rig.queries.at(-1)!, timeMicros: 5 },
      orders: [{ orderId: 'o-1-3', executions: [], state: 'working', order, isOurs: true }],
    },
  });
  expect(reports(rig).at(-1)).toMatchObject({ type: 'accepted', orderId: 'o-1-3', requestId: rig.queries.at(-1) });
  for (let i = 0; i < 5; i++) await rig.test.advance(500);
  expect(rig.queries.length).toBe(asked + 1);
});

test('an order that the broker has never seen is canceled, and never sent a second time', async () => {
  const ledger = opened();
  const rig = await start(async () => ledger.account, { memory: 'none' });
  ledger.give(limitOrder('1.07'));
  await rig.session({ type: 'place', order: orderOf(ledger) });
  await rig.hears({ type: 'disconnected', reason: 'the line is cut' });
  expect(reports(rig)).toMatchObject([{ type: 'unknown', reason: 'the line is cut' }]);
  await rig.hears({ type: 'connected' });
  await rig.hears({
    type: 'statement',
    statement: {
      ...{ queryId: rig.queries.at(-1)!, timeMicros: 5, positions: [] },
      orders: [{ orderId: 'o-1-3', executions: [], state: 'not-known' }],
    },
  });
  expect(reports(rig).at(-1)).toMatchObject({ type: 'canceled', reason: 'never-arrived' });
  expect(rig.calls.filter((call) => call.startsWith('place'))).toEqual(['place o-1-3']);
});

test('fills that were missed come under the names that the broker gave them', async () => {
  const ledger = working();
  ledger.give(reported({ type: 'accepted', orderId: 'o-1-3' }));
  const rig = await start(async () => ledger.account, { glance: () => ledger.account });
  const execution = { executionId: 'x-7', quantity: s('0.10'), price: s('1.07'), timeMicros: 4 };
  const statement = {
    ...{ queryId: rig.queries[0]!, timeMicros: 5, positions: [] },
    orders: [{ orderId: 'o-1-3', executions: [execution], state: 'filled' as const }],
  };
  await rig.hears({ type: 'statement', statement });
  expect(reports(rig)).toEqual([{ ...execution, type: 'filled', orderId: 'o-1-3', venue: 'scripted' }]);
});

test('a difference that two comparisons find is told to the account, and so is its end', async () => {
  const rig = await start(async () => opened().account, { glance: () => opened().account });
  const state = async (lots: string) => {
    const positions = [{ positionId: 'b', symbol: 'EURUSD', side: 'buy' as const, quantity: s(lots) }];
    const statement = { queryId: rig.queries.at(-1)!, timeMicros: 5, orders: [], positions };
    await rig.hears({ type: 'statement', statement });
  };
  await state('1');
  expect(rig.said).toEqual([]);
  await rig.test.advance(30_000);
  await state('1');
  expect(rig.said.at(-1)).toMatchObject({ type: 'reconcile', mismatches: ['EURUSD: 0 lots here, 1 at the broker'] });
  for (let i = 0; i < 2; i++) {
    await rig.test.advance(30_000);
    await rig.hears({
      type: 'statement',
      statement: { queryId: rig.queries.at(-1)!, timeMicros: 5, orders: [], positions: [] },
    });
  }
  expect(rig.said.at(-1)).toMatchObject({ type: 'reconcile', mismatches: [] });
});

test('an order of somebody else is brought to the account', async () => {
  const rig = await start(async () => opened().account, { glance: () => opened().account });
  const { orderId: _id, ...order } = orderOf(working());
  const statement = {
    ...{ queryId: rig.queries[0]!, timeMicros: 5, positions: [] },
    orders: [{ orderId: 'x-9f', executions: [], state: 'working' as const, order, isOurs: false }],
  };
  await rig.hears({ type: 'statement', statement });
  expect(reports(rig)).toMatchObject([{ type: 'external', orderId: 'x-9f', order }]);
});

test('what is stopped by a kill switch does not leave, whatever was decided before', async () => {
  const ledger = working();
  const rig = await start(async () => opened().account, { memory: 'none', isStopped: () => true });
  await rig.session({ type: 'place', order: orderOf(ledger) });
  expect(rig.calls).toEqual(['login']);
  expect(reports(rig)).toMatchObject([{ type: 'canceled', reason: 'kill-switch', orderId: 'o-1-3' }]);
});

test('a report that contradicts one that is booked is said in the log, and not brought again', async () => {
  const rig = await start(async () => opened().account, { answer: () => ({ type: 'reused' }) });
  await rig.hears({ type: 'report', report: fill });
  await rig.test.advance(5_000);
  expect(reports(rig)).toEqual([fill]);
  expect(rig.errors).toEqual(['the broker contradicts what it reported before']);
});

test('a report is brought until the account takes it', async () => {
  const unavailable = { type: 'unavailable', code: 'OVERLOADED', reason: 'busy', retryAfterMs: 1 } as const;
  let answers = 0;
  const rig = await start(async () => opened().account, { answer: () => (++answers < 3 ? unavailable : booked) });
  await rig.hears({ type: 'report', report: fill });
  for (let i = 0; i < 5; i++) await rig.test.advance(500);
  expect(reports(rig)).toEqual([fill, fill, fill]);
  expect(rig.errors).toEqual([]);
});
