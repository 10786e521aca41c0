/**
 * Puts a backup in the place of what is there. The file is read to its end before anything is changed; its rows go into schemas of
 * their own and are read back and compared; then names are exchanged in one transaction. Whoever is killed on the way leaves the
 * database as it was, and what is left over goes with the next restore.
 */
import type { EncryptionKey } from '../../envelope.ts';
import { tenantSchema } from '../migration-files.ts';
import { migrate, withMigrator } from '../migrations.ts';
import { checkDurability, inTransaction, type Database, type DirectConnection, type Queryable } from '../postgres.ts';
import {
  copyInText,
  copyOutText,
  nameOf,
  readBirth,
  readTables,
  readTenants,
  tenantRows,
  writePlainly,
} from './catalog.ts';
import { copyIn, copyOut } from './copy.ts';
import { TableHash } from './digest.ts';
import { refuseWhileServing } from '../serving.ts';
import { BackupRefused } from './frames.ts';
import { readPayload, type Head, type SavedTable, type SavedTenant } from './payload.ts';
import { checkBackup, checkMigrations, firstDifference, type Contents } from './read.ts';
import { buildScratch, dropLeftovers, scratchOf } from './scratch.ts';
import { exchangePlatform, exchangeTenant } from './exchange.ts';
import { unhurried } from './write.ts';

export type RestoreStep = 'checking' | 'loading' | 'comparing';

export interface RestoreOptions {
  readonly path: string;
  /** The file names the one it needs. */
  readonly keys: readonly EncryptionKey[];
  /** Slug: only this tenant, also out of a backup of the whole platform. Absent: what the file holds. */
  readonly tenant?: string | undefined;
  /** Replace also a platform that is not the one that the backup was made of. */
  readonly isForeignAllowed?: boolean;
  /** Nobody else knows this database: of a drill. */
  readonly isPrivate?: boolean;
  onProgress?(step: RestoreStep, done: number, total: number): void;
}

export interface RestoreSummary {
  /** Undefined: the whole platform. */
  readonly tenant: string | undefined;
  /** The moment that is restored, RFC 3339. */
  readonly createdAt: string;
  readonly tenants: number;
  readonly tables: number;
  readonly rows: number;
  /** Of the rows as text. */
  readonly bytes: number;
  /** The last entry of the platform's audit log as it was before; null where there was none. */
  readonly replacedLog: { readonly seq: number; readonly hash: string } | null;
}

/** @throws BackupRefused, PlatformServing; nothing was changed then */
export async function restoreBackup(database: Database, options: RestoreOptions): Promise<RestoreSummary> {
  const step = (name: RestoreStep) => (done: number, total: number) => options.onProgress?.(name, done, total);
  const contents = await checkBackup(options.path, options.keys, step('checking'));
  const part = partOf(contents.head, options.tenant);
  checkMigrations(contents.head);
  const connection = await database.connect(unhurried);
  try {
    await checkDurability(connection);
    // A platform that starts meanwhile waits at its migrations until this is done.
    const { rows, replacedLog } = await withMigrator(database, async (migrator) => {
      if (!options.isPrivate) await refuseWhileServing(database, [connection, migrator]);
      await checkIdentity(connection, contents.head, part, options.isForeignAllowed ?? false);
      const last = await lastAuditEntry(connection);
      return { rows: await replace(connection, contents, part, options), replacedLog: last };
    });
    await migrate(database, { renewRights: true });
    const { createdAt } = contents.head;
    const tables = part.tables.length;
    return {
      tenant: part.tenant?.slug,
      createdAt,
      tenants: part.tenants.length,
      tables,
      rows,
      bytes: contents.bytes,
      replacedLog,
    };
  } finally {
    await connection.close();
  }
}

/** What of a backup is restored. */
interface Part {
  /** Undefined: everything. */
  readonly tenant: SavedTenant | undefined;
  readonly tenants: readonly SavedTenant[];
  /** Places in the head's list of tables. */
  readonly tables: readonly number[];
}

function partOf({ scope, tenants, tables }: Head, slug: string | undefined): Part {
  const places = [...tables.keys()];
  const wanted = slug ?? (scope.type === 'tenant' ? scope.slug : undefined);
  if (wanted === undefined) return { tenant: undefined, tenants, tables: places };
  const tenant = tenants.find((saved) => saved.slug === wanted);
  if (!tenant) throw new BackupRefused(`tenant ${wanted} is not in it`);
  const schema = tenantSchema(tenant.tenantId);
  const isOurs = (table: SavedTable) =>
    table.schema === schema || (table.schema === 'platform' && tenantRows[table.name] !== undefined);
  return { tenant, tenants: [tenant], tables: places.filter((place) => isOurs(tables[place]!)) };
}

async function checkIdentity(
  connection: Queryable,
  head: Head,
  { tenant }: Part,
  isForeignAllowed: boolean,
): Promise<void> {
  await writePlainly(connection);
  const birth = await readBirth(connection);
  if (birth === undefined) {
    if (tenant) throw new BackupRefused('there is no platform in this database that the tenant could belong to');
    return;
  }
  const live = birth === head.platform ? [] : await readTenants(connection);
  if (!tenant) {
    if (birth !== head.platform && live.length > 0 && !isForeignAllowed)
      throw new BackupRefused(
        `it is of another platform (of ${head.platform}, this one is of ${birth}); --replace puts it in the place of this one`,
      );
    return;
  }
  if (birth !== head.platform)
    throw new BackupRefused(`it is of another platform (of ${head.platform}, this one is of ${birth})`);
  const { rows } = await connection.query<SavedTenant>(
    `select tenant_id as "tenantId", slug, created_at::text as "createdAt" from platform.tenant where tenant_id = $1 or slug = $2`,
    [tenant.tenantId, tenant.slug],
  );
  for (const { tenantId, slug, createdAt } of rows) {
    if (tenantId !== tenant.tenantId || slug !== tenant.slug || createdAt !== tenant.createdAt)
      throw new BackupRefused(
        `its tenant ${tenant.slug} (number ${tenant.tenantId}) is not the tenant ${slug} (number ${tenantId}) of this platform`,
      );
  }
}

async function replace(
  connection: DirectConnection,
  contents: Contents,
  part: Part,
  options: RestoreOptions,
): Promise<number> {
  await dropLeftovers(connection);
  const ids = part.tenants.map(({ tenantId }) => tenantId);
  await buildScratch(connection, contents.head, ids);
  await load(connection, contents, part, options);
  const rows = await compare(connection, contents, part, options);
  await inTransaction(connection, (transaction) =>
    part.tenant
      ? exchangeTenant(transaction, contents, part.tenant.tenantId)
      : exchangePlatform(transaction, contents, ids),
  );
  await dropLeftovers(connection);
  return rows;
}

async function lastAuditEntry(connection: Queryable): Promise<RestoreSummary['replacedLog']> {
  const { rows: there } = await connection.query(`select where to_regclass('platform.audit') is not null`);
  if (there.length === 0) return null;
  const { rows } = await connection.query<{ seq: number; hash: string }>(
    `select seq, encode(hash, 'hex') as hash from platform.audit order by seq desc limit 1`,
  );
  return rows[0] ?? null;
}

const analyzedRows = 10_000;

/** The second time that the file is read, and every part of it is authenticated again. */
async function load(
  connection: DirectConnection,
  { head, manifest, fileBytes }: Contents,
  part: Part,
  { path, keys, onProgress }: RestoreOptions,
): Promise<void> {
  const wanted = new Set(part.tables);
  const records = readPayload(path, keys, (done) => onProgress?.('loading', done, fileBytes));
  let next = await records.next();
  const rowsOf = async function* (): AsyncGenerator<Buffer> {
    for (next = await records.next(); !next.done && next.value.type === 'rows'; next = await records.next())
      yield next.value.rows;
  };
  try {
    while (!next.done) {
      const record = next.value;
      if (record.type !== 'table' || !wanted.has(record.index)) {
        next = await records.next();
        continue;
      }
      const table = head.tables[record.index]!;
      const scratch = { ...table, schema: scratchOf(table.schema) };
      // A migration may have put rows into it.
      await connection.query(`delete from ${nameOf(scratch)}`);
      await copyIn(connection.client, copyInText(scratch), rowsOf());
      // With its statistics the server reads a large table back in order from its index, and knows it from the first query on.
      if (manifest.digests[record.index]!.rows >= analyzedRows) await connection.query(`analyze ${nameOf(scratch)}`);
    }
  } finally {
    await records.return(undefined);
  }
}

/** Reads back what was loaded. @returns how many rows there are */
async function compare(
  connection: DirectConnection,
  { head, manifest, bytes: total }: Contents,
  part: Part,
  { onProgress }: RestoreOptions,
): Promise<number> {
  const tablesOf = new Map<string, Awaited<ReturnType<typeof readTables>>>();
  let [bytes, rows] = [0, 0];
  for (const place of part.tables) {
    const saved = head.tables[place]!;
    const schema = scratchOf(saved.schema);
    if (!tablesOf.has(schema)) tablesOf.set(schema, await readTables(connection, schema));
    const table = tablesOf.get(schema)!.find(({ name }) => name === saved.name);
    if (!table) throw new BackupRefused(`its table ${saved.schema}.${saved.name} is not one of its migrations`);
    const hash = new TableHash(saved.name === 'journal');
    await copyOut(connection.client, copyOutText({ ...table, columns: saved.columns }), (block) => {
      hash.add(block);
      bytes += block.length;
      onProgress?.('comparing', bytes, total);
      return undefined;
    });
    const digest = hash.digest();
    if (firstDifference([digest], [manifest.digests[place]!]) >= 0)
      throw new BackupRefused(
        `${saved.schema}.${saved.name} is not the same after loading (${digest.rows} rows, ${manifest.digests[place]!.rows} were saved)`,
      );
    rows += digest.rows;
  }
  onProgress?.('comparing', 1, 1);
  return rows;
}
