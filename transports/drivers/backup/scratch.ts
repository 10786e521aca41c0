/**
 * Schemas beside those in use: `restore_…` is filled and checked, `replaced_…` is what it took the place of.
 * Their tables are made by the migrations themselves: within one transaction the schemas in use step aside, the migrations run under
 * the names they know, and all names are put back, so nobody ever sees them gone.
 */
import { historyTable } from '../migrations.ts';
import { forTenant, readMigrations, tenantSchema, type Migration } from '../migration-files.ts';
import { inTransaction, type Queryable } from '../postgres.ts';
import { actAs, prepareRoles } from '../roles.ts';
import type { Head } from './payload.ts';

export function scratchOf(schema: string): string {
  return `restore_${schema}`;
}

export function replacedOf(schema: string): string {
  return `replaced_${schema}`;
}

/** Schemas of the platform that are in use now. */
export async function liveSchemas(connection: Queryable): Promise<readonly string[]> {
  return schemasLike(connection, '^(platform|t_[0-9]+)$');
}

/** What an earlier restore left behind, whether it came to its end or was killed. @returns how many schemas there were */
export async function dropLeftovers(connection: Queryable): Promise<number> {
  const left = await schemasLike(connection, '^(restore|replaced)_(platform|t_[0-9]+)$');
  // Partitions before their parent, each by itself: a thousand schemas in one transaction need more locks than a server has.
  const isPlatform = (name: string) => name.endsWith('_platform');
  const ordered = [...left.filter((name) => !isPlatform(name)), ...left.filter(isPlatform)];
  for (const schema of ordered) await connection.query(`drop schema ${schema} cascade`);
  return left.length;
}

/** Makes empty `restore_…` schemas, as they were when the backup was made: for `platform` and for the tenants given. */
export async function buildScratch(
  connection: Queryable,
  head: Head,
  tenantIds: readonly number[],
  onSchema: () => void = () => {},
): Promise<void> {
  const files = readMigrations();
  const appliedTo = (schema: string, all: readonly Migration[]): readonly Migration[] => {
    const versions = new Set(head.migrations.filter((row) => row.schema === schema).map(({ version }) => version));
    return all.filter(({ version }) => versions.has(version));
  };
  await inTransaction(connection, (transaction) =>
    aside(transaction, ['platform'], async () => {
      await prepareRoles(transaction);
      await transaction.query(historyTable);
      await apply(transaction, appliedTo('platform', files.platform));
      await rename(transaction, 'platform', scratchOf('platform'));
    }),
  );
  for (const tenantId of tenantIds) {
    const schema = tenantSchema(tenantId);
    await inTransaction(connection, (transaction) =>
      aside(transaction, ['platform', schema], async () => {
        await rename(transaction, scratchOf('platform'), 'platform');
        await apply(transaction, appliedTo(schema, files.tenant), tenantId);
        await rename(transaction, schema, scratchOf(schema));
        await rename(transaction, 'platform', scratchOf('platform'));
      }),
    );
    onSchema();
  }
}

/** Runs `work` while the names are free, in the caller's transaction. */
async function aside(transaction: Queryable, schemas: readonly string[], work: () => Promise<void>): Promise<void> {
  const there = await schemasLike(transaction, `^(${schemas.join('|')})$`);
  for (const schema of there) await rename(transaction, schema, `aside_${schema}`);
  await work();
  for (const schema of there) await rename(transaction, `aside_${schema}`, schema);
}

/** As the migrator does it, without its history: that is in the backup. */
async function apply(transaction: Queryable, files: readonly Migration[], tenantId?: number): Promise<void> {
  const rights = files.findLast(({ isRights }) => isRights);
  const isLast = rights === files.at(-1);
  for (const { sql, isRights } of [...files, ...(rights && !isLast ? [rights] : [])]) {
    if (!isRights) await actAs(transaction, 'migrator');
    await transaction.query(tenantId === undefined ? sql : forTenant(sql, tenantId));
    if (!isRights) await actAs(transaction, 'none');
  }
}

export async function rename(transaction: Queryable, from: string, to: string): Promise<void> {
  await transaction.query(`alter schema ${from} rename to ${to}`);
}

async function schemasLike(connection: Queryable, pattern: string): Promise<readonly string[]> {
  const { rows } = await connection.query<{ name: string }>(
    'select nspname::text as name from pg_namespace where nspname ~ $1 order by nspname',
    [pattern],
  );
  return rows.map(({ name }) => name);
}
