/** `aitrading keys` as an operator runs it: the real program, on a real server. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMasterKeys } from '../../bin/master-keys.ts';
import { Secret } from '../../config/secret.ts';
import { verifyAudit } from '../../transports/drivers/postgres-audit.ts';
import { putPersonDetails, readPersonDetails } from '../../transports/drivers/postgres-person.ts';
import type { Database } from '../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../transports/drivers/provisioning.ts';
import { usePostgres } from '../support/postgres.ts';

const program = join(import.meta.dirname, '../../bin/aitrading.js');
const postgres = usePostgres();
const first = randomBytes(32).toString('base64');
const second = randomBytes(32).toString('hex');
let database: Database;
let home: string;
let printed = '';

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'aitrading-keys-'));
  database = await postgres.platformDatabase();
  await provisionTenant(database, { slug: 'demo', name: 'Demo' });
  printed = '';
});
afterEach(async () => {
  await database.close();
  rmSync(home, { recursive: true, force: true });
});

async function keys(words: string, environment: Readonly<Record<string, string>> = { MASTER_KEY: first }) {
  const { host, port, user, password } = postgres.server;
  const { rows } = await database.query<{ name: string }>('select current_database() as name');
  const login = { DB_HOST: host, DB_PORT: `${port}`, DB_USER: user, DB_PASSWORD: password, DB_NAME: rows[0]!.name };
  const env = { PATH: process.env['PATH'] ?? '', AITRADING_HOME: home, ...login, ...environment };
  const child = spawn(process.execPath, [program, 'keys', ...words.split(' ')], { cwd: home, env });
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  printed += stdout + stderr;
  return { stdout, stderr, code };
}

const mastersOf = (current: string) => openMasterKeys({ current: new Secret(current), previous: undefined }, home);
const person = { tenantId: 1, subjectId: 'u-1' };
const put = (masters = mastersOf(first)) =>
  putPersonDetails(database, masters, person, { email: 'ada@canary.example' });
const read = async (masters = mastersOf(first)) => (await readPersonDetails(database, masters, person)).get('email');

test('keys are shown, rotated, wrapped anew and destroyed, and the audit log says so', async () => {
  await put();
  const status = await keys('status');
  expect(status.stdout).toMatch(
    /^master key [0-9a-f]{16} is in use\nmaster key [0-9a-f]{16} wraps 2 keys\ntenant +version/,
  );
  expect(status.stdout).toMatch(/^demo +1 +\d{4}-\d\d-\d\d +1 +0 +0$/m);
  expect(JSON.parse((await keys('rotate demo --json')).stdout)).toEqual({
    ...{ isResumed: false, reencrypted: 1, unreadable: 0 },
  });
  const both = { MASTER_KEY: second, MASTER_KEY_PREVIOUS: first };
  expect((await keys('rotate-master', both)).stdout).toMatch(/^4 keys wrapped by the master key [0-9a-f]{16}\n$/);
  expect(await read(mastersOf(second))).toBe('ada@canary.example');
  const now = { MASTER_KEY: second };
  expect(JSON.parse((await keys('status --json', now)).stdout)).toMatchObject({
    owners: [{ tenant: 'demo', version: 2, people: 1, behind: 0 }],
  });
  expect((await keys('shred demo u-1 --confirm u-1', now)).stdout).toBe('2 keys destroyed\n');
  await expect(read(mastersOf(second))).rejects.toThrow('was destroyed');
  expect((await keys('shred demo --confirm demo', now)).stdout).toBe('2 keys destroyed\n');
  expect(await verifyAudit(database, 1)).toEqual({ entries: 3 });
  expect(await verifyAudit(database, undefined)).toEqual({ entries: 2 });
  for (const secret of [first, second, 'canary']) expect(printed).not.toContain(secret);
});

test.each([
  { words: 'rotate nobody', says: 'there is no tenant nobody', code: 1 },
  { words: 'rotate demo u-9', says: 'there is no key of u-9', code: 1 },
  { words: 'shred demo u-9 --confirm u-9', says: 'there is no key of u-9', code: 1 },
  { words: 'shred demo --confirm demu', says: '--confirm must be demo', code: 1 },
  { words: 'shred demo', says: "required option '--confirm <name>' not specified", code: 2 },
])('$words is refused', async ({ words, says, code }) => {
  await put();
  const outcome = await keys(words);
  expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(says) as string });
  expect(await read()).toBe('ada@canary.example');
});

test('a master key that is not the one of the database is told by its id', async () => {
  await put();
  const { stderr, code } = await keys('rotate demo', { MASTER_KEY: second });
  expect(code).toBe(1);
  expect(stderr).toContain(`wrapped by the master key ${mastersOf(first).current.id}`);
  for (const secret of [first, second]) expect(stderr).not.toContain(secret);
});

test('without MASTER_KEY the one of the data folder is renewed, and the one before is gone', async () => {
  const unset = { current: undefined, previous: undefined };
  const before = openMasterKeys(unset, home);
  await put(before);
  const { stdout, code } = await keys('rotate-master', {});
  const after = openMasterKeys(unset, home);
  const retired = join(home, `master.key.${before.current.id}`);
  const kept = `the one before is in ${retired}: backups made until now need it`;
  expect({ stdout, code }).toEqual({
    stdout: `2 keys wrapped by the master key ${after.current.id}\n${kept}\n`,
    code: 0,
  });
  expect(statSync(retired).mode & 0o777).toBe(0o600);
  expect(after.previous).toBeUndefined();
  expect(after.current.id).not.toBe(before.current.id);
  expect(statSync(join(home, 'master.key')).mode & 0o777).toBe(0o600);
  expect(await read(after)).toBe('ada@canary.example');
  expect(printed).not.toContain(readFileSync(join(home, 'master.key'), 'utf8').trim());
});

test('production does not run without a master key, nor with one that others can read', async () => {
  expect(await keys('status', { NODE_ENV: 'production' })).toMatchObject({
    code: 1,
    stderr: 'aitrading: MASTER_KEY must be set in production, was unset\n',
  });
  const path = join(home, 'key');
  writeFileSync(path, first, { mode: 0o644 });
  const { stderr } = await keys('status', { NODE_ENV: 'production', MASTER_KEY_FILE: path });
  expect(stderr).toBe(`aitrading: MASTER_KEY_FILE must be a file that no other user can read or change, was ${path}\n`);
});
