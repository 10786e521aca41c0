import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import {
  listSchemas,
  listTables,
  readOverview,
  readReplication,
  readSlowQueries,
} from '../../../transports/drivers/postgres-monitor.ts';
import { connectDatabase, type Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
beforeAll(async () => {
  database = await postgres.platformDatabase();
  for (const slug of ['alpha', 'beta', 'gamma']) await provisionTenant(database, { slug, name: slug });
});

async function openSlow(slowMs: number): Promise<Database> {
  const { rows } = await database.query<{ name: string }>('select current_database() as name');
  const opened = connectDatabase({ ...postgres.server, database: rows[0]!.name, log: silentLog, slowMs });
  onTestFinished(() => opened.close());
  return opened;
}

test('the server is told as a whole', async () => {
  expect(await readOverview(database)).toMatchObject({
    ...{ version: expect.stringMatching(/^\d+/), bytes: expect.any(Number), isInRecovery: false },
    ...{ fsync: 'on', fullPageWrites: 'on', synchronousCommit: 'on', startedAt: expect.stringMatching(/Z$/) },
  });
});

test('schemas come page after page, the platform first, each with its size and version', async () => {
  const first = await listSchemas(database, { limit: 2 });
  expect(first.items).toMatchObject([
    { schema: 'platform', tenant: null, tables: expect.any(Number), bytes: expect.any(Number) },
    { schema: 't_1', tenant: 'alpha', status: 'active', version: expect.any(Number) },
  ]);
  const second = await listSchemas(database, { limit: 2, cursor: first.nextCursor });
  expect(second.items).toMatchObject([{ tenant: 'beta' }, { tenant: 'gamma' }]);
  expect(second.nextCursor).toBeUndefined();
});

test('tables come page after page, each once, the largest first', async () => {
  const seen: { table: string; bytes: number }[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await listTables(database, 1, { limit: 3, cursor });
    seen.push(...(page.items as { table: string; bytes: number }[]));
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  const names = seen.map(({ table }) => table);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(['journal', 'order', 'fill', 'ledger', 'api_key']));
  expect(seen.map(({ bytes }) => bytes)).toEqual(seen.map(({ bytes }) => bytes).toSorted((a, b) => b - a));
});

test('without a standby there is none, and the position is told', async () => {
  expect(await readReplication(database)).toEqual({
    ...{ isInRecovery: false, walPosition: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/), standbys: [], slots: [] },
  });
});

test('a slow statement appears while it runs and after it has ended, without what was asked for', async () => {
  const slow = await openSlow(50);
  const asked = slow.query(`select pg_sleep(0.4),\n  $1::text as hidden`, ['a secret']);
  await vi.waitFor(async () => {
    const { running } = (await readSlowQueries(slow, 50)) as { running: object[] };
    expect(running).toMatchObject([{ text: 'select pg_sleep(0.4), $1::text as hidden', tookMs: expect.any(Number) }]);
  });
  await asked;
  const told = (await readSlowQueries(slow, 50)) as { recorded: object[]; statements: unknown };
  expect(told.recorded).toMatchObject([{ text: 'select pg_sleep(0.4), $1::text as hidden', failed: false }]);
  expect(told.statements).toBeNull();
  expect(JSON.stringify(told)).not.toContain('a secret');
});

test('of slow statements the latest hundred are kept', async () => {
  const slow = await openSlow(0);
  for (let i = 0; i < 110; i++) await slow.query(`select ${i}`);
  const texts = slow.slowStatements().map(({ text }) => text);
  expect([texts.length, texts[0], texts.at(-1)]).toEqual([100, 'select 109', 'select 10']);
});
