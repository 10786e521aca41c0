import { expect, test } from 'vitest';
import { listDeadMen, saveDeadMan } from '../../../transports/drivers/postgres-dead-man.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();

test('what is on is read again as it was said last, and what was switched off is not', async () => {
  const database = await postgres.platformDatabase();
  const one = { tenantId: 1, accountId: 7, timeoutMs: 5_000 };
  await saveDeadMan(database, one);
  await saveDeadMan(database, { ...one, timeoutMs: 9_000 });
  await saveDeadMan(database, { ...one, tenantId: 2 });
  await saveDeadMan(database, { ...one, accountId: 8 });
  await saveDeadMan(database, { ...one, accountId: 8, timeoutMs: 0 });
  await saveDeadMan(database, { ...one, accountId: 9, timeoutMs: 0 });
  expect(new Set(await listDeadMen(database))).toEqual(
    new Set([
      { ...one, timeoutMs: 9_000 },
      { ...one, tenantId: 2 },
    ]),
  );
});
