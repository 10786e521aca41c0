import { expect, test } from 'vitest';
import { brokerSession, type Outstanding } from '../../actors/broker-session.ts';
import type { AccountCommandResult, TradingAccountMessage } from '../../actors/trading-account.ts';
import type { BrokerOrder, BrokerReport } from '../../actors/trading/broker.ts';
import type { ActorContext, Log } from '../../runtime/actor.ts';
import { silentLog } from '../../runtime/actor.ts';
import { startTestSystem, supervisor, worker, handler, type TestSystem } from '../support/test-system.ts';
import { s } from './trading/fixtures.ts';

const restingOrder: BrokerOrder = {
  ...{ orderId: 'o-1-3', symbol: 'EURUSD', side: 'buy', orderType: 'limit', timeInForce: 'gtc' },
  ...{ quantity: s('1'), limitPrice: s('1.07') },
};

interface Rig {
  readonly test: TestSystem;
  readonly placed: string[];
  readonly canceled: string[];
  readonly said: BrokerReport[];
  readonly errors: string[];
  reports(report: BrokerReport): void;
}

/** A session between a broker that takes down what it is asked and an account that answers what it is told to. */
async function start(
  outstanding: () => Promise<Outstanding>,
  answer: (report: BrokerReport) => AccountCommandResult = () => booked,
): Promise<Rig> {
  const [placed, canceled, said, errors]: [string[], string[], BrokerReport[], string[]] = [[], [], [], []];
  let onReport: (report: BrokerReport) => void = () => {};
  const account = handler<TradingAccountMessage>((message, context: ActorContext<TradingAccountMessage>) => {
    if (message.type !== 'command' || message.command.type !== 'broker-report') return;
    said.push(message.command.report);
    context.reply(answer(message.command.report));
  });
  const session = brokerSession({
    broker: {
      venue: 'scripted',
      login: (_name, hear) => {
        onReport = hear;
        return {
          place: ({ orderId }) => void placed.push(orderId),
          cancel: (orderId) => void canceled.push(orderId),
          working: () => [],
          close: () => {},
        };
      },
    },
    ...{ login: 'acme/a-1', deadlineMs: 1_000, retryMs: 500, outstanding },
    account: () => system.system.find<TradingAccountMessage>('/account'),
  });
  const log: Log = { ...silentLog, error: (_fields, message) => void errors.push(message) };
  const system = await startTestSystem(
    supervisor('root', 'one-for-one', [worker('account', account), worker('session', session)]),
    log,
  );
  await system.settle();
  return { ...{ test: system, placed, canceled, said, errors }, reports: (report) => onReport(report) };
}

const booked: AccountCommandResult = { type: 'done', reply: { type: 'done' }, seq: 4, duplicate: false };
const nothing = async (): Promise<Outstanding> => ({ orders: [], cancels: [] });
const fill: BrokerReport = {
  ...{ type: 'filled', orderId: 'o-1-3', venue: 'scripted', timeMicros: 1, executionId: 'x-1' },
  ...{ quantity: s('1'), price: s('1.07') },
};

test('what is outstanding is asked for until it is known', async () => {
  let asked = 0;
  const rig = await start(async () => {
    asked += 1;
    if (asked < 3) throw new Error('the account has too much to do');
    return { orders: [restingOrder], cancels: ['o-1-4'] };
  });
  expect(rig.placed).toEqual([]);
  await rig.test.advance(500);
  await rig.test.advance(500);
  expect([asked, rig.placed, rig.canceled]).toEqual([3, ['o-1-3'], ['o-1-4']]);
  await rig.test.advance(5_000);
  expect(asked).toBe(3);
});

test('a report that contradicts one that is booked is said in the log, and not brought again', async () => {
  const rig = await start(nothing, () => ({ type: 'reused' }));
  rig.reports(fill);
  await rig.test.advance(5_000);
  expect(rig.said).toEqual([fill]);
  expect(rig.errors).toEqual(['the broker contradicts what it reported before']);
});

test('a report is brought until the account takes it', async () => {
  const unavailable = { type: 'unavailable', code: 'OVERLOADED', reason: 'busy', retryAfterMs: 1 } as const;
  let answers = 0;
  const rig = await start(nothing, () => (++answers < 3 ? unavailable : booked));
  rig.reports(fill);
  for (let i = 0; i < 5; i++) await rig.test.advance(500);
  expect(rig.said).toEqual([fill, fill, fill]);
  expect(rig.errors).toEqual([]);
});
