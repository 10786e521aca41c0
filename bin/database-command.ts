/** For commands that work on the database while no platform of this data folder runs. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Database, Queryable } from '../transports/drivers/postgres.ts';
import { requireConfig } from './environment.ts';
import { Failure } from './failure.ts';

/**
 * Opens the configured database, an embedded one with its server, and closes it behind `work`.
 * @throws HomeInUse a platform runs on the embedded database; what `work` throws
 */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const config = requireConfig();
  const [{ createLog }, { openStorage }, { lockHome }] = await Promise.all([
    import('./log.ts'),
    import('./storage.ts'),
    import('../transports/drivers/home-lock.ts'),
  ]);
  const home = resolve(config.home);
  // The embedded database belongs to whoever holds the folder; the firm's own is guarded by what the commands look at themselves.
  const lock = config.database ? undefined : lockHome(home);
  const storage = openStorage({ home, external: config.database, log: createLog({ ...config, logLevel: 'warn' }) });
  try {
    await storage.open();
    return await work(storage.database());
  } finally {
    await storage.close();
    lock?.release();
  }
}

/** Whether the embedded database was never made: to look into it would make it. */
export function isUnmade(config: Pick<Config, 'database' | 'home'> = requireConfig()): boolean {
  return !config.database && !existsSync(join(resolve(config.home), 'postgres.password'));
}

/** @throws Failure nobody has migrated this database yet */
export async function requireSchemas(database: Queryable): Promise<void> {
  const { rows } = await database.query<{ found: boolean }>(
    `select to_regclass('platform.tenant') is not null as found`,
  );
  if (!rows[0]!.found)
    throw new Failure('there is no platform in this database yet: run aitrading migrate, or start it');
}
