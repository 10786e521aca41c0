import { expect, test } from 'vitest';
import { marginWatch } from '../../actors/margin-watch.ts';
import type { TradingAccountMessage } from '../../actors/trading-account.ts';
import { AccountBoard } from '../../actors/trading/account-board.ts';
import { handler, startTestSystem, supervisor, worker } from '../support/test-system.ts';
import { factsOf, filled, Ledger, limitOrder, marketWith, order, quote, s, type World } from './trading/fixtures.ts';

const stopOut = { mode: 'percent', callLevel: 100_00n, stopLevel: 50_00n } as const;

async function start(accountsPerSlice = 2) {
  const ledger = new Ledger();
  ledger.give({ type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false, stopOut });
  ledger.give({ type: 'deposit', reference: 'seed', amount: s('4000') });
  ledger.give(order({ quantity: s('1') }), { facts: { day: '2027-01-15' } });
  ledger.give(filled('o-1-3', '1', '1.08'));
  const accounts = new AccountBoard();
  for (let accountId = 1; accountId <= 5; accountId++)
    accounts.set({ tenantId: 1, tenant: 't', accountId, account: `a-${accountId}`, state: ledger.account });
  const world: { now: World; day: string } = { now: {}, day: '2027-01-15' };
  const told: string[] = [];
  const account = handler<TradingAccountMessage>((message) => {
    if (message.type === 'command') told.push(message.command.type);
  });
  const watch = marginWatch({
    ...{ accounts, everyMs: 250, accountsPerSlice },
    ref: () => rig.system.find<TradingAccountMessage>('/account'),
    facts: () => factsOf(world.now),
    days: { tradingDay: () => world.day, swapDays: () => 1 },
  });
  const rig = await startTestSystem(
    supervisor('root', 'one-for-one', [worker('account', account), worker('watch', watch)]),
  );
  return { rig, accounts, world, told, ledger };
}

test('an account whose margin is fine is told nothing', async () => {
  const { rig, told } = await start();
  await rig.advance(1_000);
  expect(told).toEqual([]);
  expect(rig.system.inspectActor('/watch')?.state).toMatchObject({ accounts: 5, told: 0 });
});

test('each account whose margin is short is told to look, in slices, at every sweep until it is not', async () => {
  const { rig, world, told } = await start();
  world.now = { quotes: marketWith(quote('EURUSD', '1.07', '1.07')) };
  await rig.advance(250);
  expect(told).toEqual(Array<string>(5).fill('enforce'));
  world.now = {};
  await rig.advance(250);
  expect(told.length).toBe(5);
});

test('a clock that is set back begins no day a second time', async () => {
  const { rig, world, told } = await start();
  world.day = '2027-01-14';
  await rig.advance(1_000);
  expect(told).toEqual([]);
});

test('a new day is told to all that have something open', async () => {
  const { rig, world, told } = await start();
  world.day = '2027-01-16';
  await rig.advance(250);
  expect(told).toEqual(Array<string>(5).fill('roll-day'));
});

test('an account leaves the board with the last of what it has working or open', async () => {
  const { accounts, ledger } = await start();
  const entry = accounts.get(1, 3)!;
  ledger.give(filled('o-1-3', '1', '1.08'));
  const flat = new Ledger();
  accounts.set({ ...entry, state: flat.account });
  expect([accounts.size, accounts.get(1, 3)]).toEqual([4, undefined]);
  flat.give({ type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false });
  flat.give({ type: 'deposit', reference: 'seed', amount: s('4000') });
  flat.give(limitOrder('1.07'));
  accounts.set({ ...entry, state: flat.account });
  expect(accounts.size).toBe(5);
});
