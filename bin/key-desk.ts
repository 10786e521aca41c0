/** What `aitrading keys` does, on the configured database. What it changes is in the audit log. */
import { resolve } from 'node:path';
import { appendAudit } from '../transports/drivers/postgres-audit.ts';
import { lockHome } from '../transports/drivers/home-lock.ts';
import { personDetails } from '../transports/drivers/postgres-person.ts';
import { checkDurability, type Database } from '../transports/drivers/postgres.ts';
import { keysOf, type KeyOwner } from '../transports/drivers/postgres-keys.ts';
import { rotateMaster } from '../transports/drivers/postgres-keys/master.ts';
import type { KeyEvent } from '../transports/drivers/postgres-keys/pass.ts';
import { rotateKeys } from '../transports/drivers/postgres-keys/rotation.ts';
import { shred } from '../transports/drivers/postgres-keys/shredding.ts';
import { keyStatus } from '../transports/drivers/postgres-keys/status.ts';
import { listTenants } from '../transports/drivers/provisioning.ts';
import { requireConfig } from './environment.ts';
import { Failure } from './failure.ts';
import { createLog } from './log.ts';
import { operatorSubject } from './operator-audit.ts';
import { openMasterKeys, renewMasterKey, retirePreviousMasterKey } from './master-keys.ts';
import { openStorage } from './storage.ts';

/** Each answers with what is to be printed. */
export interface KeyDesk {
  status(json: boolean): Promise<string>;
  rotate(tenant: string, person: string | undefined, json: boolean): Promise<string>;
  rotateMaster(json: boolean): Promise<string>;
  shred(tenant: string, person: string | undefined, confirm: string | undefined, json: boolean): Promise<string>;
  close(): Promise<void>;
}

/** All columns that are encrypted. A column that is missing here stays with its old key. */
const columns = [personDetails];

const platformName = '@platform';

/** @throws Failure, HomeInUse, or what keeps the database from opening */
export async function openKeyDesk(command: string): Promise<KeyDesk> {
  const config = requireConfig();
  const home = resolve(config.home);
  // The embedded database and the key in the folder belong to whoever holds the folder.
  const isOurs = !config.database || (command === 'rotate-master' && !config.masterKeys.current);
  const lock = isOurs ? lockHome(home) : undefined;
  const storage = openStorage({ home, external: config.database, log: createLog({ ...config, logLevel: 'warn' }) });

  async function close(): Promise<void> {
    await storage.close();
    lock?.release();
  }

  const masters = () => openMasterKeys(config.masterKeys, home);

  try {
    await storage.open();
    const database = storage.database();
    await checkDurability(database);
    await requireTables(database);
    return {
      status: (json) => status(database, masters().current.id, json),
      async rotate(tenant, subjectId, json) {
        const owner = { tenantId: await tenantNumber(database, tenant), subjectId };
        const { events, ...result } = await rotateKeys(database, masters(), owner, columns);
        await audit(database, events);
        if (events.length === 0) throw new Failure(`there is no key of ${subjectId ?? tenant}`);
        const unfinished = result.isResumed
          ? 'finished what an earlier rotation had left; run again for new keys: '
          : '';
        const done = `${result.reencrypted} values encrypted anew, ${result.unreadable} values cannot be read`;
        return shown(json, result, `${unfinished}${done}`);
      },
      async rotateMaster(json) {
        const keys = config.masterKeys.current ? masters() : renewMasterKey(home);
        const { events, rewrapped } = await rotateMaster(database, keys);
        await audit(database, events);
        const retired = config.masterKeys.current ? undefined : retirePreviousMasterKey(home);
        const result = { masterKeyId: keys.current.id, rewrapped, ...(retired && { retired }) };
        const kept = retired ? `\nthe one before is in ${retired}: backups made until now need it` : '';
        return shown(json, result, `${rewrapped} keys wrapped by the master key ${keys.current.id}${kept}`);
      },
      async shred(tenant, subjectId, confirm, json) {
        if (confirm !== (subjectId ?? tenant)) throw new Failure(`--confirm must be ${subjectId ?? tenant}`);
        const owner = { tenantId: await tenantNumber(database, tenant), subjectId };
        // Shredding whoever is not known would leave a mark for a mistyped name.
        if (subjectId !== undefined && !(await hasKey(database, owner)))
          throw new Failure(`there is no key of ${subjectId}`);
        const { events, destroyed } = await shred(database, owner);
        await audit(database, events);
        return shown(json, { destroyed }, `${destroyed} keys destroyed`);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function hasKey(database: Database, owner: KeyOwner): Promise<boolean> {
  const { table, where, values } = keysOf(owner);
  const { rows } = await database.query(`select from ${table} where ${where} limit 1`, values);
  return rows.length > 0;
}

async function requireTables(database: Database): Promise<void> {
  const { rows } = await database.query<{ found: boolean }>(
    `select to_regclass('platform.data_key') is not null as found`,
  );
  if (!rows[0]!.found) throw new Failure('the database has no tables for keys yet: run aitrading migrate');
}

async function tenantNumber(database: Database, slug: string): Promise<number> {
  if (slug === platformName) return 0;
  const tenant = (await listTenants(database)).find((one) => one.slug === slug);
  if (!tenant) throw new Failure(`there is no tenant ${slug}`);
  return tenant.tenantId;
}

async function audit(database: Database, events: readonly KeyEvent[]): Promise<void> {
  const timeMicros = Date.now() * 1_000;
  await appendAudit(
    database,
    events.map((event) => ({ ...event, subject: operatorSubject(), timeMicros })),
  );
}

async function status(database: Database, masterKeyId: string, json: boolean): Promise<string> {
  const { owners, wrappedBy } = await keyStatus(database, columns);
  const slugs = new Map((await listTenants(database)).map(({ tenantId, slug }) => [tenantId, slug]));
  const named = owners.map(({ tenantId, ...owner }) => ({ tenant: slugs.get(tenantId) ?? platformName, ...owner }));
  const rows = [
    ['tenant', 'version', 'made', 'people', 'shredded', 'behind'],
    ...named.map((row) => [
      row.tenant,
      row.isShredded ? 'shredded' : String(row.version),
      row.createdAt.toISOString().slice(0, 10),
      ...[row.people, row.shreddedPeople, row.behind].map(String),
    ]),
  ];
  const masters = Object.entries(wrappedBy).map(([id, keys]) => `master key ${id} wraps ${keys} keys`);
  const text = [`master key ${masterKeyId} is in use`, ...masters, ...aligned(rows)].join('\n');
  return shown(json, { masterKeyId, wrappedBy, owners: named }, text);
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function shown(json: boolean, result: object, text: string): string {
  return `${json ? JSON.stringify(result) : text}\n`;
}
