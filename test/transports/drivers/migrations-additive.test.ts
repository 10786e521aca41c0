/** The release before runs on a database that this one has migrated: so migrations add, and take nothing away. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ourMigrations, readMigrations, type Migration } from '../../../transports/drivers/migration-files.ts';
import { migrate } from '../../../transports/drivers/migrations.ts';
import { describeSchema } from '../../../transports/drivers/migrations-drift.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
const folders = ['platform', 'tenant'] as const;

describe('a migration', () => {
  test.each([
    ['drop table platform.node', 'DROP'],
    ['alter table platform.node drop column weight', 'DROP'],
    ['alter table platform.node rename column weight to share', 'RENAME'],
    ['alter table platform.node rename to member', 'RENAME'],
    ['alter table platform.node alter column weight type bigint', 'ALTER COLUMN … TYPE'],
    ['alter table platform.node alter weight set not null', 'SET NOT NULL'],
    ['alter table platform.node add column zone text not null', 'NOT NULL without DEFAULT'],
    ['alter table platform.node add zone text not null, add rack text default 1', 'NOT NULL without DEFAULT'],
    ['alter table platform.node add constraint positive check (weight > 1)', 'a constraint on what is there'],
    ['create unique index on platform.node (address)', 'a constraint on what is there'],
    ['alter table platform.node set schema other', 'SET SCHEMA'],
    ['truncate platform.node', 'TRUNCATE'],
    ['delete from platform.node', 'DELETE'],
  ])('that says %s would break the release before', (sql, fault) => {
    expect(faultsOf(sql)).toEqual([fault]);
  });

  test.each([
    'create table platform.zone (name text not null, weight int not null)',
    'alter table platform.node add column zone text',
    `alter table platform.node add column zone text not null default ''`,
    'create index on platform.node (state)',
    'create table platform.zone (a int); create unique index on platform.zone (a)',
    'alter table platform.journal attach partition t_1.journal for values in (1)',
    'select 1 -- drop table platform.node',
    `comment on table platform.node is 'no rename; delete from nothing'`,
  ])('that says %s does not', (sql) => {
    expect(faultsOf(sql)).toEqual([]);
  });

  test.each(folders)('of the folder %s takes nothing away, unless it says which version has to be known', (folder) => {
    for (const migration of readMigrations()[folder]) {
      if (migration.needs > 0 || migration.isRights) continue;
      expect([migration.title, faultsOf(migration.sql)]).toEqual([migration.title, []]);
    }
  });
});

test('every object of every version is there, and as it was, in each later one', async () => {
  const database = await postgres.emptyDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'aitrading-migrations-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of folders) mkdirSync(join(folder, name));
  const all = readMigrations();
  const versions = [...new Set(folders.flatMap((name) => all[name].map(({ version }) => version)))].toSorted(
    (a, b) => a - b,
  );
  let before = { platform: new Set<string>() as ReadonlySet<string>, tenant: new Set<string>() as ReadonlySet<string> };
  for (const version of versions) {
    for (const name of folders) {
      const file = all[name].find((migration) => migration.version === version);
      if (file) copyFileSync(new URL(`${name}/${nameOf(file)}`, ourMigrations), join(folder, name, nameOf(file)));
    }
    const options = { folder: pathToFileURL(`${folder}/`) };
    await migrate(database, options);
    await database.query(`insert into platform.tenant (slug, name) values ('demo', 'Demo') on conflict do nothing`);
    await migrate(database, options);
    const now = { platform: await describeSchema(database, 'platform'), tenant: await describeSchema(database, 't_1') };
    for (const name of folders) {
      if (all[name].some((migration) => migration.version === version && migration.needs > 0)) continue;
      expect([...before[name]].filter((object) => !now[name].has(object))).toEqual([]);
    }
    before = now;
  }
  expect(before.tenant.size).toBeGreaterThan(100);
});

function nameOf({ version, title }: Migration): string {
  return `${String(version).padStart(4, '0')}-${title}.sql`;
}

/** What in a file could break code that was written before it. */
function faultsOf(sql: string): string[] {
  const plain = sql
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/'(?:[^']|'')*'/g, "''")
    .toLowerCase();
  const made = new Set(Array.from(plain.matchAll(/create table (?:if not exists )?([\w.:"]+)/g), ([, name]) => name));
  return plain.split(';').flatMap((statement) => {
    const text = statement.trim().replaceAll(/\s+/g, ' ');
    const table =
      /^(?:alter table|create unique index(?: if not exists)?(?: \w+)? on) (?:if exists |only )*([\w.:"]+)/.exec(
        text,
      )?.[1];
    if (table !== undefined && made.has(table)) return [];
    const actions = text.startsWith('alter table') ? text.split(/,(?![^(]*\))/) : [];
    return [
      /\bdrop\b/.test(text) && 'DROP',
      /\brename\b/.test(text) && 'RENAME',
      /\balter (?:column )?\w+ (?:set data )?type\b/.test(text) && 'ALTER COLUMN … TYPE',
      /\bset not null\b/.test(text) && 'SET NOT NULL',
      actions.some((action) => /\badd\b/.test(action) && /\bnot null\b/.test(action) && !/\bdefault\b/.test(action)) &&
        'NOT NULL without DEFAULT',
      (/^alter table .*\badd (?:constraint|check|unique|primary|foreign|exclude)\b/.test(text) ||
        text.startsWith('create unique index')) &&
        'a constraint on what is there',
      /\bset schema\b/.test(text) && 'SET SCHEMA',
      /^truncate\b/.test(text) && 'TRUNCATE',
      /^delete\b/.test(text) && 'DELETE',
    ].filter((fault) => fault !== false);
  });
}
