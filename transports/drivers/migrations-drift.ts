/** Compares the schemas as they stand with what the migrations give: a change by hand shows here before it breaks something. */
import { forTenant, readMigrations, tenantSchema, type Migration } from './migration-files.ts';
import { historyTable, readHistory, withMigrator, type AppliedMigration } from './migrations.ts';
import type { Database, Queryable } from './postgres.ts';
import { actAs } from './roles.ts';
import { findWrongRights } from './roles-check.ts';

export interface Drift {
  readonly schema: string;
  /** Follows the name of the schema in a sentence. */
  readonly fault: string;
}

/**
 * Migrations that were changed, are missing or unknown, objects that no migration gives or that are gone, and wrong rights.
 * Changes nothing: what is compared with is made in a transaction that is rolled back.
 *
 * @param folder where the files lie; absent: those of this code
 */
export function findDrift(database: Database, folder?: URL): Promise<readonly Drift[]> {
  return withMigrator(database, async (connection) => {
    const files = readMigrations(folder);
    const history = await readHistory(connection);
    if (!history.has('platform')) return [{ schema: 'platform', fault: 'is missing' }];
    const { rows } = await connection.query<{ tenant_id: number }>(
      `select tenant_id from platform.tenant where status <> 'closed' order by tenant_id`,
    );
    const drift: Drift[] = [];
    const compare = (
      schema: string,
      migrations: readonly Migration[],
      wanted: Objects | undefined,
      found: Objects | undefined,
    ) => {
      const ledger = ledgerFaults(migrations, history.get(schema) ?? []);
      // Of a schema at another version every difference would be told twice.
      const faults = ledger.length > 0 || !wanted ? ledger : objectFaults(wanted, found ?? new Set());
      drift.push(...faults.map((fault) => ({ schema, fault })));
    };
    // Without the role of the migrations nothing can be made to compare with: the ledger and the rights tell what is missing.
    const models = (await hasRole(connection, 'migrator')) ? await makeModels(connection, files) : undefined;
    compare('platform', files.platform, models?.platform, await describeSchema(connection, 'platform'));
    for (let from = 0; from < rows.length; from += schemasAtOnce) {
      const schemas = rows.slice(from, from + schemasAtOnce).map(({ tenant_id }) => tenantSchema(tenant_id));
      const found = await describeSchemas(connection, schemas);
      for (const schema of schemas) compare(schema, files.tenant, models?.tenant, found.get(schema));
    }
    drift.push(...(await unregistered(connection)), ...(await wrongRights(connection)));
    return drift;
  });
}

function ledgerFaults(files: readonly Migration[], applied: readonly AppliedMigration[]): string[] {
  const faults = applied.flatMap(({ version, checksum }) => {
    const ours = files.find((migration) => migration.version === version);
    if (!ours) return [`has migration ${version}, which this version of the platform does not know`];
    return ours.checksum === checksum ? [] : [`has migration ${version} from a file that was changed since`];
  });
  const missing = files.filter(({ version }) => !applied.some((row) => row.version === version));
  return [...faults, ...missing.map(({ version, title }) => `lacks migration ${version} (${title})`)];
}

function objectFaults(wanted: Objects, found: Objects): string[] {
  return [
    ...[...found].filter((object) => !wanted.has(object)).map((object) => `has ${object}, which no migration gives`),
    ...[...wanted].filter((object) => !found.has(object)).map((object) => `lacks ${object}`),
  ];
}

const scratchSchema = 'migration_scratch';
/** The largest number there is: the registry, which counts up, does not come to it. */
const scratchTenant = 2_147_483_647;

/** A platform's and a tenant's schema as the files make them, described. */
async function makeModels(
  connection: Queryable,
  files: { readonly platform: readonly Migration[]; readonly tenant: readonly Migration[] },
): Promise<{ readonly platform: Objects; readonly tenant: Objects }> {
  const inScratch = (sql: string): string =>
    sql.replaceAll(/\bplatform\./g, `${scratchSchema}.`).replaceAll('exists platform ', `exists ${scratchSchema} `);
  await connection.query('begin');
  try {
    await connection.query(`set local lock_timeout = '5s'`);
    await actAs(connection, 'migrator');
    await connection.query(inScratch(historyTable));
    for (const { sql, isRights } of files.platform) if (!isRights) await connection.query(inScratch(sql));
    for (const { sql, isRights } of files.tenant) {
      if (!isRights) await connection.query(forTenant(sql, scratchTenant));
    }
    return {
      platform: await describeSchema(connection, scratchSchema),
      tenant: await describeSchema(connection, tenantSchema(scratchTenant)),
    };
  } finally {
    await connection.query('rollback');
  }
}

async function hasRole(connection: Queryable, role: string): Promise<boolean> {
  const { rows } = await connection.query('select from pg_roles where rolname = $1', [role]);
  return rows.length > 0;
}

/** A line an object, without the name of the schema and the number of its tenant. */
export async function describeSchema(connection: Queryable, schema: string): Promise<Objects> {
  return (await describeSchemas(connection, [schema])).get(schema) ?? new Set();
}

type Objects = ReadonlySet<string>;

/** The statement looks at the whole catalog, whether for one schema or for many; what it gives is held in memory. */
const schemasAtOnce = 100;

async function describeSchemas(
  connection: Queryable,
  schemas: readonly string[],
): Promise<ReadonlyMap<string, Objects>> {
  const { rows } = await connection.query<{ schema: string; object: string }>(objectsText, [schemas]);
  const grouped = [...Map.groupBy(rows, ({ schema }) => schema)];
  return new Map(grouped.map(([schema, ofSchema]) => [schema, new Set(ofSchema.map(neutral))]));
}

function neutral({ schema, object }: { readonly schema: string; readonly object: string }): string {
  return object.replaceAll(`${schema}.`, '').replaceAll(/((?:tenant_id = |FOR VALUES IN \()'?)\d+/g, '$1:tenant_id');
}

const objectsText = `
with relations as (
  select n.nspname::text as schema, c.* from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = any ($1::text[]))
select schema, concat_ws(' ', case relkind when 'r' then 'table' when 'p' then 'table' when 'S' then 'sequence' when 'v' then 'view'
    when 'm' then 'materialized view' else 'relation' end, relname, array_to_string(reloptions, ','), pg_get_expr(relpartbound, oid),
    case when relkind = 'p' then pg_get_partkeydef(oid) end, case when relrowsecurity then 'with row security' end) as object
from relations where relkind in ('r', 'p', 'S', 'v', 'm', 'f')
union all
select schema, concat_ws(' ', 'column', r.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
  case when a.attnotnull then 'not null' end, case a.attidentity when 'a' then 'identity' when 'd' then 'identity by default' end,
  case when d.adbin is not null then case a.attgenerated when '' then 'default ' else 'generated ' end || pg_get_expr(d.adbin, d.adrelid) end)
from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
where r.relkind in ('r', 'p', 'v', 'm', 'f')
union all
select schema, format('constraint %s on %s: %s', k.conname, r.relname, pg_get_constraintdef(k.oid))
from relations r join pg_constraint k on k.conrelid = r.oid where k.contype <> 'n'
union all
select schema, format('index %s: %s', r.relname, pg_get_indexdef(r.oid)) from relations r where r.relkind in ('i', 'I')
union all
select schema, format('trigger %s on %s', t.tgname, r.relname) from relations r join pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal
union all
select schema, format('policy %s on %s', p.polname, r.relname) from relations r join pg_policy p on p.polrelid = r.oid
union all
select n.nspname::text, format('routine %s(%s)', p.proname, pg_get_function_identity_arguments(p.oid))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any ($1::text[])
order by 1, 2`;

async function unregistered(connection: Queryable): Promise<Drift[]> {
  const { rows } = await connection.query<{ schema: string }>(
    `select nspname as schema from pg_namespace
     where nspname ~ '^t_[0-9]+$' and nspname not in (select 't_' || tenant_id from platform.tenant) order by 1`,
  );
  return rows.map(({ schema }) => ({ schema, fault: 'belongs to no tenant of the registry' }));
}

async function wrongRights(connection: Queryable): Promise<Drift[]> {
  return (await findWrongRights(connection)).map((fault) => ({ schema: 'rights:', fault }));
}
