/** What port 8008 tells of the database. */
import type { Config } from '../config/config.ts';
import type { Limits } from '../config/limits.ts';
import { formatTime } from '../actors/trading/time.ts';
import type { ActorSystem } from '../runtime/system.ts';
import { MigrationMismatch, planMigrations, readHistory } from '../transports/drivers/migrations.ts';
import {
  listSchemas,
  listTables,
  readOverview,
  readReplication,
  readSlowQueries,
} from '../transports/drivers/postgres-monitor.ts';
import { withTimeout, type Database, type Queryable } from '../transports/drivers/postgres.ts';
import type { Replica } from '../transports/drivers/postgres-replica.ts';
import { findTenant } from '../transports/drivers/provisioning.ts';
import type { DatabaseDesk } from '../transports/services.ts';
import { backupFolder, listBackups } from './backup-desk.ts';
import type { Storage } from './storage.ts';

const backupsListed = 100;

export function databaseDesk(options: {
  readonly storage: Storage;
  readonly replica: Replica | undefined;
  readonly system: ActorSystem;
  readonly config: Pick<Config, 'home' | 'database'>;
  readonly limits: Limits['database'];
}): DatabaseDesk {
  const { storage, replica, system, config, limits } = options;
  const database = (): Database => withTimeout(storage.database(), limits.requestMs);
  /** In one transaction, so that the time limit of a request holds for each statement. */
  const reading = <T>(work: (transaction: Queryable) => Promise<T>): Promise<T> =>
    database().transaction(work, { isRepeatable: true });
  const pools = (): object[] => [
    { name: 'primary', ...storage.database().stats() },
    ...(replica ? [{ name: 'replica', ...replica.database.stats() }] : []),
  ];

  async function pending(transaction: Queryable): Promise<object> {
    try {
      return { pending: await planMigrations(transaction), mismatch: null };
    } catch (error) {
      if (!(error instanceof MigrationMismatch)) throw error;
      return { pending: null, mismatch: error.message };
    }
  }

  return {
    overview: async () => ({
      kind: config.database ? 'external' : 'embedded',
      ...(await reading(readOverview)),
      pools: pools(),
      replica: replica?.state ?? null,
    }),
    pools: async () => ({ items: pools() }),
    schemas: (paging) => reading((transaction) => listSchemas(transaction, paging)),
    async tables(tenant, paging) {
      const tenantId = tenant === undefined ? 0 : await findTenant(storage.database(), tenant);
      return tenantId === undefined ? undefined : reading((transaction) => listTables(transaction, tenantId, paging));
    },
    migrations: () =>
      reading(async (transaction) => {
        const platform = (await readHistory(transaction, 'platform')).get('platform') ?? [];
        const applied = platform.map(({ version, title, needs }) => ({ version, title, needs }));
        return { platform: applied, ...(await pending(transaction)) };
      }),
    backups: async () => ({
      items: listBackups(backupFolder(config.home))
        .slice(0, backupsListed)
        .map(({ path, timeMicros, fileBytes }) => ({ path, takenAt: formatTime(timeMicros), bytes: fileBytes })),
      schedule: system.inspectActor('/operations/backups')?.state ?? null,
    }),
    replication: async () => ({ ...(await reading(readReplication)), replica: replica?.state ?? null }),
    slowQueries: () => readSlowQueries(database(), limits.slowMs),
  };
}
