/** What must leave the database as it was: files that are not whole, and a restore that is killed. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createZstdCompress } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BackupRefused, sealFrames } from '../../../../transports/drivers/backup/frames.ts';
import {
  jsonRecord,
  readPayload,
  rowsRecord,
  type PayloadRecord,
} from '../../../../transports/drivers/backup/payload.ts';
import { restoreBackup } from '../../../../transports/drivers/backup/restore.ts';
import { writeBackup } from '../../../../transports/drivers/backup/write.ts';
import { migrate } from '../../../../transports/drivers/migrations.ts';
import type { Database } from '../../../../transports/drivers/postgres.ts';
import { EncryptionKey } from '../../../../transports/envelope.ts';
import { usePostgres } from '../../../support/postgres.ts';
import { collect, dump, fillPlatform } from '../../support/backup.ts';

const postgres = usePostgres();
const secret = randomBytes(32);
const key = new EncryptionKey(secret);
const child = fileURLToPath(new URL('../../support/restore-child.ts', import.meta.url));
const numRuns = Math.round(40 * Number(process.env['TEST_SCALE'] ?? 1));
let folder: string;
let database: Database;
/** Of the platform with one row more than in the backup. */
let before: Readonly<Record<string, unknown>>;
let saved: Readonly<Record<string, unknown>>;
let path: string;
let file: Buffer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aitrading-refusal-'));
  path = join(folder, 'good.aitbackup');
  database = await postgres.emptyDatabase();
  await using(async (own) => {
    await migrate(own);
    await fillPlatform(own, 100);
    saved = await dump(own);
    await writeBackup(own, { path, key, version: '1', now: new Date() });
    await own.query(`insert into t_1.checkpoint values (77, 1, 0)`);
    before = await dump(own);
  });
  await database.close();
  file = readFileSync(path);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function using<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const own = postgres.another(database);
  try {
    return await work(own);
  } finally {
    await own.close();
  }
}

async function refusedWith(content: Buffer): Promise<Error> {
  const damaged = join(folder, 'damaged.aitbackup');
  writeFileSync(damaged, content);
  return using((own) =>
    restoreBackup(own, { path: damaged, keys: [key] }).then(
      () => new Error('it was restored'),
      (error: Error) => error,
    ),
  );
}

test('whatever byte of a backup is changed, and wherever it is cut, nothing is restored', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 0, max: 255 }), async (at, by) => {
      const copy = Buffer.from(file);
      copy[at]! ^= by;
      expect(await refusedWith(by === 0 ? file.subarray(0, at) : copy)).toBeInstanceOf(BackupRefused);
    }),
    { numRuns },
  );
  expect(await using(dump)).toEqual(before);
});

/** A file that is sealed with the right key, and still does not hold what it says. */
async function rewritten(change: (record: PayloadRecord) => readonly PayloadRecord[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const record of readPayload(path, [key]))
    for (const one of change(record)) parts.push(...(one.type === 'rows' ? rowsRecord(one.rows) : jsonRecord(one)));
  const packed = createZstdCompress();
  packed.end(Buffer.concat(parts));
  return collect(sealFrames(packed, key));
}

const contents: Record<string, (record: PayloadRecord) => readonly PayloadRecord[]> = {
  'lacks its rows': (record) => (record.type === 'rows' ? [] : [record]),
  'lacks its manifest': (record) => (record.type === 'manifest' ? [] : [record]),
  'has rows twice': (record) => (record.type === 'rows' ? [record, record] : [record]),
  'has a table twice': (record) => (record.type === 'table' ? [record, record] : [record]),
  'has no head': (record) => (record.type === 'head' ? [] : [record]),
  'has a later format': (record) =>
    record.type === 'head' ? [{ ...record, head: { ...record.head, format: 2 } }] : [record],
  'goes on behind its manifest': (record) => (record.type === 'manifest' ? [record, record] : [record]),
};

test.each(Object.entries(contents))('a backup whose content %s is refused', async (_, change) => {
  expect(await refusedWith(await rewritten(change))).toBeInstanceOf(BackupRefused);
  expect(await using(dump)).toEqual(before);
});

test('rewritten without any change it would be restored', async () => {
  expect((await refusedWith(await rewritten((record) => [record]))).message).toBe('it was restored');
  await using((own) => own.query(`insert into t_1.checkpoint values (77, 1, 0)`));
  expect(await using(dump)).toEqual(before);
});

test.each([
  ['checking', 1],
  ['loading', 1],
  ['comparing', 1],
  ['comparing', 20],
])('killed while %s (report %i), a restore has changed nothing, and the next one clears up', async (step, count) => {
  const { host, port, user, password } = postgres.server;
  const login = JSON.stringify({ host, port, user, password, database: await using(nameOf) });
  const run = spawn(process.execPath, [child, login, path, secret.toString('hex'), step, String(count)], {
    stdio: 'inherit',
  });
  const [, signal] = (await once(run, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  await using(untilAlone);
  const found = await using(dump);
  for (const [table, rows] of Object.entries(before))
    if (table.includes('.')) expect([table, found[table]]).toEqual([table, rows]);
  await using((own) => restoreBackup(own, { path, keys: [key] }));
  expect(await using(dump)).toEqual(saved);
  await using((own) => own.query(`insert into t_1.checkpoint values (77, 1, 0)`));
});

async function nameOf(own: Database): Promise<string> {
  const { rows } = await own.query<{ name: string }>('select current_database() as name');
  return rows[0]!.name;
}

/** The server sees a killed client only when it writes to it. */
async function untilAlone(own: Database): Promise<void> {
  for (;;) {
    const { rows } = await own.query<{ others: number }>(
      `select count(*)::int as others from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
    );
    if (rows[0]!.others === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
