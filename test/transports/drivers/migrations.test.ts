import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  forTenant,
  readFolder,
  readMigrations,
  tenantSchema,
  type Migration,
} from '../../../transports/drivers/migration-files.ts';
import { migrate, migrateTenant, MigrationMismatch, planMigrations } from '../../../transports/drivers/migrations.ts';
import { findDrift } from '../../../transports/drivers/migrations-drift.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { findWrongRights } from '../../../transports/drivers/roles-check.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();

describe('placeholders', () => {
  test('a tenant migration gets the schema and the number of its tenant', () => {
    expect(forTenant(`create table :schema.a (n int check (n = :tenant_id), t text default 'x'::text)`, 7)).toBe(
      `create table t_7.a (n int check (n = 7), t text default 'x'::text)`,
    );
  });

  test('any other placeholder is refused', () => {
    expect(() => forTenant('select :other', 7)).toThrow(
      'a tenant migration may use :schema, :role and :tenant_id, found :other',
    );
  });

  test.each([0, -1, 1.5, Number.NaN, '1; drop schema platform' as unknown as number])('%s is no tenant', (tenantId) => {
    expect(() => tenantSchema(tenantId)).toThrow(/tenant number must be 1 or more/);
  });
});

describe('migrations', () => {
  let database: Database;
  let folder: string;
  const files = (): URL => pathToFileURL(`${folder}/`);
  const write = (name: string, sql: string): void => writeFileSync(join(folder, name), sql);
  const registry = 'create table platform.tenant (tenant_id int primary key);';

  beforeEach(async () => {
    database = await postgres.emptyDatabase();
    folder = mkdtempSync(join(tmpdir(), 'aitrading-migrations-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of ['platform', 'tenant']) mkdirSync(join(folder, name));
    write('platform/0001-registry.sql', registry);
    write('tenant/0001-first.sql', 'create schema :schema; create table :schema.one ();');
  });

  test('each file is applied once, to the platform and to every tenant', async () => {
    expect(await migrate(database, { folder: files() })).toBe(1);
    await database.query('insert into platform.tenant values (1), (2)');
    expect(await migrate(database, { folder: files() })).toBe(2);
    expect(await migrate(database, { folder: files() })).toBe(0);
    write('tenant/0002-second.sql', 'create table :schema.two ();');
    expect(await migrate(database, { folder: files() })).toBe(2);
    const { rows } = await database.query('select schema_name, version, title from platform.migration order by 1, 2');
    expect(rows.map((row) => Object.values(row).join(' '))).toEqual([
      'platform 1 registry',
      't_1 1 first',
      't_1 2 second',
      't_2 1 first',
      't_2 2 second',
    ]);
  });

  test('a file that was changed after it was applied is refused', async () => {
    await migrate(database, { folder: files() });
    write('platform/0001-registry.sql', `${registry} -- changed`);
    await expect(migrate(database, { folder: files() })).rejects.toThrow(MigrationMismatch);
    await expect(migrate(database, { folder: files() })).rejects.toThrow(
      'migration 1 of schema platform was changed after it was applied',
    );
  });

  test('line ends of another system are no change', async () => {
    write('platform/0001-registry.sql', `${registry}\nselect 1;\n`);
    await migrate(database, { folder: files() });
    write('platform/0001-registry.sql', `${registry}\r\nselect 1;\r\n`);
    expect(await migrate(database, { folder: files() })).toBe(0);
  });

  test('a database of the next version is left as it is, and serves this one', async () => {
    write('platform/0002-later.sql', 'create table platform.later ();');
    await migrate(database, { folder: files() });
    rmSync(join(folder, 'platform/0002-later.sql'));
    expect(await migrate(database, { folder: files() })).toBe(0);
  });

  test('a database of a later version that takes away what this one uses is refused', async () => {
    write('platform/0002-later.sql', 'create table platform.later ();');
    write('platform/0003-contract.sql', '-- needs: 0002\ndrop table platform.later;');
    await migrate(database, { folder: files() });
    rmSync(join(folder, 'platform/0003-contract.sql'));
    expect(await migrate(database, { folder: files() })).toBe(0);
    rmSync(join(folder, 'platform/0002-later.sql'));
    await expect(migrate(database, { folder: files() })).rejects.toThrow(
      'migration 3 of schema platform is not known to this version of the platform, which is too old',
    );
  });

  test('a database with a migration in between that this version never had is refused', async () => {
    write('platform/0002-other.sql', 'select 1;');
    await migrate(database, { folder: files() });
    rmSync(join(folder, 'platform/0002-other.sql'));
    write('platform/0003-ours.sql', 'select 1;');
    await expect(migrate(database, { folder: files() })).rejects.toThrow(
      /^migration 2 of schema platform is not known/,
    );
  });

  test('a plan says what would be applied, in its order, and changes nothing', async () => {
    const planned = (connection: Database | undefined = database) => planMigrations(connection, { folder: files() });
    const first = { schema: 'platform', version: 1, title: 'registry' };
    expect(await planned()).toEqual([first]);
    expect(await planMigrations(undefined, { folder: files() })).toEqual([first]);
    expect((await database.query(`select to_regnamespace('platform') as schema`)).rows).toEqual([{ schema: null }]);
    await migrate(database, { folder: files() });
    await database.query('insert into platform.tenant values (1)');
    write('platform/0002-more.sql', 'create table platform.more ();');
    const steps = await planned();
    expect(steps.map(({ schema, version }) => `${schema} ${version}`)).toEqual(['platform 2', 't_1 1']);
    const applied: typeof steps = [];
    await migrate(database, { folder: files(), onApplied: (step) => (applied as (typeof step)[]).push(step) });
    expect(applied).toEqual(steps);
    expect(await planned()).toEqual([]);
  });

  test('what fails for the canary touches no other tenant, and the next run goes on', async () => {
    write('platform/0001-registry.sql', 'create table platform.tenant (tenant_id int primary key, slug text);');
    await migrate(database, { folder: files() });
    await database.query(`insert into platform.tenant values (1, 'first'), (2, 'canary'), (3, 'third')`);
    await migrate(database, { folder: files() });
    write('tenant/0002-bad.sql', 'create table :schema.two (); select 1 / (:tenant_id - 2);');
    const options = { folder: files(), canary: 'canary' };
    await expect(migrate(database, options)).rejects.toMatchObject({
      message: 'migration 2 (bad) of schema t_2 failed: division by zero',
      code: '22012',
    });
    const { rows } = await database.query(`select from platform.migration where version = 2`);
    expect(rows).toEqual([]);
    write('tenant/0002-bad.sql', 'create table :schema.two ();');
    const order: string[] = [];
    await migrate(database, { ...options, onApplied: ({ schema }) => order.push(schema) });
    expect(order).toEqual(['t_2', 't_1', 't_3']);
    await expect(migrate(database, { ...options, canary: 'nobody' })).rejects.toThrow(
      'the canary must be a tenant, nobody is none',
    );
  });

  test('a tenant that has left gets no schema again', async () => {
    write('platform/0001-registry.sql', 'create table platform.tenant (tenant_id int primary key, status text);');
    await migrate(database, { folder: files() });
    await database.query(`insert into platform.tenant values (1, 'closed'), (2, 'active')`);
    expect((await planMigrations(database, { folder: files() })).map(({ schema }) => schema)).toEqual(['t_2']);
  });

  test('a run that was cut short goes on with the tenants that are left', async () => {
    await migrate(database, { folder: files() });
    await database.query('insert into platform.tenant values (1), (2), (3)');
    const order: string[] = [];
    const onApplied = ({ schema }: { schema: string }) => {
      order.push(schema);
      if (order.length === 2) throw new Error('cut short');
    };
    await expect(migrate(database, { folder: files(), onApplied })).rejects.toThrow('cut short');
    await migrate(database, { folder: files(), onApplied });
    expect(order).toEqual(['t_1', 't_2', 't_3']);
  });

  test('what is made belongs to the migrator, not to the login', async () => {
    await migrate(database, { folder: files() });
    const { rows } = await database.query(
      `select tableowner as owner from pg_tables where schemaname = 'platform' and tablename = 'tenant'`,
    );
    expect(rows).toEqual([{ owner: 'migrator' }]);
  });

  test('a file that fails leaves nothing of itself, and the next run goes on there', async () => {
    write('platform/0002-half.sql', 'create table platform.half (); select 1 / 0;');
    await expect(migrate(database, { folder: files() })).rejects.toThrow('division by zero');
    expect((await database.query(`select to_regclass('platform.half') as half`)).rows).toEqual([{ half: null }]);
    write('platform/0002-half.sql', 'create table platform.half ();');
    expect(await migrate(database, { folder: files() })).toBe(1);
  });

  test('platforms that start at once apply each file once', async () => {
    const applied = await Promise.all([
      migrate(database, { folder: files() }),
      migrate(database, { folder: files() }),
      migrate(database, { folder: files() }),
    ]);
    expect(applied.toSorted((a, b) => a - b)).toEqual([0, 0, 1]);
  });

  test('a migration waits for a lock without holding up those behind it', async () => {
    await migrate(database, { folder: files() });
    await database.query('create table platform.busy (id int); alter table platform.busy owner to migrator');
    write('platform/0002-busy.sql', 'alter table platform.busy add column more int;');
    const holder = await database.connect();
    onTestFinished(() => holder.close());
    await holder.query('begin; lock table platform.busy in share mode');
    const migrating = migrate(database, { folder: files() });
    // Lock tries last 200 ms: a reader behind one of them is let through long before the holder is done.
    expect((await database.query('select count(*) from platform.busy')).rowCount).toBe(1);
    await holder.query('commit');
    expect(await migrating).toBe(1);
  });

  test.each(['1-short.sql', '0001-Title.sql', '0001.sql'])('a file named %s is refused', (name) => {
    write(`platform/${name}`, '');
    expect(() => readFolder(new URL('platform/', files()))).toThrow(
      `a migration is named NNNN-title.sql, found ${name}`,
    );
  });

  test('two files with the same number are refused', () => {
    write('platform/0001-again.sql', '');
    expect(() => readFolder(new URL('platform/', files()))).toThrow(/have the same number/);
  });
});

describe('the schema of a tenant', () => {
  test('holds its partition of the journal, which no default partition stands beside', async () => {
    const database = await postgres.platformDatabase();
    const { schema, tenantId } = await provisionTenant(database, { slug: 'demo', name: 'Demo' });
    expect(await database.transaction((transaction) => migrateTenant(transaction, tenantId))).toBe(0);
    const { rows } = await database.query<{ partition: string; bound: string }>(
      `select inhrelid::regclass::text as partition, pg_get_expr(relpartbound, inhrelid) as bound
       from pg_inherits join pg_class on oid = inhrelid where inhparent = 'platform.journal'::regclass`,
    );
    expect(rows).toEqual([{ partition: `${schema}.journal`, bound: `FOR VALUES IN (${tenantId})` }]);
  });

  test('is made while others append, without stopping them', async () => {
    const database = await postgres.platformDatabase();
    await provisionTenant(database, { slug: 'first', name: 'First' });
    const appending = await database.connect();
    onTestFinished(() => appending.close());
    await appending.query('begin');
    await appending.query(`insert into platform.journal values (1, 1, 1, 1, 'c', '\\x00', default, '{}')`);
    // The append's transaction is open all the while: CREATE … PARTITION OF would wait for its end.
    await provisionTenant(database, { slug: 'second', name: 'Second' });
    await appending.query('commit');
    expect((await database.query('select from t_1.journal')).rowCount).toBe(1);
  });
});

describe('a database of the build before there were roles', () => {
  test('gets roles, rights and new tables, and keeps what is in it', async () => {
    const database = await postgres.emptyDatabase();
    await makeAsBefore(database);
    expect(await migrate(database)).toBeGreaterThan(0);
    expect(await findWrongRights(database)).toEqual([]);
    expect(await findDrift(database)).toEqual([]);
    expect((await database.query('select payload from t_1.journal')).rows).toEqual([{ payload: '{}' }]);
    expect(await provisionTenant(database, { slug: 'demo', name: 'Demo' })).toMatchObject({ tenantId: 1 });
    expect(await provisionTenant(database, { slug: 'next', name: 'Next' })).toMatchObject({ tenantId: 2 });
  });

  /** As 0.1.0 made it: the first file of each folder, everything the login's own, a shorter table of migrations. */
  async function makeAsBefore(database: Database): Promise<void> {
    const { platform, tenant } = readMigrations();
    await database.query(`create schema platform; create table platform.migration (schema_name text not null, version int not null,
      title text not null, checksum text not null, applied_at timestamptz not null default clock_timestamp(), primary key (schema_name, version))`);
    const enter = (schema: string, { version, title, checksum }: Migration) =>
      database.query('insert into platform.migration values ($1, $2, $3, $4)', [schema, version, title, checksum]);
    await database.query(platform[0]!.sql);
    await enter('platform', platform[0]!);
    await database.query(`insert into platform.tenant (slug, name, status) values ('demo', 'Demo', 'active')`);
    await database.query(forTenant(tenant[0]!.sql, 1));
    await enter('t_1', tenant[0]!);
    await database.query(`insert into platform.journal values (1, 1, 1, 1, 'c', '\\x00', default, '{}')`);
  }
});
