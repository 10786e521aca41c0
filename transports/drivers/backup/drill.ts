/** Restores a backup into a database of its own, to know that it can be, how long it takes, and how much would be lost. */
import { silentLog } from '../../../runtime/actor.ts';
import { tenantSchema } from '../migration-files.ts';
import { connectDatabase, type Database } from '../postgres.ts';
import { checkRights } from '../roles-check.ts';
import { readTenants } from './catalog.ts';
import { restoreBackup, type RestoreOptions } from './restore.ts';
import { unhurried } from './write.ts';

export interface DrillReport {
  /** Age of the last row of the journal that is in it; of the backup where it has none: so much would be lost now. */
  readonly rpoSeconds: number;
  /** How long until everything was back. */
  readonly rtoSeconds: number;
  readonly createdAt: string;
  readonly lastRowAt: string | undefined;
  readonly rows: number;
  readonly bytes: number;
  readonly tenants: number;
}

const prefix = 'aitrading_drill_';

/**
 * @param name of the database to be made and dropped again: `aitrading_drill_…`
 * @throws what kept the backup from being restored, or the server's error where the login may not make databases
 */
export async function drillRestore(
  database: Database,
  name: string,
  options: Pick<RestoreOptions, 'path' | 'keys' | 'onProgress'> & { nowMs(): number },
): Promise<DrillReport> {
  const admin = await database.connect(unhurried);
  try {
    const { rows: left } = await admin.query<{ name: string }>(
      `select datname::text as name from pg_database d where datname ~ $1 and not exists (select from pg_stat_activity a where a.datname = d.datname)`,
      [`^${prefix}[0-9a-f]{8}$`],
    );
    // Of drills that were killed.
    for (const { name: old } of left) await admin.query(`drop database if exists ${old}`);
    const startedMs = options.nowMs();
    await admin.query(`create database ${name}`);
    const { host, port, user, password } = admin.client;
    const login = { host, port, user: user!, password: password ?? '', database: name };
    const scratch = connectDatabase({ ...login, log: silentLog });
    try {
      const { createdAt, rows, bytes, tenants } = await restoreBackup(scratch, { ...options, isPrivate: true });
      const rtoSeconds = (options.nowMs() - startedMs) / 1000;
      await checkRights(scratch);
      const last = await lastRow(scratch);
      const rpoSeconds = (startedMs - (last ?? new Date(createdAt)).getTime()) / 1000;
      return { rpoSeconds, rtoSeconds, createdAt, lastRowAt: last?.toISOString(), rows, bytes, tenants };
    } finally {
      await scratch.close();
      await admin.query(`drop database if exists ${name}`);
    }
  } finally {
    await admin.close();
  }
}

async function lastRow(database: Database): Promise<Date | undefined> {
  let last: Date | undefined;
  for (const { tenantId } of await readTenants(database)) {
    const { rows } = await database.query<{ at: Date | null }>(
      `select max(at) as at from ${tenantSchema(tenantId)}.journal`,
    );
    const at = rows[0]!.at;
    if (at && (!last || at > last)) last = at;
  }
  return last;
}
