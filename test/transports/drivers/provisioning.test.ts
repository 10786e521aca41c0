import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { findCredential, putCredential } from '../../../transports/drivers/postgres-credentials.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import {
  listAccounts,
  listTenants,
  provisionTenant,
  registerAccount,
} from '../../../transports/drivers/provisioning.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
beforeEach(async () => {
  database = await postgres.platformDatabase();
});

const demo = { slug: 'demo', name: 'Demo' };
const terms = {
  slug: 'demo-1',
  currency: 'USD',
  oms: 'netting',
  leverage: 30,
  aiMayOrder: false,
  owner: 'u-1',
} as const;

describe('a tenant', () => {
  test('gets the next number and a schema of that number', async () => {
    expect(await provisionTenant(database, demo)).toEqual({ tenantId: 1, schema: 't_1' });
    expect(await provisionTenant(database, { slug: 'other', name: 'Other' })).toEqual({ tenantId: 2, schema: 't_2' });
    expect(await listTenants(database)).toEqual([
      { tenantId: 1, slug: 'demo', name: 'Demo', status: 'active' },
      { tenantId: 2, slug: 'other', name: 'Other', status: 'active' },
    ]);
  });

  test('that is provisioned again is the same tenant', async () => {
    await provisionTenant(database, demo);
    expect(await provisionTenant(database, demo)).toEqual({ tenantId: 1, schema: 't_1' });
    expect(await provisionTenant(database, { slug: 'other', name: 'Other' })).toMatchObject({ tenantId: 2 });
  });

  test('that is provisioned twice at once is one tenant', async () => {
    const both = await Promise.all([provisionTenant(database, demo), provisionTenant(database, demo)]);
    expect(both[0]).toEqual(both[1]);
    expect(await listTenants(database)).toHaveLength(1);
  });

  test('whose provisioning was cut short is completed', async () => {
    await database.query(`insert into platform.tenant (slug, name) values ('demo', 'Demo')`);
    expect(await listTenants(database)).toMatchObject([{ status: 'provisioning' }]);
    await provisionTenant(database, demo);
    expect(await listTenants(database)).toMatchObject([{ status: 'active' }]);
    expect(await listAccounts(database, 1)).toEqual([]);
  });

  test('that is suspended stays suspended when it is provisioned again', async () => {
    await provisionTenant(database, demo);
    await database.query(`update platform.tenant set status = 'suspended'`);
    await provisionTenant(database, demo);
    expect(await listTenants(database)).toMatchObject([{ status: 'suspended' }]);
  });

  test('with a slug that is none is refused', async () => {
    await expect(provisionTenant(database, { slug: 'Demo Ltd', name: 'Demo' })).rejects.toMatchObject({
      code: '23514',
    });
  });
});

describe('an account', () => {
  beforeEach(async () => {
    await provisionTenant(database, demo);
  });

  test('gets the next number of its tenant and a stream epoch of its own', async () => {
    const first = await registerAccount(database, 1, terms);
    const second = await registerAccount(database, 1, { ...terms, slug: 'demo-2' });
    expect([first.accountId, second.accountId]).toEqual([1, 2]);
    expect(first.streamEpoch).not.toBe(second.streamEpoch);
    expect((await listAccounts(database, 1))[0]).toEqual({ ...terms, ...first });
  });

  test('that is registered again keeps its number, its stream epoch and its terms', async () => {
    const first = await registerAccount(database, 1, terms);
    expect(await registerAccount(database, 1, { ...terms, leverage: 500 })).toEqual(first);
    expect(await listAccounts(database, 1)).toEqual([{ ...terms, ...first }]);
    expect(await registerAccount(database, 1, { ...terms, slug: 'demo-2' })).toMatchObject({ accountId: 2 });
  });
});

describe('a credential', () => {
  const hash = createHash('sha256').update('a key').digest();
  const credential = {
    hash,
    tenantId: 1,
    keyId: 'k-1',
    role: 'trader',
    scopes: ['orders', 'read'],
    name: 'Demo trader',
  };
  beforeEach(async () => {
    await provisionTenant(database, demo);
  });

  test('tells whose key it is and what it may do', async () => {
    await putCredential(database, credential);
    expect(await findCredential(database, hash)).toEqual({
      ...{ tenantId: 1, tenantSlug: 'demo', keyId: 'k-1', role: 'trader', scopes: ['orders', 'read'] },
    });
  });

  test("of the platform's own staff has no tenant", async () => {
    await putCredential(database, { ...credential, tenantId: null, role: 'ops' });
    expect(await findCredential(database, hash)).toMatchObject({ tenantId: null, tenantSlug: null, role: 'ops' });
  });

  test('that nobody put is not found', async () => {
    expect(await findCredential(database, Buffer.alloc(32))).toBeUndefined();
  });

  test('that is put again is changed, and one that was revoked stays revoked', async () => {
    await putCredential(database, credential);
    await database.query('update t_1.api_key set revoked_at = now()');
    const expiresAt = new Date('2030-01-01T00:00:00Z');
    await putCredential(database, { ...credential, role: 'tenant-admin', expiresAt });
    const found = await findCredential(database, hash);
    expect(found).toMatchObject({ role: 'tenant-admin', expiresAt });
    expect(found?.revokedAt).toBeInstanceOf(Date);
  });

  test('that is replaced by another works no more; that of the same name elsewhere does', async () => {
    const [elsewhere, next] = ['elsewhere', 'next'].map((key) => createHash('sha256').update(key).digest()) as [
      Buffer,
      Buffer,
    ];
    await putCredential(database, { ...credential, hash: elsewhere, tenantId: null });
    await putCredential(database, credential);
    await putCredential(database, { ...credential, hash: next });
    expect(await findCredential(database, hash)).toBeUndefined();
    expect(await findCredential(database, next)).toMatchObject({ keyId: 'k-1' });
    expect(await findCredential(database, elsewhere)).toMatchObject({ tenantId: null });
  });

  test('with anything but a SHA-256 is refused', async () => {
    await expect(putCredential(database, { ...credential, hash: Buffer.alloc(16) })).rejects.toMatchObject({
      code: '23514',
    });
    expect((await database.query('select from t_1.api_key')).rowCount).toBe(0);
  });
});
