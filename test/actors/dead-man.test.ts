import { expect, test } from 'vitest';
import { deadMen, type DeadMan, type DeadManMessage } from '../../actors/dead-man.ts';
import type { TradingAccountMessage } from '../../actors/trading-account.ts';
import { handler, startTestSystem, supervisor, worker } from '../support/test-system.ts';

const guard = (timeoutMs: number, accountId = 1): DeadMan => ({
  ...{ tenantId: 1, tenant: 'acme', accountId, account: `a-${accountId}`, timeoutMs },
});

/** A database that fails as often as it is told to. */
async function start() {
  const told: string[] = [];
  const saved: string[] = [];
  const world = { failures: 0 };
  const account = handler<TradingAccountMessage>((message) => {
    if (message.type === 'command' && message.command.type === 'cancel-all') told.push(message.command.reason);
  });
  const actor = deadMen({
    ref: () => rig.system.find<TradingAccountMessage>('/account'),
    async save({ accountId, timeoutMs }) {
      if (world.failures > 0) {
        world.failures -= 1;
        throw new Error('the database is away');
      }
      saved.push(`${accountId}:${timeoutMs}`);
    },
    retryMs: 500,
  });
  const rig = await startTestSystem(
    supervisor('root', 'one-for-one', [worker('account', account), worker('dead-man', actor)]),
  );
  const ref = rig.ref<DeadManMessage>('/dead-man');
  const set = (deadMan: DeadMan) => ref.ask({ type: 'set', deadMan }, { timeoutMs: 10_000 });
  return { rig, ref, told, saved, world, set };
}

test('orders are withdrawn when nothing is heard for as long as was said, past every queue and behind it, once', async () => {
  const { rig, told, saved, set } = await start();
  expect(await set(guard(5_000))).toEqual({ type: 'on', expiresMicros: rig.clock.wallMicros() + 5_000_000 });
  expect(saved).toEqual(['1:5000']);
  await rig.advance(4_999);
  expect(told).toEqual([]);
  await rig.advance(1);
  expect(told).toEqual(['dead-man', 'dead-man']);
  await rig.settle();
  expect(saved).toEqual(['1:5000', '1:0']);
  await rig.advance(60_000);
  expect(told).toHaveLength(2);
});

test('each sign of life begins the time anew, without writing anything', async () => {
  const { rig, told, saved, set } = await start();
  await set(guard(5_000));
  for (let i = 0; i < 5; i++) {
    await rig.advance(4_000);
    expect(await set(guard(5_000))).toMatchObject({ type: 'on' });
  }
  expect([told, saved]).toEqual([[], ['1:5000']]);
  await set(guard(2_000));
  expect(saved).toEqual(['1:5000', '1:2000']);
  await rig.advance(2_000);
  expect(told).toHaveLength(2);
});

test('it is switched off, also when it was not on', async () => {
  const { rig, told, saved, set } = await start();
  expect(await set(guard(0))).toEqual({ type: 'off' });
  expect(saved).toEqual([]);
  await set(guard(5_000));
  expect(await set(guard(0))).toEqual({ type: 'off' });
  await rig.advance(60_000);
  expect([told, saved]).toEqual([[], ['1:5000', '1:0']]);
});

test('with the database away it is not switched on, nor off, and a sign of life counts all the same', async () => {
  const { rig, told, world, set } = await start();
  world.failures = 1;
  expect(await set(guard(5_000))).toEqual({ type: 'unavailable' });
  await rig.advance(60_000);
  expect(told).toEqual([]);
  await set(guard(5_000));
  await rig.advance(4_000);
  world.failures = 1;
  expect(await set(guard(0))).toEqual({ type: 'unavailable' });
  await rig.advance(4_999);
  expect(told).toEqual([]);
  await rig.advance(1);
  expect(told).toHaveLength(2);
});

test('what rang is forgotten as soon as the database is back', async () => {
  const { rig, saved, world, set } = await start();
  await set(guard(1_000));
  world.failures = 3;
  await rig.advance(1_000);
  await rig.advance(500);
  await rig.advance(500);
  expect(saved).toEqual(['1:1000']);
  await rig.advance(500);
  expect(saved).toEqual(['1:1000', '1:0']);
});

test('what was on when the platform ended gets its whole time once more, and so it does behind a crash', async () => {
  const { rig, ref, told, set } = await start();
  ref.tell({ type: 'resume', all: [guard(3_000), guard(60_000, 2)] });
  await rig.advance(2_000);
  rig.ref<unknown>('/dead-man').tell(null);
  await rig.advance(1_500);
  expect(rig.history().join()).toContain('crashed /dead-man');
  expect(told).toEqual([]);
  await rig.advance(3_000);
  expect(told).toHaveLength(2);
  expect(await set(guard(60_000, 2))).toMatchObject({ type: 'on' });
});
