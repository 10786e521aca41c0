/** Tenants, their accounts and their keys in the registry. Every step may be repeated. */
import { randomBytes } from 'node:crypto';
import { migrateTenant, tenantSchema } from './migrations.ts';
import type { Database } from './postgres.ts';

export interface Tenant {
  readonly tenantId: number;
  readonly slug: string;
  readonly name: string;
  readonly status: 'provisioning' | 'active' | 'suspended' | 'closed';
}

/**
 * Registers a tenant and makes its schema with the journal's partition, or completes what an interrupted run has begun.
 *
 * @param tenant slug `[a-z][a-z0-9-]{0,30}`; a known slug keeps its number and name
 */
export async function provisionTenant(
  database: Database,
  tenant: { readonly slug: string; readonly name: string },
): Promise<{ tenantId: number; schema: string }> {
  // The lookup first: an insert that meets a conflict would use up a number.
  await database.query(
    `insert into platform.tenant (slug, name) select $1, $2
     where not exists (select from platform.tenant where slug = $1) on conflict (slug) do nothing`,
    [tenant.slug, tenant.name],
  );
  const { rows } = await database.query<{ tenant_id: number }>(
    'select tenant_id from platform.tenant where slug = $1',
    [tenant.slug],
  );
  const tenantId = rows[0]!.tenant_id;
  await migrateTenant(database, tenantId);
  await database.query(
    `update platform.tenant set status = 'active' where tenant_id = $1 and status = 'provisioning'`,
    [tenantId],
  );
  return { tenantId, schema: tenantSchema(tenantId) };
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
  const { rows } = await database.query<RegisteredAccount>(
    `select account_id as "accountId", slug, currency, oms, leverage, ai_may_order as "aiMayOrder", owner, stream_epoch as "streamEpoch"
     from ${tenantSchema(tenantId)}.account order by account_id`,
  );
  return rows;
}
