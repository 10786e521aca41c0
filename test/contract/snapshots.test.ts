import { describe, expect, test } from 'vitest';
import { MemorySnapshots } from '../../runtime/snapshots.ts';
import { DatabaseUnavailable, type Database } from '../../transports/drivers/postgres.ts';
import { PostgresSnapshots } from '../../transports/drivers/postgres-snapshots.ts';
import { provisionTenant } from '../../transports/drivers/provisioning.ts';
import { systemPostgres, usePostgres, type TestServer } from '../support/postgres.ts';
import { snapshotContract, type SnapshotsUnderTest } from './snapshots.ts';

describe('snapshots in memory', () => {
  snapshotContract(async () => ({ store: new MemorySnapshots(), tenants: [1, 2] }));
});

describe('snapshots in the embedded PostgreSQL', () => {
  snapshotContract(postgresSnapshots(usePostgres()));

  test('fail while the database is not open', async () => {
    const store = new PostgresSnapshots(() => {
      throw new DatabaseUnavailable(new Error('it is not open yet'));
    });
    await expect(store.load({ tenantId: 1, entityId: 1 })).rejects.toThrow(DatabaseUnavailable);
  });
});

const system = systemPostgres();
describe.runIf(system)('snapshots in the PostgreSQL of the system', () => {
  snapshotContract(postgresSnapshots(usePostgres(() => system!)));
});

/** One database for all tests, two new tenants for each. */
function postgresSnapshots(postgres: TestServer): () => Promise<SnapshotsUnderTest> {
  let shared: Promise<Database> | undefined;
  let counter = 0;
  return async () => {
    const database = await (shared ??= postgres.platformDatabase());
    const provision = async (): Promise<number> => {
      const slug = `tenant-${++counter}`;
      return (await provisionTenant(database, { slug, name: slug })).tenantId;
    };
    return { store: new PostgresSnapshots(() => database), tenants: [await provision(), await provision()] };
  };
}
