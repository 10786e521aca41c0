/** Brings schemas to the version of this code: plain SQL files, each applied once, in order, in a transaction of its own. */
import assert from 'node:assert';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Terminal } from '../../runtime/errors.ts';
import { inTransaction, type Database, type Queryable } from './postgres.ts';

export interface Migration {
  readonly version: number;
  readonly title: string;
  readonly sql: string;
  /** SHA-256 of the file, hex. */
  readonly checksum: string;
}

/** What the database says was done is not what this code would have done. */
export class MigrationMismatch extends Terminal {
  constructor(schema: string, version: number, found: string) {
    super(`migration ${version} of schema ${schema} ${found}`);
  }
}

/** The schema of a tenant, made from its number alone: safe in SQL as it stands. */
export function tenantSchema(tenantId: number): string {
  assert(Number.isSafeInteger(tenantId) && tenantId > 0, `tenant number must be 1 or more, was ${tenantId}`);
  return `t_${tenantId}`;
}

/**
 * Applies what is missing to `platform` and to the schema of every tenant; others that start meanwhile wait.
 *
 * @param folder where the files lie; absent: those of this code
 * @returns how many migrations were applied
 * @throws DatabaseUnavailable, MigrationMismatch, or the server's error of the statement that failed; done again it goes on from there
 */
export function migrate(database: Database, folder: URL = ourMigrations): Promise<number> {
  return withMigrator(database, async (connection) => {
    await connection.query('create schema if not exists platform');
    await connection.query(`create table if not exists platform.migration (
      schema_name text not null,
      version     int not null,
      title       text not null,
      checksum    text not null,
      applied_at  timestamptz not null default clock_timestamp(),
      primary key (schema_name, version)
    )`);
    let applied = await migrateSchema(connection, 'platform', readMigrations(new URL('platform/', folder)));
    const { rows } = await connection.query<{ tenant_id: number }>(
      'select tenant_id from platform.tenant order by tenant_id',
    );
    const tenantMigrations = readMigrations(new URL('tenant/', folder));
    for (const { tenant_id } of rows)
      applied += await migrateSchema(connection, tenantSchema(tenant_id), tenantMigrations, tenant_id);
    return applied;
  });
}

/** Makes or completes the schema of one tenant; the tenant is in the registry already. May run again and again. */
export function migrateTenant(database: Database, tenantId: number): Promise<number> {
  const migrations = readMigrations(new URL('tenant/', ourMigrations));
  return withMigrator(database, (connection) =>
    migrateSchema(connection, tenantSchema(tenantId), migrations, tenantId),
  );
}

const ourMigrations = new URL('./migrations/', import.meta.url);
/** Any number that no other user of advisory locks in this database takes. */
const migratorLock = 7_001;
const lockAttempts = 20;

/** Session locks and DDL do not pass a pooler: a connection of its own, whose end gives the lock back. */
async function withMigrator<T>(database: Database, work: (connection: Queryable) => Promise<T>): Promise<T> {
  const connection = await database.connect({ statementTimeoutMs: 600_000 });
  try {
    await connection.query('select pg_advisory_lock($1)', [migratorLock]);
    return await work(connection);
  } finally {
    await connection.close();
  }
}

async function migrateSchema(
  connection: Queryable,
  schema: string,
  migrations: readonly Migration[],
  tenantId?: number,
): Promise<number> {
  const { rows } = await connection.query<{ version: number; checksum: string }>(
    'select version, checksum from platform.migration where schema_name = $1 order by version',
    [schema],
  );
  for (const { version, checksum } of rows) {
    const ours = migrations.find((migration) => migration.version === version);
    if (!ours)
      throw new MigrationMismatch(schema, version, 'is not known to this version of the platform, which is too old');
    if (ours.checksum !== checksum) throw new MigrationMismatch(schema, version, 'was changed after it was applied');
  }
  const missing = migrations.filter(({ version }) => !rows.some((row) => row.version === version));
  for (const migration of missing) await apply(connection, schema, migration, tenantId);
  return missing.length;
}

/** A statement that waits for a lock makes every later one wait behind it, so it waits briefly, and often. */
async function apply(connection: Queryable, schema: string, migration: Migration, tenantId?: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(connection, async (transaction) => {
        await transaction.query(`set local lock_timeout = '200ms'`);
        await transaction.query(tenantId === undefined ? migration.sql : forTenant(migration.sql, tenantId));
        await transaction.query(
          'insert into platform.migration (schema_name, version, title, checksum) values ($1, $2, $3, $4)',
          [schema, migration.version, migration.title, migration.checksum],
        );
      });
    } catch (error) {
      if ((error as { code?: string }).code !== '55P03' || attempt >= lockAttempts) throw error;
      await delay(100);
    }
  }
}

/**
 * Puts a tenant's schema and number where `:schema` and `:tenant_id` stand; both come from the number alone.
 * @throws an assertion for any other placeholder
 */
export function forTenant(sql: string, tenantId: number): string {
  const values: Record<string, string> = { schema: tenantSchema(tenantId), tenant_id: String(tenantId) };
  return sql.replaceAll(/(?<!:):([a-z_]+)/g, (placeholder, name: string) => {
    const value = values[name];
    assert(value !== undefined, `a tenant migration may use :schema and :tenant_id, found ${placeholder}`);
    return value;
  });
}

/** The files `NNNN-title.sql` of a folder, in order of their numbers. */
export function readMigrations(folder: URL): Migration[] {
  const migrations = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
    .map((name): Migration => {
      const [, version, title] = /^(\d{4})-([a-z0-9-]+)\.sql$/.exec(name) ?? [];
      assert(version && title, `a migration is named NNNN-title.sql, found ${name}`);
      const sql = readFileSync(new URL(name, folder), 'utf8').replaceAll('\r\n', '\n');
      return { version: Number(version), title, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
  const versions = new Set(migrations.map(({ version }) => version));
  assert(versions.size === migrations.length, `two migrations in ${folder.pathname} have the same number`);
  return migrations;
}
