import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../../../runtime/actor.ts';
import { checkBackup } from '../../../../transports/drivers/backup/read.ts';
import { BackupRefused } from '../../../../transports/drivers/backup/frames.ts';
import { platformOnly, tenantRows } from '../../../../transports/drivers/backup/catalog.ts';
import { restoreBackup } from '../../../../transports/drivers/backup/restore.ts';
import { PlatformServing } from '../../../../transports/drivers/serving.ts';
import { BackupImpossible, writeBackup, type BackupSummary } from '../../../../transports/drivers/backup/write.ts';
import { migrate } from '../../../../transports/drivers/migrations.ts';
import { connectDatabase, type Database } from '../../../../transports/drivers/postgres.ts';
import { claimAllSlots } from '../../../../transports/drivers/postgres-ownership.ts';
import { provisionTenant } from '../../../../transports/drivers/provisioning.ts';
import { findWrongRights } from '../../../../transports/drivers/roles-check.ts';
import { EncryptionKey } from '../../../../transports/envelope.ts';
import { systemPostgres, usePostgres } from '../../../support/postgres.ts';
import { dump, fillPlatform, partOf } from '../../support/backup.ts';

const key = EncryptionKey.generate();
const keys = [key];
let folder: string;
let count = 0;

beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'aitrading-backup-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function save(database: Database, tenant?: string): Promise<BackupSummary> {
  return writeBackup(database, {
    path: join(folder, `${++count}.aitbackup`),
    key,
    tenant,
    version: '1',
    now: new Date(),
  });
}

const servers = { embedded: undefined, 'of the system': systemPostgres() };

describe.each(Object.entries(servers))('on the PostgreSQL that is %s', (_, binaries) => {
  const postgres = usePostgres(...(binaries ? ([() => binaries] as const) : []));

  /** A restore refuses while others are connected, so each step has a pool of its own that is closed again. */
  async function using<T>(database: Database, work: (database: Database) => Promise<T>): Promise<T> {
    const own = postgres.another(database);
    try {
      return await work(own);
    } finally {
      await own.close();
    }
  }

  async function filledAnew(): Promise<Database> {
    const database = await postgres.emptyDatabase();
    await using(database, async (own) => {
      await migrate(own);
      await fillPlatform(own);
    });
    await database.close();
    return database;
  }

  let model: Promise<Database> | undefined;

  /** Copies of one platform, which takes less time than to make one. */
  async function filled(): Promise<Database> {
    const from = await nameOf(await (model ??= filledAnew()));
    const database = await postgres.emptyDatabase();
    const name = await nameOf(database);
    await database.close();
    const { host, port, user, password, database: other } = postgres.server;
    const admin = connectDatabase({ host, port, user, password, database: other, log: silentLog });
    await admin.query(`drop database ${name}`);
    await admin.query(`create database ${name} template ${from}`);
    await admin.close();
    // What may be done in a database as a whole is not copied.
    await using(database, (own) => migrate(own, { renewRights: true }));
    return database;
  }

  async function nameOf(database: Database): Promise<string> {
    const { rows } = await using(database, (own) => own.query<{ name: string }>('select current_database() as name'));
    return rows[0]!.name;
  }

  const dumped = (database: Database) => using(database, dump);
  const saved = (database: Database, tenant?: string) => using(database, (own) => save(own, tenant));
  const restored = (database: Database, path: string, options: { tenant?: string; isForeignAllowed?: boolean } = {}) =>
    using(database, (own) => restoreBackup(own, { path, keys, ...options }));

  test('a restored platform is the one that was saved, whatever happened since', async () => {
    const database = await filled();
    const before = await dumped(database);
    const backup = await saved(database);
    await using(database, async (own) => {
      await own.query(`delete from t_1.journal where seq > 3`);
      await own.query(`update t_2.audit set subject = 'someone'`);
      await own.query('drop table t_1.signal');
      await provisionTenant(own, { slug: 'later', name: 'Later' });
    });
    const summary = await restored(database, backup.path);
    expect(summary).toMatchObject({ tenant: undefined, tenants: 2, rows: backup.rows });
    const after = await dumped(database);
    // The number of the tenant that is gone is not given out again.
    const sequences = (after['sequences'] as string[]).map((text) =>
      text.replace('"tenant_tenant_id_seq","last_value":3', '"tenant_tenant_id_seq","last_value":2'),
    );
    expect({ ...after, sequences }).toEqual(before);
    expect(await using(database, findWrongRights)).toEqual([]);
  });

  test('a backup goes into an empty database', async () => {
    const database = await filled();
    const [before, backup] = [await dumped(database), await saved(database)];
    const other = await postgres.emptyDatabase();
    await other.close();
    await restored(other, backup.path);
    expect(await dumped(other)).toEqual(before);
    expect(await using(other, findWrongRights)).toEqual([]);
  });

  test.each(['acme', undefined])(
    'one tenant comes back from a backup of %s, and the one beside it keeps what it did since',
    async (scope) => {
      const database = await filled();
      const before = await dumped(database);
      const backup = await saved(database, scope);
      await using(database, async (own) => {
        await own.query('truncate t_1.journal, t_1."order"');
        await own.query(`delete from platform.credential where tenant_id = 1`);
        await own.query(`insert into t_2.checkpoint values (2, 9, 0)`);
        await own.query(`update platform.api_key set name = 'changed'`);
      });
      const changed = await dumped(database);
      const summary = await restored(database, backup.path, { tenant: 'acme' });
      expect(summary).toMatchObject({ tenant: 'acme', tenants: 1 });
      const after = await dumped(database);
      expect(partOf(after, 't_1')).toEqual(partOf(before, 't_1'));
      expect(partOf(after, 't_2')).toEqual(partOf(changed, 't_2'));
      expect(after['platform.credential']).toEqual(before['platform.credential']);
      for (const fact of [
        'platform.api_key',
        'platform.tenant',
        'sequences',
        'relations',
        'schemas',
        'partitions',
        'constraints',
      ])
        expect(after[fact]).toEqual(changed[fact]);
      expect(await using(database, findWrongRights)).toEqual([]);
    },
  );

  test('a tenant that is gone comes back with its number', async () => {
    const database = await filled();
    const before = await dumped(database);
    const backup = await saved(database, 'acme');
    await using(database, async (own) => {
      await own.query('drop schema t_1 cascade');
      for (const table of ['credential', 'data_key', 'tenant'])
        await own.query(`delete from platform.${table} where tenant_id = 1`);
      await own.query(`delete from platform.migration where schema_name = 't_1'`);
    });
    await restored(database, backup.path);
    expect(await dumped(database)).toEqual(before);
  });

  test('streams and slots are new after a restore, and no epoch is given out twice', async () => {
    const database = await filled();
    const read = (own: Database) =>
      own.query<{ epoch: number; streams: string[] }>(
        `select max(epoch) as epoch, (select array_agg(stream_epoch order by account_id) from t_1.account) as streams from platform.slot`,
      );
    const backup = await saved(database);
    await using(database, (own) => claimAllSlots(own, { nodeId: 'later', version: '1' }));
    const [before] = (await using(database, read)).rows;
    await restored(database, backup.path);
    const [after] = (await using(database, read)).rows;
    expect(after!.epoch).toBeGreaterThan(before!.epoch);
    expect(after!.streams).toHaveLength(2);
    expect(after!.streams.filter((epoch) => before!.streams.includes(epoch) || !/^[0-9a-f]{12}$/.test(epoch))).toEqual(
      [],
    );
  });

  test.each(['platform', 'tenant'])(
    'what was destroyed or revoked since the backup stays so when the %s is restored',
    async (scope) => {
      const database = await filled();
      const backup = await saved(database, scope === 'tenant' ? 'acme' : undefined);
      const shred = 'set wrapped = null, master_key_id = null, shredded_at = clock_timestamp()';
      await using(database, async (own) => {
        await own.query(`update platform.data_key ${shred} where tenant_id = 1`);
        await own.query(`update t_1.person_key ${shred} where subject_id = 's-2'`);
        await own.query(`update t_1.api_key set revoked_at = clock_timestamp()`);
      });
      await restored(database, backup.path);
      const { rows } = await using(database, (own) =>
        own.query(`select (select wrapped from platform.data_key where tenant_id = 1) as data,
        (select array_agg(subject_id) from t_1.person_key where wrapped is null) as people,
        (select count(*)::int from t_1.api_key where revoked_at is null) as keys`),
      );
      expect(rows).toEqual([{ data: null, people: ['s-2'], keys: 0 }]);
    },
  );

  test('while somebody is connected nothing is restored', async () => {
    const database = await filled();
    const backup = await saved(database);
    const platform = postgres.another(database);
    await platform.query('select 1');
    await expect(restored(database, backup.path)).rejects.toThrow(PlatformServing);
    await platform.close();
  });

  test('foreign platforms and tenants are refused, and nothing is changed', async () => {
    const [one, two] = [await filled(), await filledAnew()];
    const [platform, tenant] = [await saved(two), await saved(two, 'acme')];
    const before = await dumped(one);
    await expect(restored(one, platform.path)).rejects.toThrow(/another platform/);
    await expect(restored(one, tenant.path)).rejects.toThrow(/another platform/);
    await expect(restored(two, tenant.path, { tenant: 'other' })).rejects.toThrow('tenant other is not in it');
    const empty = await postgres.emptyDatabase();
    await empty.close();
    await expect(restored(empty, tenant.path)).rejects.toThrow(/no platform in this database/);
    expect(await dumped(one)).toEqual(before);
    await restored(one, platform.path, { isForeignAllowed: true });
    expect(partOf(await dumped(one), 't_1')).toEqual(partOf(await dumped(two), 't_1'));
  });

  test('a number that another tenant has by now is not taken from it', async () => {
    const database = await filled();
    const backup = await saved(database, 'acme');
    await using(database, (own) => own.query(`update platform.tenant set slug = 'renamed' where tenant_id = 1`));
    await expect(restored(database, backup.path)).rejects.toThrow(/is not the tenant renamed/);
  });

  test('what an earlier restore left behind goes with the next', async () => {
    const database = await filled();
    const [before, backup] = [await dumped(database), await saved(database)];
    await using(database, async (own) => {
      await own.query('create schema restore_t_1');
      await own.query('create table restore_t_1.half (id int)');
      await own.query('create schema replaced_platform');
    });
    await restored(database, backup.path);
    expect(await dumped(database)).toEqual(before);
  });

  test('two backups at once are one too many', async () => {
    const database = await filled();
    await using(database, async (own) => {
      await own.transaction(async (transaction) => {
        await transaction.query('select pg_advisory_xact_lock(7002)');
        await expect(save(own)).rejects.toThrow(BackupImpossible);
      });
      await expect(save(own, 'nobody')).rejects.toThrow('there is no tenant nobody');
    });
  });

  test('a login that is no superuser saves and restores what it owns', async () => {
    // Roles are the server's: those that others made are handed over.
    await using(await filled(), async () => {});
    const database = await postgres.emptyDatabase();
    const name = await nameOf(database);
    await database.query(`create role app login createrole password 'app'`);
    await database.query(`grant migrator, journal_writer, r_t1, r_t2 to app with admin option`);
    await database.query(`alter database ${name} owner to app`);
    await database.close();
    const { host, port } = postgres.server;
    const login = { host, port, user: 'app', password: 'app', database: name, log: silentLog };
    const asApp = async <T>(work: (own: Database) => Promise<T>): Promise<T> => {
      const own = connectDatabase(login);
      return work(own).finally(() => void own.close());
    };
    await asApp(async (own) => {
      await migrate(own);
      await fillPlatform(own);
    });
    const before = await dumped(database);
    const [platform, tenant] = [await asApp((own) => save(own)), await asApp((own) => save(own, 'acme'))];
    await asApp((own) => restoreBackup(own, { path: platform.path, keys }));
    expect(await dumped(database)).toEqual(before);
    await asApp((own) => restoreBackup(own, { path: tenant.path, keys }));
    expect(await dumped(database)).toEqual(before);
    expect(await asApp(findWrongRights)).toEqual([]);
  });

  test('a backup holds the moment at which it began', async () => {
    const database = await filled();
    await using(database, async (own) => {
      const before = await dump(own);
      let writing: Promise<unknown> | undefined;
      const path = join(folder, 'moment.aitbackup');
      const onProgress = () => void (writing ??= own.query(`insert into t_2.checkpoint values (2, 1, 0)`));
      await writeBackup(own, { path, key, version: '1', now: new Date(), onProgress });
      await writing;
      const { manifest, head } = await checkBackup(path, keys);
      const place = head.tables.findIndex(({ schema, name }) => schema === 't_2' && name === 'checkpoint');
      expect(manifest.digests[place]!.rows).toBe((before['t_2.checkpoint'] as string[]).length);
    });
  });

  test('every table of the platform that names tenants is told apart', async () => {
    const database = await filled();
    const { rows } = await using(database, (own) =>
      own.query<{ name: string }>(
        `select table_name::text as name from information_schema.columns where table_schema = 'platform' and column_name = 'tenant_id'`,
      ),
    );
    const known = [...Object.keys(tenantRows), ...platformOnly, 'journal'];
    expect(rows.map((row) => row.name).filter((table) => !known.includes(table))).toEqual([]);
  });

  test('a backup of a newer version is refused', async () => {
    const database = await filled();
    await using(database, (own) =>
      own.query(
        `insert into platform.migration (schema_name, version, title, checksum) values ('t_2', 99, 'future', 'x')`,
      ),
    );
    const backup = await saved(database);
    await expect(restored(database, backup.path)).rejects.toThrow(BackupRefused);
    await expect(restored(database, backup.path)).rejects.toThrow(/migration 99/);
  });
});
