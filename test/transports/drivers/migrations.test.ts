import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  forTenant,
  migrate,
  migrateTenant,
  MigrationMismatch,
  readMigrations,
  tenantSchema,
} from '../../../transports/drivers/migrations.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
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
      'a tenant migration may use :schema and :tenant_id, found :other',
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
    expect(await migrate(database, files())).toBe(1);
    await database.query('insert into platform.tenant values (1), (2)');
    expect(await migrate(database, files())).toBe(2);
    expect(await migrate(database, files())).toBe(0);
    write('tenant/0002-second.sql', 'create table :schema.two ();');
    expect(await migrate(database, files())).toBe(2);
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
    await migrate(database, files());
    write('platform/0001-registry.sql', `${registry} -- changed`);
    await expect(migrate(database, files())).rejects.toThrow(MigrationMismatch);
    await expect(migrate(database, files())).rejects.toThrow(
      'migration 1 of schema platform was changed after it was applied',
    );
  });

  test('line ends of another system are no change', async () => {
    write('platform/0001-registry.sql', `${registry}\nselect 1;\n`);
    await migrate(database, files());
    write('platform/0001-registry.sql', `${registry}\r\nselect 1;\r\n`);
    expect(await migrate(database, files())).toBe(0);
  });

  test('a database of a later version is refused', async () => {
    write('platform/0002-later.sql', 'select 1;');
    await migrate(database, files());
    rmSync(join(folder, 'platform/0002-later.sql'));
    await expect(migrate(database, files())).rejects.toThrow(/^migration 2 of schema platform is not known/);
  });

  test('a file that fails leaves nothing of itself, and the next run goes on there', async () => {
    write('platform/0002-half.sql', 'create table platform.half (); select 1 / 0;');
    await expect(migrate(database, files())).rejects.toThrow('division by zero');
    expect((await database.query(`select to_regclass('platform.half') as half`)).rows).toEqual([{ half: null }]);
    write('platform/0002-half.sql', 'create table platform.half ();');
    expect(await migrate(database, files())).toBe(1);
  });

  test('platforms that start at once apply each file once', async () => {
    const applied = await Promise.all([
      migrate(database, files()),
      migrate(database, files()),
      migrate(database, files()),
    ]);
    expect(applied.toSorted((a, b) => a - b)).toEqual([0, 0, 1]);
  });

  test('a migration waits for a lock without holding up those behind it', async () => {
    await migrate(database, files());
    await database.query('create table platform.busy (id int)');
    write('platform/0002-busy.sql', 'alter table platform.busy add column more int;');
    const holder = await database.connect();
    onTestFinished(() => holder.close());
    await holder.query('begin; lock table platform.busy in share mode');
    const migrating = migrate(database, files());
    // Lock tries last 200 ms: a reader behind one of them is let through long before the holder is done.
    expect((await database.query('select count(*) from platform.busy')).rowCount).toBe(1);
    await holder.query('commit');
    expect(await migrating).toBe(1);
  });

  test.each(['1-short.sql', '0001-Title.sql', '0001.sql'])('a file named %s is refused', (name) => {
    write(`platform/${name}`, '');
    expect(() => readMigrations(new URL('platform/', files()))).toThrow(
      `a migration is named NNNN-title.sql, found ${name}`,
    );
  });

  test('two files with the same number are refused', () => {
    write('platform/0001-again.sql', '');
    expect(() => readMigrations(new URL('platform/', files()))).toThrow(/have the same number/);
  });
});

describe('the schema of a tenant', () => {
  test('holds its partition of the journal, which no default partition stands beside', async () => {
    const database = await postgres.platformDatabase();
    const { schema, tenantId } = await provisionTenant(database, { slug: 'demo', name: 'Demo' });
    expect(await migrateTenant(database, tenantId)).toBe(0);
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
