import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCredential, putCredential } from '../../../transports/drivers/postgres-credentials.ts';
import { findDrift } from '../../../transports/drivers/migrations-drift.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import {
  listAccounts,
  listTenants,
  provisionTenant,
  registerAccount,
} from '../../../transports/drivers/provisioning.ts';
import { findWrongRights } from '../../../transports/drivers/roles-check.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
beforeEach(async () => {
  database = await postgres.platformDatabase();
});
afterEach(() => database.close());

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

  test('whose provisioning fails, at whichever statement, leaves nothing behind, and a retry makes it whole', async () => {
    await provisionTenant(database, demo);
    const before = await traces();
    let failures = 0;
    for (let at = 1; ; at++) {
      const failing = failAt(database, at);
      const outcome = await provisionTenant(failing, { slug: 'other', name: 'Other' }).catch((error: Error) => error);
      if (!(outcome instanceof Error)) break;
      failures += 1;
      expect(await traces()).toEqual(before);
    }
    expect(failures).toBeGreaterThan(15);
    expect(await findWrongRights(database)).toEqual([]);
    expect(await findDrift(database)).toEqual([]);
    // Numbers of those that came to nothing are not given out again.
    const [, other] = await listTenants(database);
    expect(other).toMatchObject({ slug: 'other', status: 'active' });
    expect(other!.tenantId).toBeGreaterThan(failures - 10);
    expect(await provisionTenant(database, { slug: 'other', name: 'Other' })).toMatchObject({
      tenantId: other!.tenantId,
    });
  });

  test('whose connection breaks on the way leaves nothing behind, and a retry makes it whole', async () => {
    const before = await traces();
    for (const at of [2, 5, 9, 14]) {
      const breaking = failAt(database, at, (client) => client.connection.stream.destroy());
      await expect(provisionTenant(breaking, demo)).rejects.toThrow();
      expect(await traces()).toEqual(before);
    }
    await provisionTenant(database, demo);
    expect(await findWrongRights(database)).toEqual([]);
  });

  test('that has left never gives its number to another', async () => {
    await provisionTenant(database, demo);
    await database.query('alter table platform.journal detach partition t_1.journal; drop schema t_1 cascade');
    await database.query(`delete from platform.migration where schema_name = 't_1'; delete from platform.tenant`);
    expect(await provisionTenant(database, demo)).toMatchObject({ tenantId: 2 });
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

/** What provisioning makes, wherever it stands. */
async function traces(): Promise<unknown> {
  const { rows } = await database.query(
    `select 'schema' as what, nspname::text as name from pg_namespace
     union all select 'tenant', slug from platform.tenant
     union all select 'migration', schema_name || version from platform.migration
     union all select 'role', rolname from pg_roles r where exists (
       select from pg_database d, aclexplode(d.datacl) a where d.datname = current_database() and a.grantee = r.oid)
     union all select 'partition', inhrelid::regclass::text from pg_inherits where inhparent = 'platform.journal'::regclass
     order by 1, 2`,
  );
  return rows;
}

interface Breakable {
  readonly connection: { readonly stream: { destroy(): void } };
}

/** A database whose direct connections fail at their statement number `at`, counted from 1. */
function failAt(given: Database, at: number, breaking?: (client: Breakable) => void): Database {
  return {
    ...given,
    async connect(options) {
      const connection = await given.connect(options);
      let statements = 0;
      const query: typeof connection.query = async (text, values) => {
        statements += 1;
        if (statements === at && !text.startsWith('rollback')) {
          if (!breaking) throw new Error(`statement ${at} failed`);
          breaking(connection.client);
        }
        return connection.query(text, values);
      };
      return { ...connection, query };
    },
  };
}
