/** The demo tenant's keys: a file that only its owner can read, and a database that agrees with it. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { credentialsPath, CredentialsUnreadable, demoAccounts, seedDemo } from '../../bin/seed.ts';
import { hashApiKey } from '../../transports/api-key.ts';
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
  await seedDemo({ database: () => database }, home, demoAccounts);
  return (JSON.parse(readFileSync(credentialsPath(home), 'utf8')) as { trader: { apiKey: string } }).trader.apiKey;
}

const holderOf = (key: string) => findCredential(database, hashApiKey(key));

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
