import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drillRestore } from '../../../../transports/drivers/backup/drill.ts';
import { writeBackup } from '../../../../transports/drivers/backup/write.ts';
import { migrate } from '../../../../transports/drivers/migrations.ts';
import type { Database } from '../../../../transports/drivers/postgres.ts';
import { EncryptionKey } from '../../../../transports/envelope.ts';
import { usePostgres } from '../../../support/postgres.ts';
import { dump, fillPlatform } from '../../support/backup.ts';

const postgres = usePostgres();
const key = EncryptionKey.generate();
let folder: string;
let path: string;
let database: Database;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aitrading-drill-'));
  path = join(folder, 'one.aitbackup');
  database = await postgres.emptyDatabase();
  await migrate(database);
  await fillPlatform(database, 50);
  await database.query(`insert into t_1.journal values (1, 9, 1, 1, 'x', '\\x00', '2100-01-01 00:00:00Z', '{}')`);
  await writeBackup(database, { path, key, version: '1', now: new Date() });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const databases = async (): Promise<readonly string[]> => {
  const { rows } = await database.query<{ name: string }>(
    `select datname::text as name from pg_database where datname like 'aitrading_drill%'`,
  );
  return rows.map(({ name }) => name);
};

test('a drill restores into a database of its own beside a platform that runs, and tells what would be lost and how long it took', async () => {
  const before = await dump(database);
  await database.query('create database aitrading_drill_0badcafe');
  // A clock that moves a second at each look.
  let nowMs = Date.parse('2100-01-01T00:01:00Z') - 1_000;
  const report = await drillRestore(database, 'aitrading_drill_00000001', {
    ...{ path, keys: [key], nowMs: () => (nowMs += 1_000) },
  });
  expect(report).toMatchObject({ rpoSeconds: 60, rtoSeconds: 1, tenants: 2, lastRowAt: '2100-01-01T00:00:00.000Z' });
  // That of a drill which was killed went too.
  expect(await databases()).toEqual([]);
  expect(await dump(database)).toEqual(before);
});

test('a drill with a damaged file fails and leaves nothing behind', async () => {
  const damaged = join(folder, 'damaged.aitbackup');
  const file = readFileSync(path);
  file[200]! ^= 1;
  writeFileSync(damaged, file);
  const drill = drillRestore(database, 'aitrading_drill_00000002', { path: damaged, keys: [key], nowMs: Date.now });
  await expect(drill).rejects.toThrow('the backup is refused: part 1 of it was altered');
  expect(await databases()).toEqual([]);
});
