/** Brings schemas to the version of this code: plain SQL files, each applied once, in order, in a transaction of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import { Terminal } from '../../runtime/errors.ts';
import { forTenant, readMigrations, tenantSchema, type Migration } from './migration-files.ts';
import { isConnectionClass, inTransaction, type Database, type Queryable } from './postgres.ts';
import { actAs, prepareRoles } from './roles.ts';

export { tenantSchema };

/** What the database says was done is not what this code would have done. */
export class MigrationMismatch extends Terminal {
  constructor(schema: string, version: number, found: string) {
    super(`migration ${version} of schema ${schema} ${found}`);
  }
}

export interface MigrateOptions {
  /** Where the files lie; absent: those of this code. */
  readonly folder?: URL;
  /** The tenant whose schema goes first: what fails there has touched no other. Absent: the one with the lowest number. */
  readonly canary?: string;
  /** Grants and revokes also where no migration is missing. */
  readonly renewRights?: boolean;
  readonly onApplied?: (step: MigrationStep) => void;
}

export interface MigrationStep {
  readonly schema: string;
  readonly version: number;
  readonly title: string;
}

/**
 * Applies what is missing to `platform` and to the schema of every tenant; others that start meanwhile wait.
 *
 * @returns how many migrations were applied
 * @throws DatabaseUnavailable, MigrationMismatch, or an error with the `code` of the statement that failed; done again it goes on from there
 */
export function migrate(database: Database, options: MigrateOptions = {}): Promise<number> {
  return withMigrator(database, async (connection) => {
    const { platform, tenant } = readMigrations(options.folder);
    const ofPlatform: Target = { schema: 'platform', files: platform };
    if (missingOf(ofPlatform, await readHistory(connection)).length > 0 || options.renewRights) {
      await prepareRoles(connection);
      await connection.query(historyTable);
    }
    let applied = await migrateSchema(connection, ofPlatform, await readHistory(connection), options);
    const history = await readHistory(connection);
    for (const tenantId of await tenantsInOrder(connection, options.canary)) {
      const target = { schema: tenantSchema(tenantId), files: tenant, tenantId };
      applied += await migrateSchema(connection, target, history, options);
    }
    return applied;
  });
}

/**
 * What `migrate` would apply, in its order. Changes nothing.
 * @param connection undefined: to a database that does not exist yet
 * @throws as `migrate` does
 */
export async function planMigrations(
  connection: Queryable | undefined,
  options: Pick<MigrateOptions, 'folder' | 'canary'> = {},
): Promise<readonly MigrationStep[]> {
  const { platform, tenant } = readMigrations(options.folder);
  const history: History = connection ? await readHistory(connection) : new Map();
  const targets: Target[] = [{ schema: 'platform', files: platform }];
  const isMade = connection && history.has('platform');
  for (const tenantId of isMade ? await tenantsInOrder(connection, options.canary) : [])
    targets.push({ schema: tenantSchema(tenantId), files: tenant, tenantId });
  return targets.flatMap((target) => missingOf(target, history).map((migration) => stepOf(target, migration)));
}

/** Makes or completes the schema of one tenant within a transaction. May run again and again. */
export async function migrateTenant(transaction: Queryable, tenantId: number): Promise<number> {
  const target = { schema: tenantSchema(tenantId), files: readMigrations().tenant, tenantId };
  const missing = missingOf(target, await readHistory(transaction, target.schema));
  for (const migration of missing) await apply(transaction, target, migration);
  if (missing.length > 0) await renewRights(transaction, target, missing.at(-1));
  return missing.length;
}

/** Any number that no other user of advisory locks in this database takes. */
const migratorLock = 7_001;
const lockAttempts = 20;

/** Session locks and DDL do not pass a pooler: a connection of its own, whose end gives the lock back. */
export async function withMigrator<T>(database: Database, work: (connection: Queryable) => Promise<T>): Promise<T> {
  const connection = await database.connect({ statementTimeoutMs: 600_000 });
  try {
    await connection.query('select pg_advisory_lock($1)', [migratorLock]);
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/** A statement that waits for a lock makes every later one wait behind it, so it waits briefly, and often. */
export async function patiently<T>(connection: Queryable, work: (transaction: Queryable) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(connection, async (transaction) => {
        await transaction.query(`set local lock_timeout = '200ms'`);
        return work(transaction);
      });
    } catch (error) {
      if ((error as { code?: string }).code !== '55P03' || attempt >= lockAttempts) throw error;
      await delay(100);
    }
  }
}

/** A schema and the files that make it. */
interface Target {
  readonly schema: string;
  readonly files: readonly Migration[];
  readonly tenantId?: number;
}

export interface AppliedMigration {
  readonly version: number;
  readonly title: string;
  readonly checksum: string;
  /** The newest migration that code has to know to run beside this one. */
  readonly needs: number;
}

export type History = ReadonlyMap<string, readonly AppliedMigration[]>;

// `needs` came later: databases of before are given it here, since every file is entered with it.
export const historyTable = `
create schema if not exists platform authorization migrator;
create table if not exists platform.migration (
  schema_name text not null,
  version     int not null,
  title       text not null,
  checksum    text not null,
  applied_at  timestamptz not null default clock_timestamp(),
  primary key (schema_name, version)
);
alter table platform.migration add column if not exists needs int not null default 0`;

/** What was applied, by schema; empty where nothing ever was. */
export async function readHistory(connection: Queryable, schema?: string): Promise<History> {
  const { rows } = await connection.query<{ found: boolean }>(
    `select to_regclass('platform.migration') is not null as found`,
  );
  if (!rows[0]!.found) return new Map();
  const applied = await connection.query<AppliedMigration & { schema_name: string }>(
    `select schema_name, version, title, checksum, coalesce((to_jsonb(m) ->> 'needs')::int, 0) as needs
     from platform.migration m where $1::text is null or schema_name = $1 order by schema_name, version`,
    [schema ?? null],
  );
  return Map.groupBy(applied.rows, (row) => row.schema_name);
}

async function tenantsInOrder(connection: Queryable, canary: string | undefined): Promise<readonly number[]> {
  const { rows } = await connection.query<{ tenant_id: number; slug?: string; status?: string }>(
    'select * from platform.tenant order by tenant_id',
  );
  // One that has left has no schema any more.
  const present = rows.filter(({ status }) => status !== 'closed');
  const first = canary === undefined ? undefined : present.find(({ slug }) => slug === canary);
  if (canary !== undefined && !first) throw new RangeError(`the canary must be a tenant, ${canary} is none`);
  return [...(first ? [first] : []), ...present.filter((row) => row !== first)].map(({ tenant_id }) => tenant_id);
}

/** @throws MigrationMismatch */
function missingOf({ schema, files }: Target, history: History): readonly Migration[] {
  const applied = history.get(schema) ?? [];
  const newest = files.at(-1)?.version ?? 0;
  for (const { version, checksum, needs } of applied) {
    const ours = files.find((migration) => migration.version === version);
    // A later release was here. Its migrations leave this one what it uses, unless they say otherwise.
    if (!ours && version > newest && needs <= newest) continue;
    if (!ours)
      throw new MigrationMismatch(schema, version, 'is not known to this version of the platform, which is too old');
    if (ours.checksum !== checksum) throw new MigrationMismatch(schema, version, 'was changed after it was applied');
  }
  return files.filter(({ version }) => !applied.some((row) => row.version === version));
}

async function migrateSchema(
  connection: Queryable,
  target: Target,
  history: History,
  options: MigrateOptions,
): Promise<number> {
  const missing = missingOf(target, history);
  const last = missing.at(-1);
  for (const migration of missing) {
    await naming(target, migration, () =>
      patiently(connection, async (transaction) => {
        await apply(transaction, target, migration);
        if (migration === last) await renewRights(transaction, target, last);
      }),
    );
    options.onApplied?.(stepOf(target, migration));
  }
  if (!last && options.renewRights)
    await patiently(connection, (transaction) => renewRights(transaction, target, undefined));
  return missing.length;
}

async function apply(transaction: Queryable, target: Target, migration: Migration): Promise<void> {
  await run(transaction, target, migration);
  await transaction.query(
    'insert into platform.migration (schema_name, version, title, checksum, needs) values ($1, $2, $3, $4, $5)',
    [target.schema, migration.version, migration.title, migration.checksum, migration.needs],
  );
}

/** @param last the migration that was applied before: where it is about rights itself, nothing is left to do */
async function renewRights(transaction: Queryable, target: Target, last: Migration | undefined): Promise<void> {
  const rights = target.files.findLast((migration) => migration.isRights);
  if (rights && rights !== last) await run(transaction, target, rights);
}

/** What is made belongs to `migrator`; to make roles and to hand out rights takes the platform's own login. */
async function run(transaction: Queryable, { tenantId }: Target, { sql, isRights }: Migration): Promise<void> {
  if (!isRights) await actAs(transaction, 'migrator');
  await transaction.query(tenantId === undefined ? sql : forTenant(sql, tenantId));
  if (!isRights) await actAs(transaction, 'none');
}

/** Of a thousand schemas it must be said which one it was. */
async function naming<T>({ schema }: Target, { version, title }: Migration, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isConnectionClass(error)) throw error;
    const { message, code } = error as { message: string; code?: string };
    const told = new Error(`migration ${version} (${title}) of schema ${schema} failed: ${message}`, { cause: error });
    throw Object.assign(told, { code });
  }
}

function stepOf({ schema }: Target, { version, title }: Migration): MigrationStep {
  return { schema, version, title };
}
