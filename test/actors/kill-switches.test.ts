import { expect, test } from 'vitest';
import { killSwitches, type KillSwitchesMessage } from '../../actors/kill-switches.ts';
import type { TradingAccountMessage } from '../../actors/trading-account.ts';
import { AccountBoard } from '../../actors/trading/account-board.ts';
import { KillSwitchBoard, type LatchedSwitch } from '../../actors/trading/kill-switch.ts';
import { handler, startTestSystem, supervisor, worker } from '../support/test-system.ts';
import { limitOrder, opened } from './trading/fixtures.ts';

const thrown = (change: Partial<LatchedSwitch> = {}): LatchedSwitch => ({
  ...{
    id: 'k-1',
    scope: 'tenant',
    tenantId: 1,
    flatten: true,
    reason: 'r',
    by: 'ann',
    latchedMicros: 1,
    releasedBy: [],
  },
  ...change,
});

/** Two accounts with something working, of two tenants, and a database that fails as often as it is told to. */
async function start({ failures = 0, hangs = false } = {}) {
  const board = new KillSwitchBoard();
  const accounts = new AccountBoard();
  const ledger = opened();
  ledger.give(limitOrder('1.07'));
  for (const tenantId of [1, 2])
    accounts.set({ tenantId, tenant: `t${tenantId}`, accountId: 1, account: 'a-1', state: ledger.account });
  const told: string[] = [];
  const saved: LatchedSwitch[] = [];
  let left = failures;
  const account = handler<TradingAccountMessage>((message) => {
    if (message.type === 'command' && message.command.type === 'cancel-all') told.push(JSON.stringify(message.command));
  });
  const actor = killSwitches({
    ...{ board, accounts, answerMs: 1_000, retryMs: 500 },
    ref: ({ tenantId }) => (tenantId === 1 ? rig.system.find<TradingAccountMessage>('/account') : undefined),
    async save(latched) {
      if (hangs) await new Promise(() => {});
      if (left-- > 0) throw new Error('the database is away');
      saved.push(latched);
    },
  });
  const rig = await startTestSystem(
    supervisor('root', 'one-for-one', [worker('account', account), worker('switches', actor)]),
  );
  const ref = rig.ref<KillSwitchesMessage>('/switches');
  const latch = (latched: LatchedSwitch) => ref.ask({ type: 'latch', latched }, { timeoutMs: 10_000 });
  const release = (id: string, by: string) => ref.ask({ type: 'release', id, by }, { timeoutMs: 10_000 });
  return { rig, ref, board, told, saved, latch, release };
}

test('a switch is in force at once, its accounts are told, and the answer says that the database has it', async () => {
  const { rig, board, told, saved, latch } = await start();
  const answer = latch(thrown());
  await rig.settle();
  expect(board.find({ tenantId: 1, accountId: 1, symbol: 'X' })?.id).toBe('k-1');
  expect(await answer).toEqual({ id: 'k-1', latched: true, accounts: 1 });
  expect(told).toEqual(['{"type":"cancel-all","requestId":"kill:k-1","reason":"kill-switch","flatten":true}']);
  expect(saved).toMatchObject([{ id: 'k-1' }]);
});

test('with the database away it is in force, says that it is not latched, and is written as soon as that is back', async () => {
  const { rig, board, saved, latch } = await start({ failures: 3 });
  expect(await latch(thrown())).toMatchObject({ latched: false });
  expect(board.all.length).toBe(1);
  for (let i = 0; i < 4; i++) await rig.advance(500);
  expect(saved).toMatchObject([{ id: 'k-1' }]);
});

test('a database that hangs keeps nobody waiting for longer than a second', async () => {
  const { rig, board, latch } = await start({ hangs: true });
  const answer = latch(thrown());
  await rig.settle();
  expect(board.all.length).toBe(1);
  await rig.advance(1_000);
  expect(await answer).toMatchObject({ latched: false });
});

test('the same switch thrown again is the one that is thrown already', async () => {
  const { latch, board } = await start();
  await latch(thrown());
  expect(await latch(thrown({ id: 'k-2' }))).toMatchObject({ id: 'k-1', latched: true });
  expect(board.all.length).toBe(1);
});

test('one person releases what is of a tenant', async () => {
  const { latch, release, board } = await start();
  await latch(thrown());
  expect(await release('k-1', 'ann')).toEqual({ type: 'released' });
  expect([board.all, await release('k-1', 'ann')]).toEqual([[], { type: 'not-found' }]);
});

test('what is of the platform takes two, and the same one twice is one', async () => {
  const { latch, release, board } = await start();
  const { tenantId: _ofAll, ...all } = thrown({ scope: 'platform' });
  await latch(all);
  expect(await release('k-1', 'ann')).toEqual({ type: 'pending', releasedBy: ['ann'], needed: 2 });
  expect(await release('k-1', 'ann')).toMatchObject({ type: 'pending' });
  expect(board.all.length).toBe(1);
  expect(await release('k-1', 'bob')).toEqual({ type: 'released' });
  expect(board.all).toEqual([]);
});

test('trading goes on only once the release is durable', async () => {
  const { latch, release, board, rig } = await start({ failures: 2 });
  const answer = latch(thrown());
  await rig.settle();
  await answer;
  expect(await release('k-1', 'ann')).toEqual({ type: 'unavailable' });
  expect(board.all.length).toBe(1);
});

test('accounts that have been started are told of what is latched', async () => {
  const { ref, rig, board, told } = await start();
  board.latch(thrown());
  ref.tell({ type: 'apply' });
  await rig.settle();
  expect(told.length).toBe(1);
});
