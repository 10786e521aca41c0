/** Tenants, their accounts and their keys in the registry. Every step may be repeated. */
import { randomBytes } from 'node:crypto';
import { tenantSchema } from './migration-files.ts';
import { migrateTenant, patiently, withMigrator } from './migrations.ts';
import type { Database, Queryable } from './postgres.ts';
import { asTenant } from './roles.ts';

export interface Tenant {
  readonly tenantId: number;
  readonly slug: string;
  readonly name: string;
  readonly status: 'provisioning' | 'active' | 'suspended' | 'closed';
}

/**
 * Registers a tenant and makes its schema, its role and its partition of the journal: all of it or, where a statement fails, nothing.
 * May be repeated: a known slug keeps its number and name, and what its schema lacks is added.
 * A number is given out once, also when its tenant came to nothing or has left.
 *
 * @param tenant slug `[a-z][a-z0-9-]{0,30}`
 */
export function provisionTenant(
  database: Database,
  tenant: { readonly slug: string; readonly name: string },
): Promise<{ tenantId: number; schema: string }> {
  return withMigrator(database, (connection) =>
    patiently(connection, async (transaction) => {
      const tenantId = (await findTenant(transaction, tenant.slug)) ?? (await enter(transaction, tenant));
      await migrateTenant(transaction, tenantId);
      await transaction.query(
        `update platform.tenant set status = 'active' where tenant_id = $1 and status = 'provisioning'`,
        [tenantId],
      );
      return { tenantId, schema: tenantSchema(tenantId) };
    }),
  );
}

/** The number of a tenant, or undefined. */
export async function findTenant(database: Queryable, slug: string): Promise<number | undefined> {
  const { rows } = await database.query<{ tenant_id: number }>(
    'select tenant_id from platform.tenant where slug = $1',
    [slug],
  );
  return rows[0]?.tenant_id;
}

async function enter(transaction: Queryable, { slug, name }: { slug: string; name: string }): Promise<number> {
  const { rows } = await transaction.query<{ tenant_id: number }>(
    'insert into platform.tenant (slug, name) values ($1, $2) returning tenant_id',
    [slug, name],
  );
  return rows[0]!.tenant_id;
}

/** In order of their numbers. */
export async function listTenants(database: Database): Promise<readonly Tenant[]> {
  const { rows } = await database.query<Tenant>(
    'select tenant_id as "tenantId", slug, name, status from platform.tenant order by tenant_id',
  );
  return rows;
}

export interface AccountTerms {
  readonly slug: string;
  readonly currency: string;
  readonly oms: 'netting';
  /** 1 to 500. */
  readonly leverage: number;
  readonly aiMayOrder: boolean;
  /** Subject id of the trader. */
  readonly owner: string;
}

export interface RegisteredAccount extends AccountTerms {
  readonly accountId: number;
  /** Identity of the account's journal; opaque. */
  readonly streamEpoch: string;
}

/** Enters an account; a known slug keeps its number, its stream epoch and its terms. */
export async function registerAccount(
  database: Database,
  tenantId: number,
  terms: AccountTerms,
): Promise<{ accountId: number; streamEpoch: string }> {
  const accounts = `${tenantSchema(tenantId)}.account`;
  await database.query(
    `insert into ${accounts} (slug, currency, oms, leverage, ai_may_order, owner, stream_epoch)
     select $1, $2, $3, $4, $5, $6, $7 where not exists (select from ${accounts} where slug = $1) on conflict (slug) do nothing`,
    [
      terms.slug,
      terms.currency,
      terms.oms,
      terms.leverage,
      terms.aiMayOrder,
      terms.owner,
      randomBytes(6).toString('hex'),
    ],
  );
  const { rows } = await database.query<{ accountId: number; streamEpoch: string }>(
    `select account_id as "accountId", stream_epoch as "streamEpoch" from ${accounts} where slug = $1`,
    [terms.slug],
  );
  return rows[0]!;
}

/** In order of their numbers. */
export async function listAccounts(database: Database, tenantId: number): Promise<readonly RegisteredAccount[]> {
  const text = `select account_id as "accountId", slug, currency, oms, leverage, ai_may_order as "aiMayOrder", owner,
      stream_epoch as "streamEpoch"
    from ${tenantSchema(tenantId)}.account order by account_id`;
  return (await asTenant(database, tenantId, (transaction) => transaction.query<RegisteredAccount>(text))).rows;
}
