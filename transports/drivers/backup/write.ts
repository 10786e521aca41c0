/** Saves a platform or one tenant of it: one consistent moment, streamed through compression and encryption into a file. */
import { once } from 'node:events';
import { createWriteStream, mkdirSync, openSync, closeSync, fsyncSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { Terminal } from '../../../runtime/errors.ts';
import type { EncryptionKey } from '../../envelope.ts';
import { tenantSchema } from '../migration-files.ts';
import type { Database, DirectConnection } from '../postgres.ts';
import { syncFolder } from '../write-durably.ts';
import {
  copyOutText,
  readBirth,
  readMigrationsApplied,
  readSequences,
  readTables,
  readTenants,
  tenantRows,
  writePlainly,
  type Table,
} from './catalog.ts';
import { copyOut } from './copy.ts';
import { TableHash } from './digest.ts';
import { sealFrames } from './frames.ts';
import { jsonRecord, payloadFormat, rowsRecord, type Head, type Manifest, type Scope } from './payload.ts';

export class BackupImpossible extends Terminal {}

export interface BackupOptions {
  /** Of the file; what stands there is replaced when the new one is whole. */
  readonly path: string;
  readonly key: EncryptionKey;
  /** Slug; absent: the whole platform. */
  readonly tenant?: string | undefined;
  /** Of this code. */
  readonly version: string;
  readonly now: Date;
  /** Bytes of rows, of about so many in all. */
  onProgress?(done: number, total: number): void;
}

export interface BackupSummary {
  readonly path: string;
  readonly scope: Scope;
  readonly createdAt: string;
  readonly tables: number;
  readonly rows: number;
  /** Of the rows as text. */
  readonly bytes: number;
  readonly fileBytes: number;
}

/** Statements may run as long as they need. */
export const unhurried = { statementTimeoutMs: 86_400_000 };

/** Any number that no other user of advisory locks in this database takes: one backup at a time. */
const backupLock = 7_002;

/**
 * Others go on writing meanwhile; the file holds the moment at which it began.
 * @throws BackupImpossible there is nothing to save, or another backup is under way
 */
export async function writeBackup(database: Database, options: BackupOptions): Promise<BackupSummary> {
  const connection = await database.connect(unhurried);
  try {
    return await saveFrom(connection, options);
  } finally {
    await connection.close();
  }
}

async function saveFrom(connection: DirectConnection, options: BackupOptions): Promise<BackupSummary> {
  await writePlainly(connection);
  await connection.query('begin isolation level repeatable read read only');
  const lock = await connection.query<{ got: boolean }>('select pg_try_advisory_xact_lock($1) as got', [backupLock]);
  if (!lock.rows[0]!.got) throw new BackupImpossible('another backup of this database is under way');
  const { head, tables } = await survey(connection, options);
  const draft = `${options.path}.partial`;
  mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
  rmSync(draft, { force: true });
  try {
    const figures = await pour(connection, head, tables, draft, options);
    await connection.query('commit');
    sync(draft);
    renameSync(draft, options.path);
    syncFolder(dirname(options.path));
    return { path: options.path, scope: head.scope, createdAt: head.createdAt, tables: tables.length, ...figures };
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

interface Source {
  readonly table: Table;
  readonly where: string | undefined;
}

async function survey(
  connection: DirectConnection,
  { tenant: slug, version, now }: BackupOptions,
): Promise<{ head: Head; tables: readonly Source[] }> {
  const platform = await readBirth(connection);
  if (platform === undefined) throw new BackupImpossible('there is no platform in this database yet');
  const all = await readTenants(connection);
  const tenants = slug === undefined ? all : all.filter((tenant) => tenant.slug === slug);
  if (slug !== undefined && tenants.length === 0) throw new BackupImpossible(`there is no tenant ${slug}`);
  const tenantId = slug === undefined ? undefined : tenants[0]!.tenantId;
  const tables: Source[] = [];
  for (const table of await readTables(connection, 'platform')) {
    if (tenantId === undefined) tables.push({ table, where: undefined });
    else if (tenantRows[table.name]) tables.push({ table, where: tenantRows[table.name]!(tenantId) });
  }
  for (const tenant of tenants)
    for (const table of await readTables(connection, tenantSchema(tenant.tenantId)))
      tables.push({ table, where: undefined });
  const schemas = new Set(['platform', ...tenants.map((tenant) => tenantSchema(tenant.tenantId))]);
  const server = await connection.query<{ server_version: string }>('show server_version');
  const head: Head = {
    format: payloadFormat,
    scope: tenantId === undefined ? { type: 'platform' } : { type: 'tenant', tenantId, slug: slug! },
    ...{ platform, createdAt: now.toISOString(), version, server: server.rows[0]!.server_version },
    migrations: (await readMigrationsApplied(connection)).filter(({ schema }) => schemas.has(schema)),
    tenants,
    tables: tables.map(({ table: { schema, name, columns } }) => ({ schema, name, columns })),
  };
  return { head, tables };
}

async function pour(
  connection: DirectConnection,
  head: Head,
  tables: readonly Source[],
  draft: string,
  { key, onProgress }: BackupOptions,
): Promise<{ rows: number; bytes: number; fileBytes: number }> {
  const total = await estimate(connection, tables);
  const packed = createZstdCompress();
  const file = createWriteStream(draft, { flags: 'wx', mode: 0o600 });
  const written = pipeline(packed, (source: AsyncIterable<Buffer>) => sealFrames(source, key), file);
  // Whoever waits for room is told of a full disk; nobody else must be.
  written.catch(() => {});

  /** @returns nothing where there is room for more */
  function send(parts: readonly Buffer[]): Promise<void> | undefined {
    let hasRoom = true;
    for (const part of parts) hasRoom = packed.write(part);
    if (hasRoom) return undefined;
    return Promise.race([once(packed, 'drain').then(() => {}), written]);
  }

  const digests: Manifest['digests'][number][] = [];
  let bytes = 0;
  try {
    await send(jsonRecord({ type: 'head', head }));
    for (const [index, { table, where }] of tables.entries()) {
      await send(jsonRecord({ type: 'table', index }));
      const hash = new TableHash(table.name === 'journal');
      await copyOut(connection.client, copyOutText(table, where), (block) => {
        hash.add(block);
        bytes += block.length;
        onProgress?.(bytes, Math.max(total, bytes));
        return send(rowsRecord(block));
      });
      digests.push(hash.digest());
    }
    // Numbers are given out outside of transactions: what is read here is at least what the rows need.
    const sequences: Manifest['sequences'][number][] = [];
    for (const schema of new Set(tables.map(({ table }) => table.schema)))
      sequences.push(...(await readSequences(connection, schema)));
    await send(jsonRecord({ type: 'manifest', manifest: { digests, sequences } }));
    packed.end();
    await written;
  } catch (error) {
    packed.destroy();
    await written.catch(() => {});
    throw error;
  }
  onProgress?.(Math.max(bytes, 1), Math.max(bytes, 1));
  return { rows: digests.reduce((sum, { rows }) => sum + rows, 0), bytes, fileBytes: file.bytesWritten };
}

async function estimate(connection: DirectConnection, tables: readonly Source[]): Promise<number> {
  const { rows } = await connection.query<{ bytes: number }>(
    `select coalesce(sum(pg_table_size(to_regclass(name))), 0)::bigint as bytes from unnest($1::text[]) n (name)`,
    [tables.map(({ table }) => `"${table.schema}"."${table.name}"`)],
  );
  return rows[0]!.bytes;
}

function sync(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
