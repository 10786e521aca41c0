/** Accounts that rest and come back, on the stage that the platform sets. */
import { expect, test } from 'vitest';
import { accountPath } from '../../actors/trading-account.ts';
import { encodeAccount } from '../../actors/trading/account-snapshot.ts';
import { limits } from '../../config/limits.ts';
import { MemorySnapshots } from '../../runtime/snapshots.ts';
import { s } from '../actors/trading/fixtures.ts';
import { slug, startStage, type StageRig } from '../support/stage.ts';

const few = { snapshots: { ...limits.snapshots, everyRows: 4 } };
const { passivateAfterMs } = limits.snapshots;
const path = `${accountPath(slug, 'a-1')}/account`;

function statusOf({ test: { system } }: StageRig): string | undefined {
  return system.inspectActor(path)?.status;
}

async function trade(rig: StageRig, orders: number): Promise<void> {
  await rig.quote('1.08000', '1.08010');
  for (let i = 0; i < orders; i++) await rig.order({ quantity: s('0.01') });
  await rig.order({ orderType: 'limit', limitPrice: s('1.01000'), timeInForce: 'gtc' });
  await rig.test.settle();
}

async function rest(rig: StageRig): Promise<void> {
  await rig.test.advance(passivateAfterMs + passivateAfterMs / 8);
  await rig.test.settle();
}

test('an account that nobody tells anything rests, and comes back with the same state from its snapshot', async () => {
  const store = new MemorySnapshots();
  const rig = await startStage({ limits: few, snapshots: store });
  await trade(rig, 6);
  const before = encodeAccount(await rig.state());
  const rows = (await rig.rows()).length;
  await rest(rig);
  expect(statusOf(rig)).toBe('dormant');
  const saved = await store.load({ tenantId: 4, entityId: 1 });
  expect(saved!.seq).toBeGreaterThan(rows - few.snapshots.everyRows - 1);
  expect(encodeAccount(await rig.state())).toBe(before);
  expect(statusOf(rig)).toBe('running');
  // And goes on trading: the working order is known, a repeated command too.
  await rig.quote('1.00990', '1.01000');
  expect((await rig.history()).at(-1)).toContain('order-filled');
});

test('an order that is repeated after a rest takes effect once', async () => {
  const rig = await startStage({ limits: few, snapshots: new MemorySnapshots() });
  await rig.quote('1.08000', '1.08010');
  const first = await rig.order({ clientOrderId: 'once' });
  await trade(rig, 5);
  const rows = (await rig.rows()).length;
  await rest(rig);
  const again = await rig.order({ clientOrderId: 'once' });
  expect(again).toMatchObject({ type: 'done', duplicate: true });
  expect(again).toMatchObject({ reply: (first as { reply: object }).reply });
  expect(await rig.rows()).toHaveLength(rows);
});

test('a fill wakes the account that rests', async () => {
  const rig = await startStage({ limits: few, snapshots: new MemorySnapshots() });
  await trade(rig, 3);
  await rest(rig);
  expect(statusOf(rig)).toBe('dormant');
  await rig.quote('1.00990', '1.01000');
  await rig.test.settle();
  expect((await rig.history()).at(-1)).toContain('order-filled');
});

test('an account that is asked now and then does not rest', async () => {
  const rig = await startStage({ limits: few, snapshots: new MemorySnapshots() });
  for (let i = 0; i < 4; i++) {
    await rig.test.advance(passivateAfterMs / 2);
    await rig.state();
  }
  expect(statusOf(rig)).toBe('running');
});

test('without snapshots accounts do not rest: they would read all of their journal each time', async () => {
  const rig = await startStage();
  await rest(rig);
  expect(statusOf(rig)).toBe('running');
});

test('a store of snapshots that fails costs an account nothing but time', async () => {
  const failing = { save: () => Promise.reject(new Error('no')), load: () => Promise.reject(new Error('no')) };
  const rig = await startStage({ limits: few, snapshots: failing });
  await trade(rig, 6);
  const before = encodeAccount(await rig.state());
  await rest(rig);
  expect(statusOf(rig)).toBe('dormant');
  expect(encodeAccount(await rig.state())).toBe(before);
});
