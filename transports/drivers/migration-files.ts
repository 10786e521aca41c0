/** The migrations as they lie in their folders, and what a tenant's file becomes for one tenant. */
import assert from 'node:assert';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

export interface Migration {
  readonly version: number;
  readonly title: string;
  readonly sql: string;
  /** SHA-256 of the file, hex. */
  readonly checksum: string;
  /** Titled `rights`: runs under the platform's login, and again behind later ones. */
  readonly isRights: boolean;
  /**
   * The newest migration that code has to know to run beside this one, from a line `-- needs: NNNN`; 0 where all may.
   * Only a file with that line may take anything away.
   */
  readonly needs: number;
}

export interface MigrationFiles {
  readonly platform: readonly Migration[];
  readonly tenant: readonly Migration[];
}

export const ourMigrations = new URL('./migrations/', import.meta.url);

/** Both folders; those of this code are read once. */
export function readMigrations(folder?: URL): MigrationFiles {
  if (folder) return readBoth(folder);
  return (ours ??= readBoth(ourMigrations));
}

let ours: MigrationFiles | undefined;

function readBoth(folder: URL): MigrationFiles {
  return { platform: readFolder(new URL('platform/', folder)), tenant: readFolder(new URL('tenant/', folder)) };
}

/** The files `NNNN-title.sql` of a folder, in order of their numbers. */
export function readFolder(folder: URL): Migration[] {
  const migrations = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
    .map((name) => parse(name, readFileSync(new URL(name, folder), 'utf8').replaceAll('\r\n', '\n')));
  const versions = new Set(migrations.map(({ version }) => version));
  assert(versions.size === migrations.length, `two migrations in ${folder.pathname} have the same number`);
  return migrations;
}

function parse(name: string, sql: string): Migration {
  const [, version, title] = /^(\d{4})-([a-z0-9-]+)\.sql$/.exec(name) ?? [];
  assert(version && title, `a migration is named NNNN-title.sql, found ${name}`);
  const needs = Number(/^-- needs: (\d{4})$/m.exec(sql)?.[1] ?? 0);
  assert(needs < Number(version), `${name} needs migration ${needs}, which does not come before it`);
  const checksum = createHash('sha256').update(sql).digest('hex');
  return { version: Number(version), title, sql, checksum, isRights: title === 'rights', needs };
}

/** The schema of a tenant, made from its number alone: safe in SQL as it stands. */
export function tenantSchema(tenantId: number): string {
  return `t_${checked(tenantId)}`;
}

/** The role of a tenant, made from its number alone: safe in SQL as it stands. */
export function tenantRole(tenantId: number): string {
  return `r_t${checked(tenantId)}`;
}

/**
 * Puts what belongs to a tenant where `:schema`, `:role` and `:tenant_id` stand; all of it comes from the number alone.
 * @throws an assertion for any other placeholder
 */
export function forTenant(sql: string, tenantId: number): string {
  const values: Record<string, string> = {
    ...{ schema: tenantSchema(tenantId), role: tenantRole(tenantId), tenant_id: String(tenantId) },
  };
  return sql.replaceAll(/(?<!:):([a-z_]+)/g, (placeholder, name: string) => {
    const value = values[name];
    assert(value !== undefined, `a tenant migration may use :schema, :role and :tenant_id, found ${placeholder}`);
    return value;
  });
}

function checked(tenantId: number): number {
  assert(Number.isSafeInteger(tenantId) && tenantId > 0, `tenant number must be 1 or more, was ${tenantId}`);
  return tenantId;
}
