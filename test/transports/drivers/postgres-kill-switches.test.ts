import { beforeEach, expect, test } from 'vitest';
import type { LatchedSwitch } from '../../../actors/trading/kill-switch.ts';
import { listLatched, saveKillSwitch } from '../../../transports/drivers/postgres-kill-switches.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
beforeEach(async () => {
  database = await postgres.platformDatabase();
});

const all: LatchedSwitch = {
  ...{ id: 'k-1', scope: 'platform', flatten: true, reason: 'a fault', by: 'ann', releasedBy: [] },
  latchedMicros: 1_800_000_000_000_001,
};
const one: LatchedSwitch = {
  ...{ ...all, id: 'k-2', scope: 'symbol', tenantId: 1, symbol: 'EURUSD', flatten: false },
  latchedMicros: 1_800_000_000_000_002,
};
const other: LatchedSwitch = { ...one, id: 'k-3', scope: 'strategy', accountId: 7, strategyId: 'cross' };

test('what is latched is read again as it was, oldest first', async () => {
  for (const latched of [one, all, all]) await saveKillSwitch(database, latched);
  await saveKillSwitch(database, other);
  expect(await listLatched(database)).toEqual([all, one, other]);
});

test('what enough have released is latched no more, and a late word does not bring it back', async () => {
  await saveKillSwitch(database, all);
  await saveKillSwitch(database, { ...all, releasedBy: ['ann'] });
  expect(await listLatched(database)).toMatchObject([{ id: 'k-1', releasedBy: ['ann'] }]);
  await saveKillSwitch(database, { ...all, releasedBy: ['ann', 'bob'] });
  await saveKillSwitch(database, all);
  expect(await listLatched(database)).toEqual([]);
});
