/** What `aitrading backup` and `restore` work with: the configured database, the folder of backups, the keys that open them. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { backupName, expiredBackups, isScheduledName, timeOfName } from '../actors/operations/backup-plan.ts';
import type { Config } from '../config/config.ts';
import { checkBackup } from '../transports/drivers/backup/read.ts';
import { drillRestore, type DrillReport } from '../transports/drivers/backup/drill.ts';
import { restoreBackup, type RestoreOptions, type RestoreSummary } from '../transports/drivers/backup/restore.ts';
import { writeBackup, type BackupSummary } from '../transports/drivers/backup/write.ts';
import { runningPostgres } from '../transports/drivers/embedded-postgres/running.ts';
import { HomeInUse, lockHome, type HomeLock } from '../transports/drivers/home-lock.ts';
import { connectDatabase, type Database } from '../transports/drivers/postgres.ts';
import type { EncryptionKey } from '../transports/envelope.ts';
import { Failure } from './failure.ts';
import { createLog } from './log.ts';
import { masterKeyPath, openMasterKeys } from './master-keys.ts';
import { audited } from './operator-audit.ts';
import { openStorage } from './storage.ts';

export interface SavedFile {
  readonly path: string;
  readonly timeMicros: number;
  readonly fileBytes: number;
}

export function backupFolder(home: string): string {
  return join(resolve(home), 'backups');
}

/**
 * The first is for new backups, all of them open what there is.
 * @throws Failure there is no key yet: a new one would open nothing
 */
export function backupKeys(
  config: Pick<Config, 'masterKeys'>,
  home: string,
): readonly [EncryptionKey, ...EncryptionKey[]] {
  const path = masterKeyPath(resolve(home));
  if (!config.masterKeys.current && !existsSync(path))
    throw new Failure(`there is no master key: put back ${path}, or set MASTER_KEY`);
  const { current, previous } = openMasterKeys(config.masterKeys, resolve(home));
  return previous ? [current, previous] : [current];
}

/** Backups of the whole platform, newest first. */
export function listBackups(folder: string): readonly SavedFile[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(isScheduledName)
    .map((name) => {
      const path = join(folder, name);
      return { path, timeMicros: timeOfName(name)!, fileBytes: statSync(path).size };
    })
    .toSorted((a, b) => b.timeMicros - a.timeMicros);
}

export interface Saving {
  readonly database: Database;
  readonly folder: string;
  readonly keys: readonly [EncryptionKey, ...EncryptionKey[]];
  readonly tenant?: string | undefined;
  readonly timeMicros: number;
  /** Who wants it; absent: whoever runs the command. */
  readonly subject?: string;
  onProgress?(step: 'saving' | 'checking', done: number, total: number): void;
}

/** A backup counts once it was read back from the disk. */
export function saveBackup(saving: Saving): Promise<BackupSummary> {
  const { database, tenant, folder, timeMicros, subject } = saving;
  const target = backupName(timeMicros, tenant);
  return audited(
    database,
    { action: 'save:backup', target, ...(subject === undefined ? {} : { subject }) },
    () => writeAndCheck(saving),
    ({ rows, fileBytes }) => ({ folder, rows, fileBytes }),
  );
}

async function writeAndCheck({
  database,
  folder,
  keys,
  tenant,
  timeMicros,
  onProgress,
}: Saving): Promise<BackupSummary> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, backupName(timeMicros, tenant));
  const summary = await writeBackup(database, {
    ...{ path, key: keys[0], tenant, version: packageJson.version, now: new Date(timeMicros / 1000) },
    onProgress: (done, total) => onProgress?.('saving', done, total),
  });
  try {
    await checkBackup(path, keys, (done, total) => onProgress?.('checking', done, total));
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
  return summary;
}

/** Unfinished ones of processes that were killed go too. @returns the paths that were removed */
export function removeExpired(
  folder: string,
  nowMicros: number,
  keep: { readonly count: number; readonly days: number },
): readonly string[] {
  const expired = expiredBackups(listBackups(folder), nowMicros, keep).map(({ path }) => path);
  const unfinished = readdirSync(folder)
    .filter((name) => name.endsWith('.partial'))
    .map((name) => join(folder, name))
    .filter((path) => nowMicros / 1000 - statSync(path).mtimeMs > unfinishedForMs);
  const removed = [...expired, ...unfinished];
  for (const path of removed) rmSync(path, { force: true });
  return removed;
}

/** Nobody works on a file that has not been touched for a day. */
const unfinishedForMs = 86_400_000;

export async function drill(
  database: Database,
  folder: string,
  keys: readonly EncryptionKey[],
  onProgress: (step: string, done: number, total: number) => void,
): Promise<DrillReport & { readonly path: string }> {
  const newest = listBackups(folder)[0];
  if (!newest) throw new Failure(`there is no backup in ${folder}`);
  const { path } = newest;
  const scratch = `aitrading_drill_${randomBytes(4).toString('hex')}`;
  const report = await audited(
    database,
    { action: 'drill:backup', target: basename(path) },
    () => drillRestore(database, scratch, { path, keys, nowMs: () => Date.now(), onProgress }),
    ({ rows, tenants, rpoSeconds, rtoSeconds }) => ({ rows, tenants, rpoSeconds, rtoSeconds }),
  );
  return { path, ...report };
}

/**
 * Restores, and enters it into the log that is there afterwards: that of the backup, with how far the one before it had come.
 * @throws as `restoreBackup` does
 */
export function restore(database: Database, options: RestoreOptions): Promise<RestoreSummary> {
  return audited(
    database,
    { action: 'restore:backup', target: basename(options.path) },
    () => restoreBackup(database, options),
    ({ tenant, createdAt, rows, replacedLog }) => ({ tenant: tenant ?? null, createdAt, rows, replacedLog }),
  );
}

/**
 * Opens the configured database; an embedded one also while its platform runs, unless the caller needs it for itself.
 * @throws HomeInUse
 */
export async function withBackupDatabase<T>(
  config: Config,
  use: 'shared' | 'alone',
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const home = resolve(config.home);
  const log = createLog({ ...config, logLevel: 'warn' });
  let lock: HomeLock | undefined;
  try {
    // Also where the database is the firm's: a platform of this folder would use it.
    if (!config.database || use === 'alone') lock = lockHome(home);
  } catch (error) {
    const server = use === 'shared' && error instanceof HomeInUse ? runningPostgres(home) : undefined;
    if (!server) throw error;
    const database = connectDatabase({ ...server, log });
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  }
  if (!config.database && !existsSync(join(home, 'postgres.password')) && use === 'shared') {
    lock?.release();
    throw new Failure(`there is no platform in ${home} yet`);
  }
  const storage = openStorage({ home, external: config.database, log });
  try {
    await storage.open();
    return await work(storage.database());
  } finally {
    await storage.close();
    lock?.release();
  }
}
