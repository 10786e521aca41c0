/** The demo tenant's keys: a file that only its owner can read, and a database that agrees with it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { credentialsPath, CredentialsUnreadable, demoAccounts, seedDemo } from '../../bin/seed.ts';
import { masterKeyPath, MasterKeyRefused, openMasterKeys, openMasterKeysOf } from '../../bin/master-keys.ts';
import { hashApiKey } from '../../transports/api-key.ts';
import { shred } from '../../transports/drivers/postgres-keys/shredding.ts';
import { readPersonDetails } from '../../transports/drivers/postgres-person.ts';
import { findCredential } from '../../transports/drivers/postgres-credentials.ts';
import type { Database } from '../../transports/drivers/postgres.ts';
import { usePostgres } from '../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
let home: string;
beforeEach(async () => {
  database = await postgres.platformDatabase();
  home = mkdtempSync(join(tmpdir(), 'aitrading-seed-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function seed(): Promise<string> {
  const masters = openMasterKeys({ current: undefined, previous: undefined }, home);
  await seedDemo({ database: () => database }, home, demoAccounts, masters);
  return (JSON.parse(readFileSync(credentialsPath(home), 'utf8')) as { trader: { apiKey: string } }).trader.apiKey;
}

const holderOf = (key: string) => findCredential(database, hashApiKey(key));

test('a master key that is missing is made for a new database alone: a new one would open nothing', async () => {
  const unset = { current: undefined, previous: undefined };
  const made = await openMasterKeysOf(database, unset, home);
  await seed();
  expect(await openMasterKeysOf(database, unset, home)).toMatchObject({ current: { id: made.current.id } });
  rmSync(masterKeyPath(home));
  await expect(openMasterKeysOf(database, unset, home)).rejects.toThrow(MasterKeyRefused);
  expect(existsSync(masterKeyPath(home))).toBe(false);
});

test('seeding again changes no key', async () => {
  const key = await seed();
  expect(statSync(credentialsPath(home)).mode & 0o777).toBe(0o600);
  expect(await seed()).toBe(key);
  expect(await holderOf(key)).toMatchObject({ role: 'trader', tenantSlug: 'demo' });
});

test('whoever removes the file gets new keys, and the old ones work no more', async () => {
  const before = await seed();
  rmSync(credentialsPath(home));
  const after = await seed();
  expect(await holderOf(before)).toBeUndefined();
  expect(await holderOf(after)).toMatchObject({ role: 'trader' });
});

test.each([
  ['a draft that a killed start left', ''],
  ['half of one', '{"tenant":"demo","trader":{"ema'],
])('%s is written anew', async (_, text) => {
  writeFileSync(`${credentialsPath(home)}.new`, text);
  expect(await holderOf(await seed())).toMatchObject({ role: 'trader' });
});

test.each([
  ['nothing', ''],
  ['half of it', '{"tenant":"demo","trader":{"ema'],
  ['no keys', '{"tenant":"demo"}'],
  ['something else for a key', '{"trader":{"apiKey":"hunter2"}}'],
])('a file with %s is told by its name, and not what stands in it', async (_, text) => {
  writeFileSync(credentialsPath(home), text);
  const refusal = await seed().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(CredentialsUnreadable);
  expect((refusal as Error).message).toContain(credentialsPath(home));
  expect((refusal as Error).message).not.toContain('hunter2');
  expect(readFileSync(credentialsPath(home), 'utf8')).toBe(text);
});

test('the addresses of people are in the database encrypted alone', async () => {
  await seed();
  const { rows } = await database.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class where relkind = 'r'
       and relnamespace::regnamespace::text in ('platform', 't_1')`,
  );
  const tables = await Promise.all(rows.map(({ name }) => database.query(`select r::text from ${name} r`)));
  const all = JSON.stringify(tables.map((table) => table.rows));
  expect(all).toContain('demo-trader');
  expect(all).not.toContain('demo.example');
  const masters = openMasterKeys({ current: undefined, previous: undefined }, home);
  const addressOf = async (tenantId: number, subjectId: string) =>
    (await readPersonDetails(database, masters, { tenantId, subjectId })).get('email');
  expect(await addressOf(1, 'demo-trader')).toBe('trader@demo.example');
  expect(await addressOf(0, 'demo-ops')).toBe('ops@demo.example');
});

test('seeding again does not bring back who was forgotten', async () => {
  const key = await seed();
  await shred(database, { tenantId: 1, subjectId: 'demo-trader' });
  await seed();
  expect(await holderOf(key)).toMatchObject({ keyId: 'demo-trader' });
  const masters = openMasterKeys({ current: undefined, previous: undefined }, home);
  const person = { tenantId: 1, subjectId: 'demo-trader' };
  await expect(readPersonDetails(database, masters, person)).rejects.toThrow(
    'the key of a person of tenant 1 was destroyed',
  );
});

test('a database whose subjects are addresses is brought to subject ids, and its keys and accounts go on', async () => {
  const key = await seed();
  await database.query(`update platform.credential set key_id = 'trader@demo.example' where key_id = 'demo-trader'`);
  await database.query(`update t_1.api_key set key_id = 'trader@demo.example' where key_id = 'demo-trader'`);
  await database.query(`update t_1.account set owner = 'trader@demo.example'`);
  expect(await seed()).toBe(key);
  expect(await holderOf(key)).toMatchObject({ role: 'trader', keyId: 'demo-trader' });
  const { rows } = await database.query('select distinct owner from t_1.account');
  expect(rows).toEqual([{ owner: 'demo-trader' }]);
  expect((await database.query(`select from t_1.api_key where key_id like '%@%'`)).rowCount).toBe(0);
});
