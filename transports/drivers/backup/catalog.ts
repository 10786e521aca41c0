/** What there is to save: tables with their columns and the order of their rows, sequences, tenants, migrations. */
import assert from 'node:assert';
import type { Queryable } from '../postgres.ts';
import type { SavedMigration, SavedTable, SavedTenant } from './payload.ts';

/** Rows of `platform` that belong to one tenant, by the column that says whose they are; a backup of that tenant holds them. */
export const tenantRows: Readonly<Record<string, (tenantId: number) => string>> = {
  tenant: (tenantId) => `tenant_id = ${tenantId}`,
  credential: (tenantId) => `tenant_id = ${tenantId}`,
  data_key: (tenantId) => `tenant_id = ${tenantId}`,
  migration: (tenantId) => `schema_name = 't_${tenantId}'`,
};

/** Tables of `platform` that name tenants and are the platform's own all the same. */
export const platformOnly: readonly string[] = [
  ...['audit', 'kill_switch', 'risk_limits', 'dead_man'],
  // What was spent stays spent when a tenant goes back in time.
  ...['ai_reservation', 'ai_call', 'ai_spend'],
];

export interface Table extends SavedTable {
  /** SQL that gives the rows the same order on every server. */
  readonly orderBy: string;
}

/** Ordinary tables of a schema, those that others refer to first. */
export async function readTables(connection: Queryable, schema: string): Promise<readonly Table[]> {
  const { rows } = await connection.query<{
    name: string;
    columns: string[];
    keys: { name: string; text: boolean }[] | null;
    refers: string[];
  }>(tablesText, [schema]);
  const left = rows.map(({ name, columns, keys, refers }) => ({
    table: { schema, name, columns, orderBy: (keys ?? []).map(orderOf).join(', ') || 'r::text collate "C"' },
    refers,
  }));
  const ordered: Table[] = [];
  while (left.length > 0) {
    const index = left.findIndex(({ refers }) => refers.every((name) => ordered.some((table) => table.name === name)));
    assert(index >= 0, `the tables of ${schema} refer to each other in a circle`);
    ordered.push(left.splice(index, 1)[0]!.table);
  }
  return ordered;
}

function orderOf({ name, text }: { name: string; text: boolean }): string {
  return `${quoted(name)}${text ? ' collate "C"' : ''}`;
}

const tablesText = `
select c.relname::text as name,
  array(select a.attname::text from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
  (select json_agg(json_build_object('name', a.attname, 'text', a.attcollation <> 0) order by k.place)
    from pg_index i, unnest(i.indkey) with ordinality k (number, place)
    join pg_attribute a on a.attnum = k.number
    where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid) as keys,
  array(select distinct o.relname::text from pg_constraint f join pg_class o on o.oid = f.confrelid
    where f.conrelid = c.oid and f.contype = 'f' and o.oid <> c.oid and o.relnamespace = c.relnamespace) as refers
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind = 'r'
order by c.relname`;

/** The rows of a table as text, in its order. */
export function copyOutText(table: Table, where?: string): string {
  const columns = table.columns.map((column) => `r.${quoted(column)}`).join(', ');
  const filter = where === undefined ? '' : ` where ${where}`;
  return `copy (select ${columns} from ${nameOf(table)} r${filter} order by ${table.orderBy}) to stdout`;
}

export function copyInText({ columns, ...table }: SavedTable): string {
  return `copy ${nameOf(table)} (${columns.map(quoted).join(', ')}) from stdin`;
}

export function nameOf({ schema, name }: Pick<SavedTable, 'schema' | 'name'>): string {
  return `${quoted(schema)}.${quoted(name)}`;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Whose schema is there, in order of their numbers. */
export async function readTenants(connection: Queryable): Promise<readonly SavedTenant[]> {
  const { rows } = await connection.query<SavedTenant>(
    `select tenant_id as "tenantId", slug, created_at::text as "createdAt" from platform.tenant
     where to_regnamespace('t_' || tenant_id) is not null order by tenant_id`,
  );
  return rows;
}

export async function readMigrationsApplied(connection: Queryable): Promise<readonly SavedMigration[]> {
  const { rows } = await connection.query<SavedMigration>(
    `select schema_name as schema, version, title, checksum from platform.migration order by schema_name, version`,
  );
  return rows;
}

/** Undefined where no platform was ever in this database. */
export async function readBirth(connection: Queryable): Promise<string | undefined> {
  const there = await connection.query<{ found: boolean }>(
    `select to_regclass('platform.migration') is not null as found`,
  );
  if (!there.rows[0]!.found) return undefined;
  const { rows } = await connection.query<{ birth: string }>(
    `select applied_at::text as birth from platform.migration where schema_name = 'platform' order by version limit 1`,
  );
  return rows[0]?.birth;
}

export async function readSequences(
  connection: Queryable,
  schema: string,
): Promise<readonly { readonly schema: string; readonly name: string; readonly last: number }[]> {
  const { rows } = await connection.query<{ schema: string; name: string; last: number }>(
    `select schemaname::text as schema, sequencename::text as name, last_value as last
     from pg_sequences where schemaname = $1 and last_value is not null order by sequencename`,
    [schema],
  );
  return rows;
}

/** Values are written the same way whatever server and login. Until the end of the session. */
export async function writePlainly(connection: Queryable): Promise<void> {
  await connection.query(
    `set datestyle = 'ISO, YMD'; set timezone = 'UTC'; set intervalstyle = 'postgres'; set bytea_output = 'hex';
     set extra_float_digits = 1; set search_path = pg_catalog; set jit = off; set work_mem = '64MB'; set idle_in_transaction_session_timeout = 0`,
  );
}
