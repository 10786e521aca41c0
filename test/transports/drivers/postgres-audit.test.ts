import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { AuditEntry } from '../../../actors/audit-log.ts';
import { appendAudit, verifyAudit } from '../../../transports/drivers/postgres-audit.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
let tenantId: number;

beforeAll(async () => {
  database = await postgres.platformDatabase();
  ({ tenantId } = await provisionTenant(database, { slug: 'demo', name: 'Demo' }));
});
beforeEach(async () => {
  await database.query(`truncate platform.audit, t_${tenantId}.audit`);
});

function entry(target: string): AuditEntry {
  return {
    ...{ tenantId, timeMicros: 1_800_000_000_000_001, subject: 'u-1', action: 'read:order', target },
    details: { zeta: 1, alpha: { b: [1, { d: 2, c: 'é' }], a: null } },
  };
}

test('entries of the platform and of a tenant are chains of their own', async () => {
  await appendAudit(database, [entry('a'), { ...entry('p'), tenantId: undefined }, entry('b')]);
  await appendAudit(database, [entry('c')]);
  expect(await verifyAudit(database, tenantId)).toEqual({ entries: 3 });
  expect(await verifyAudit(database, undefined)).toEqual({ entries: 1 });
  const { rows } = await database.query(`select target from t_${tenantId}.audit order by seq`);
  expect(rows).toEqual([{ target: 'a' }, { target: 'b' }, { target: 'c' }]);
});

test('writers that come at once make one chain', async () => {
  await Promise.all(
    Array.from({ length: 8 }, (_, index) => appendAudit(database, [entry(`${index}`), entry(`${index}'`)])),
  );
  expect(await verifyAudit(database, tenantId)).toEqual({ entries: 16 });
});

test('a long chain is verified to its end', async () => {
  await appendAudit(
    database,
    Array.from({ length: 2_100 }, (_, index) => entry(`${index}`)),
  );
  expect(await verifyAudit(database, tenantId)).toEqual({ entries: 2_100 });
});

test('nothing to write is nothing written', async () => {
  await appendAudit(database, []);
  expect(await verifyAudit(database, tenantId)).toEqual({ entries: 0 });
});

test.each([
  ['a changed subject', `update T set subject = 'u-2' where seq = 2`],
  ['changed details', `update T set details = details || '{"zeta": 2}' where seq = 2`],
  ['a moved moment', `update T set at = at + interval '1 microsecond' where seq = 2`],
  ['an entry that was taken out', 'delete from T where seq = 2'],
  ['an entry that was put in another place', 'update T set seq = seq + 10 where seq >= 2'],
])('%s is found', async (_, tamper) => {
  await appendAudit(database, [entry('a'), entry('b'), entry('c')]);
  await database.query(tamper.replace('T', `t_${tenantId}.audit`));
  expect(await verifyAudit(database, tenantId)).toEqual({ entries: 1, brokenAt: 2 });
});
