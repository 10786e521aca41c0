import { expect, test } from 'vitest';
import { journalWriter } from '../../actors/journal-writer.ts';
import { accountPath, numbered, tradingAccount, type TradingAccountMessage } from '../../actors/trading-account.ts';
import { emptyAccount, evolve, type Account } from '../../actors/trading/account.ts';
import { decodePayload } from '../../actors/trading/codec.ts';
import type { AccountEvent } from '../../actors/trading/events.ts';
import { bookOf, pendingCancels } from '../../actors/trading/reconcile.ts';
import { commitsOf, type PlatformTopics } from '../../actors/trading/topics.ts';
import { limits } from '../../config/limits.ts';
import { silentLog } from '../../runtime/actor.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import type { CommandResult } from '../../runtime/event-sourced.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { MemorySnapshots } from '../../runtime/snapshots.ts';
import { ScriptedJournal } from '../support/scripted-journal.ts';
import { startStage, type StageRig } from '../support/stage.ts';
import { startTestSystem, worker } from '../support/test-system.ts';
import { factsOf, filled, instrument, type Ledger, limitOrder, NOW, opened, order, s } from './trading/fixtures.ts';

const accountWith = { type: 'order', state: 'SUBMITTED' } as const;

function orderIdOf(result: CommandResult<unknown>): string {
  expect(result).toMatchObject({ type: 'done', reply: accountWith });
  return (result as { reply: { orderId: string } }).reply.orderId;
}

async function folded(rig: StageRig): Promise<Account> {
  const events = (await rig.rows()).flatMap(({ payload }) => decodePayload(payload).events);
  return events.reduce(evolve, emptyAccount(1));
}

const limit = (price: string, clientOrderId = 'limit-1') =>
  ({ clientOrderId, orderType: 'limit', timeInForce: 'gtc', limitPrice: s(price) }) as const;

test('a market order is filled at the quote, in two rows', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  const result = await rig.order({ clientOrderId: 'c-1' });
  expect(result).toMatchObject({ type: 'done', seq: 3, duplicate: false, reply: { orderId: 'o-1-3' } });
  await rig.test.settle();
  expect((await rig.history()).slice(2)).toEqual([
    ['day-opened', 'order-submitted'],
    ['order-filled', 'position-opened'],
  ]);
  const state = await rig.state();
  expect(state.orders.size).toBe(0);
  expect(state.positions.get('EURUSD')).toMatchObject({ side: 'buy', quantity: s('0.10'), averagePrice: s('1.08010') });
  expect(state).toEqual(await folded(rig));
});

test('commits are published by account and for all, each event with the number of its channel and the text of the journal', async () => {
  const rig = await startStage();
  const own: unknown[] = [];
  rig.stage.bus.subscribe(commitsOf(4, 1), (commit) => own.push(commit));
  await rig.quote('1.08000', '1.08010');
  await rig.order();
  await rig.test.settle();
  const mine = rig.commits.filter(({ accountId }) => accountId === 1);
  expect(own).toEqual(mine.slice(2));
  expect(mine.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  expect(mine.slice(2).flatMap(({ events }) => events.map(({ channel, sequence }) => [channel, sequence]))).toEqual([
    ['account', 3],
    ['orders', 1],
    ['orders', 2],
    ['positions', 1],
  ]);
  expect(mine[2]).toMatchObject({ tenant: 'acme', account: 'a-1', subjectId: 'tester' });
  const rows = await rig.rows();
  for (const [i, commit] of mine.entries()) {
    expect(rows[i]!.payload).toContain(`"events":[${commit.events.map(({ json }) => json).join(',')}]`);
  }
});

test('a limit order rests until the market reaches it', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  const orderId = orderIdOf(await rig.order(limit('1.07900')));
  await rig.test.settle();
  expect((await rig.state()).orders.get(orderId)?.state).toBe('ACCEPTED');
  await rig.quote('1.07890', '1.07900');
  expect((await rig.history()).slice(2)).toEqual([
    ['day-opened', 'order-submitted'],
    ['order-accepted'],
    ['order-filled', 'position-opened'],
  ]);
});

test.each(['account', 'broker-session'] as const)(
  'an order that rests outlives a crash of the %s, and its fill is booked once',
  async (which) => {
    const rig = await startStage();
    await rig.quote('1.08000', '1.08010');
    orderIdOf(await rig.order(limit('1.07900')));
    await rig.test.settle();
    await rig.crash(which);
    expect(rig.test.history()).toContain(`crashed /tenants/acme/accounts/a-1/${which}`);
    await rig.quote('1.07890', '1.07900');
    await rig.crash(which);
    expect((await rig.history()).slice(2)).toEqual([
      ['day-opened', 'order-submitted'],
      ['order-accepted'],
      ['order-filled', 'position-opened'],
    ]);
    expect(await rig.state()).toEqual(await folded(rig));
  },
);

test('a fill that comes while nobody is logged in is heard after the restart', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  orderIdOf(await rig.order(limit('1.07900')));
  await rig.test.settle();
  // Crashed, and not yet restarted: the backoff is still running.
  rig.test.ref<unknown>('/tenants/acme/accounts/a-1/account').tell(undefined);
  await rig.test.settle();
  await rig.quote('1.07890', '1.07900');
  await rig.test.advance(1_000);
  expect((await rig.history()).at(-1)).toEqual(['order-filled', 'position-opened']);
});

test('a fill that the account cannot take is brought again until it is booked', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  orderIdOf(await rig.order(limit('1.07900')));
  await rig.test.settle();
  rig.journal.outcomes.push('unavailable', 'unavailable');
  await rig.quote('1.07890', '1.07900');
  for (let i = 0; i < 6; i++) await rig.test.advance(500);
  expect((await rig.history()).slice(4)).toEqual([['order-filled', 'position-opened']]);
});

test('a fill is booked though the account has too much to do when it comes', async () => {
  const rig = await startStage({
    limits: { account: { inFlight: 1, waiting: 1, waitingMs: 5_000, recentCommands: 100, reloadMs: 500 } },
  });
  await rig.quote('1.08000', '1.08010');
  orderIdOf(await rig.order(limit('1.07900')));
  await rig.test.settle();
  rig.journal.hold();
  const others = [rig.order(limit('1.01000', 'x-1')), rig.order(limit('1.01000', 'x-2'))];
  await rig.test.settle();
  await rig.quote('1.07890', '1.07900');
  expect((await rig.history()).slice(4)).toEqual([]);
  rig.journal.release();
  await Promise.all(others);
  for (let i = 0; i < 4; i++) await rig.test.advance(500);
  expect((await rig.history()).slice(4).flat()).toContain('order-filled');
});

test('a denied order is journalled, and is the first result of its id', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  const terms = { clientOrderId: 'c-1', quantity: s('0.015') };
  const denied = await rig.order(terms);
  expect(denied).toMatchObject({
    type: 'done',
    duplicate: false,
    reply: { state: 'DENIED', denial: { code: 'QUANTITY_STEP' } },
  });
  expect((await rig.history()).slice(2)).toEqual([['day-opened', 'order-denied']]);
  expect(await rig.order(terms)).toEqual({ ...denied, duplicate: true });
  expect(await rig.order({ clientOrderId: 'c-1' })).toEqual({ type: 'reused' });
});

test('an order that is withdrawn is canceled by the broker, and withdrawing it again is refused', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  const orderId = orderIdOf(await rig.order(limit('1.07900')));
  const cancel = { type: 'cancel-order', orderId, requestId: 'r-1' } as const;
  expect(await rig.command(cancel)).toMatchObject({ reply: { type: 'cancel', state: 'PENDING_CANCEL' } });
  await rig.test.settle();
  expect((await rig.history()).at(-1)).toEqual(['order-canceled']);
  await rig.quote('1.07890', '1.07900');
  expect((await rig.state()).positions.size).toBe(0);
  expect(await rig.command({ ...cancel, requestId: 'r-2' })).toMatchObject({
    reply: { type: 'refused', code: 'ORDER_NOT_WORKING' },
  });
  expect(await rig.command({ ...cancel, orderId: 'o-9-9', requestId: 'r-3' })).toMatchObject({
    reply: { type: 'refused', code: 'NOT_FOUND' },
  });
});

test('an order that was being withdrawn when its broker forgot all is canceled, not filled', async () => {
  const rig = await startStage();
  await rig.quote('1.07890', '1.07900');
  const ledger: Ledger = opened();
  ledger.give(limitOrder('1.08000'));
  ledger.give({ type: 'cancel-order', orderId: 'o-1-3', requestId: 'r' });
  const told: string[] = [];
  const login = rig.stage.broker.login('acme/after-a-restart', bookOf(ledger.account), (message) => {
    if (message.type === 'report') told.push(message.report.type);
  });
  for (const orderId of pendingCancels(ledger.account)) login.cancel(orderId, 'r');
  await rig.test.settle();
  expect(told).toEqual(['canceled']);
});

test('the rows of what became of an order hold the trace id of the request that sent it', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  const command = order({ ...limit('1.07900'), clientOrderId: 'c-1' });
  await rig.account.ask({ type: 'command', command }, { timeoutMs: 5_000, traceId: 'trace-1' });
  await rig.test.settle();
  rig.journal.outcomes.push('unavailable');
  await rig.quote('1.07890', '1.07900');
  for (let i = 0; i < 4; i++) await rig.test.advance(500);
  const traces = (await rig.rows()).slice(2).map(({ payload }) => {
    const { events, traceId } = decodePayload(payload);
    return [events.at(-1)!.type, traceId];
  });
  expect(traces).toEqual([
    ['order-submitted', 'trace-1'],
    ['order-accepted', 'trace-1'],
    ['position-opened', 'trace-1'],
  ]);
});

test('a report that cannot be is kept, said in the log, and has no effect', async () => {
  const errors: object[] = [];
  const rig = await startStage({ log: { ...silentLog, error: (fields) => void errors.push(fields) } });
  const before = await rig.state();
  const said = { type: 'filled', orderId: 'o-1-99', venue: 'paper', timeMicros: 1, executionId: 'x' } as const;
  await rig.command({ type: 'broker-report', report: { ...said, quantity: s('1'), price: s('1.08') } });
  expect(errors).toMatchObject([{ account: 'a-1', seq: 3, orderId: 'o-1-99', reason: 'order-not-known' }]);
  expect((await rig.state()).positions).toEqual(before.positions);
  expect((await rig.history()).at(-1)).toEqual(['order-report-quarantined']);
});

test('the broker hears of an order once it is durable, and never of one that did not become so', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  rig.journal.hold();
  const order = rig.order(limit('1.07900'));
  await rig.test.settle();
  expect(brokersOrders(rig)).toBe(0);
  rig.journal.outcomes.push('unavailable');
  rig.journal.release();
  expect(await order).toMatchObject({ type: 'unavailable', code: 'NOT_READY' });
  await rig.test.settle();
  expect(brokersOrders(rig)).toBe(0);
});

function brokersOrders(rig: StageRig): number {
  const info = rig.test.system.inspectActor('/tenants/acme/accounts/a-1/broker-session');
  return (info?.state as { placed: number } | undefined)?.placed ?? 0;
}

test('one account that crashes again and again leaves its neighbour trading', async () => {
  const rig = await startStage();
  await rig.quote('1.08000', '1.08010');
  for (let i = 0; i < 10; i++) await rig.crash('account');
  const neighbour = rig.test.ref<TradingAccountMessage>(accountPath('acme', 'a-2'));
  await rig.quote('1.08000', '1.08010');
  const command = order({ clientOrderId: 'n-1' });
  const result = await neighbour.ask({ type: 'command', command }, { timeoutMs: 1_000 });
  orderIdOf(result);
  await rig.test.settle();
  expect((await rig.history(2)).at(-1)).toEqual(['order-filled', 'position-opened']);
});

test('numbers go on from those before, channel by channel', () => {
  const before = { ...emptyAccount(1), sequences: { orders: 7, positions: 2, account: 0 } };
  const events = [{ type: 'order-filled' }, { type: 'position-opened' }, { type: 'order-filled' }] as AccountEvent[];
  expect(numbered(before, events, ['a', 'b', 'c'])).toEqual([
    { channel: 'orders', sequence: 8, event: events[0], json: 'a' },
    { channel: 'positions', sequence: 3, event: events[1], json: 'b' },
    { channel: 'orders', sequence: 9, event: events[2], json: 'c' },
  ]);
});

test('an account that starts from a snapshot is the one that its whole journal gives', async () => {
  const journal = new ScriptedJournal();
  const store = new MemorySnapshots();
  const test = await startTestSystem([worker('journal-writer', journalWriter(journal, limits.journal))]);
  const start = async (): Promise<ActorRef<TradingAccountMessage>> => {
    const behavior = tradingAccount({
      ...{ tenantId: 4, tenant: 'acme', accountId: 1, account: 'a-1', epochOf: () => 1 },
      writer: test.ref('/journal-writer'),
      read: (key, afterSeq) => journal.read(key, afterSeq),
      lookUpCommand: async () => undefined,
      bus: new EventBus<PlatformTopics>(() => {}),
      instrument,
      facts: (nowMicros, seq) => factsOf({ nowMicros, seq }),
      nowMicros: () => NOW,
      session: () => undefined,
      ...{ limits: limits.account, snapshots: { store, everyRows: 5, deadlineMs: 1_000 } },
    });
    await test.system.spawn('/', worker('account', behavior));
    return test.ref('/account');
  };
  const first = await start();
  const ledger: Ledger = opened();
  const commands = [
    ...[{ type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false } as const],
    ...[
      { type: 'deposit', reference: 'seed', amount: s('100000') } as const,
      limitOrder('1.07'),
      order({ clientOrderId: 'c-2' }),
    ],
    ...[filled('o-1-4', '0.10', '1.08'), limitOrder('1.06', { clientOrderId: 'c-3' })],
  ];
  for (const command of commands) await first.ask({ type: 'command', command }, { timeoutMs: 1_000 });
  for (const command of commands.slice(2)) ledger.give(command);
  await test.settle();
  await test.system.stopChild('/account');

  const second = await start();
  const read = await second.ask({ type: 'read' }, { timeoutMs: 1_000 });
  expect(read).toEqual({ state: ledger.account, seq: 6 });
  expect(journal.reads).toEqual([0, 4]);
});
