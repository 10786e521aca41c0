/** Two tenants whose every row is marked, and thousands of operations at random over shared connections: nobody sees a mark of the other. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import { slotOf } from '../../../runtime/cluster.ts';
import { appendAudit, verifyAudit } from '../../../transports/drivers/postgres-audit.ts';
import { findCredential, putCredential } from '../../../transports/drivers/postgres-credentials.ts';
import { PostgresJournal } from '../../../transports/drivers/postgres-journal.ts';
import { claimAllSlots } from '../../../transports/drivers/postgres-ownership.ts';
import { getSignal, saveSignal } from '../../../transports/drivers/postgres-read-models.ts';
import { PostgresSnapshots } from '../../../transports/drivers/postgres-snapshots.ts';
import { connectDatabase, type Database, type Queryable } from '../../../transports/drivers/postgres.ts';
import { listAccounts, provisionTenant, registerAccount } from '../../../transports/drivers/provisioning.ts';
import { asTenant } from '../../../transports/drivers/roles.ts';
import { startPgBouncer, type PgBouncer } from '../../support/pgbouncer.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
// 20,000 with TEST_SCALE at 1.
const operations = Math.ceil(10_000 * Number(process.env['TEST_SCALE'] ?? 1));
/** At once: more than there are connections, so that all of these change hands. */
const lanes = 24;
const tenants = [1, 2] as const;
const passwords = { r_t1: 'of-the-first', r_t2: 'of-the-second' };
const tables = [
  'journal',
  'account',
  '"order"',
  'fill',
  'ledger',
  'position',
  'command',
  'checkpoint',
  'api_key',
  'audit',
  'signal',
  'account_snapshot',
];

let name: string;
beforeAll(async () => {
  const database = await postgres.platformDatabase();
  name = (await database.query<{ name: string }>('select current_database() as name')).rows[0]!.name;
  for (const slug of ['first', 'second']) await provisionTenant(database, { slug, name: slug });
  for (const [role, password] of Object.entries(passwords))
    await database.query(`alter role ${role} password '${password}'`);
  await mark(database);
});

describe('over pools', () => {
  isolated(async () => postgres.server);
});

describe('through a transaction pooler', () => {
  let pooler: PgBouncer;
  afterAll(() => pooler.stop());
  isolated(async () => {
    const { user, password } = postgres.server;
    return (pooler = await startPgBouncer(postgres.server, { [user]: password, ...passwords }));
  });
});

function isolated(reach: () => Promise<{ readonly host: string; readonly port: number }>): void {
  /** The platform's own login, and each tenant's. */
  let platform: Database;
  let logins: Readonly<Record<number, Database>>;
  beforeAll(async () => {
    const { host, port } = await reach();
    const open = (user: string, password: string, poolSize: number) =>
      connectDatabase({ host, port, user, password, database: name, log: silentLog, poolSize });
    platform = open(postgres.server.user, postgres.server.password, 6);
    logins = { 1: open('r_t1', passwords.r_t1, 3), 2: open('r_t2', passwords.r_t2, 3) };
  });
  afterAll(async () => {
    await Promise.all([platform, ...Object.values(logins)].map((database) => database.close()));
  });

  test(`of ${operations} operations none shows a tenant what is of the other, and each that tries is refused`, async () => {
    const [random] = fc.sample(fc.infiniteStream(fc.nat(2 ** 30)), { numRuns: 1, seed: 4 });
    const pick = <T>(from: readonly T[]): T => from[random!.next().value! % from.length]!;
    const counts = { own: 0, refused: 0 };
    let left = operations;
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        const tenant = pick(tenants);
        const other = 3 - tenant;
        if (random!.next().value! % 2) {
          const shown = JSON.stringify([await pick(own)({ platform, login: logins[tenant]!, tenant, pick })]);
          expect(shown).not.toContain(markOf(other));
          counts.own += 1;
        } else {
          const attempt = pick(attempts)(other, pick(tables));
          const by = random!.next().value! % 2;
          const run = by
            ? asTenant(platform, tenant, (transaction) => transaction.query(attempt))
            : logins[tenant]!.transaction((transaction) => transaction.query(attempt));
          expect([attempt, await run.then(() => 'done', codeOf)]).toEqual([attempt, '42501']);
          counts.refused += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    expect(counts.own + counts.refused).toBe(operations);
    expect(Math.min(counts.own, counts.refused)).toBeGreaterThan(operations / 3);
    for (const tenant of tenants) expect(await verifyAudit(platform, tenant)).not.toHaveProperty('brokenAt');
  }, 300_000);
}

interface Given {
  readonly platform: Database;
  readonly login: Database;
  readonly tenant: number;
  pick<T>(from: readonly T[]): T;
}

/** What the platform does for a tenant, and what the tenant's own login may do: each gives what was seen. */
const own: readonly ((given: Given) => Promise<unknown>)[] = [
  async ({ platform, tenant, pick }) => {
    const text = `select * from t_${tenant}.${pick(tables)} limit 20`;
    return seen(await asTenant(platform, tenant, (transaction) => transaction.query(text)));
  },
  async ({ login, tenant, pick }) => seen(await login.query(`select * from t_${tenant}.${pick(tables)} limit 20`)),
  async ({ platform, tenant }) => marked(await listAccounts(platform, tenant), tenant),
  async ({ platform, tenant }) => marked(await getSignal(platform, tenant, 's-1'), tenant),
  async ({ platform, tenant }) => marked(await new PostgresSnapshots(() => platform).load(keyOf(tenant)), tenant),
  async ({ platform, tenant }) => marked(await findCredential(platform, hashOf(tenant)), tenant),
  async ({ platform, tenant, pick }) => {
    const body = { mark: markOf(tenant) };
    await saveSignal(platform, tenant, { signalId: `s-${pick([2, 3, 4, 5])}`, timeMicros: 1, body });
  },
  async ({ platform, tenant }) => appendAudit(platform, [auditOf(tenant)]),
  // A transaction that fails leaves its connection to the next user without its role.
  async ({ platform, tenant }) => {
    const failing = asTenant(platform, tenant, (transaction) => transaction.query('select 1 / 0'));
    expect(await failing.then(() => 'done', codeOf)).toBe('22012');
    expect((await platform.query('select current_user::text as who')).rows).toEqual([{ who: 'postgres' }]);
  },
  async ({ login, tenant }) => {
    const { rows } = await login.query('select current_user::text as who, session_user::text as login');
    expect(rows).toEqual([{ who: `r_t${tenant}`, login: `r_t${tenant}` }]);
  },
];

/** What nobody may do to another tenant, whoever lets him try. */
const attempts: readonly ((other: number, table: string) => string)[] = [
  (other, table) => `select * from t_${other}.${table}`,
  (other, table) => `select count(*) from t_${other}.${table}`,
  (other, table) => `insert into t_${other}.${table} default values`,
  (other, table) => `delete from t_${other}.${table}`,
  (other, table) => `truncate t_${other}.${table}`,
  (other, table) => `lock table t_${other}.${table}`,
  (other, table) => `create table t_${other}.mine as select * from t_${other}.${table}`,
  (other, table) => `select * from t_${3 - other}.${table} a, t_${other}.${table} b`,
  (other, table) => `copy (select * from t_${other}.${table}) to stdout`,
  (other) => `select * from platform.journal where tenant_id = ${other}`,
  () => 'select * from platform.credential',
  () => 'select * from platform.tenant',
];

async function mark(database: Database): Promise<void> {
  const { epochOf } = await claimAllSlots(database, { nodeId: 'test', version: '0' });
  const journal = new PostgresJournal(database, silentLog);
  for (const tenant of tenants) {
    const word = markOf(tenant);
    await registerAccount(database, tenant, {
      ...{ slug: 'a', currency: 'USD', oms: 'netting', leverage: 30 },
      aiMayOrder: false,
      owner: word,
    });
    await saveSignal(database, tenant, { signalId: 's-1', timeMicros: 1, body: { mark: word } });
    await appendAudit(database, [auditOf(tenant)]);
    const key = keyOf(tenant);
    await new PostgresSnapshots(() => database).save(key, {
      version: 1,
      seq: 1,
      epoch: 1,
      state: word,
      commands: '',
      digest: '',
    });
    await putCredential(database, {
      hash: hashOf(tenant),
      tenantId: tenant,
      keyId: word,
      role: 'trader',
      scopes: [],
      name: word,
    });
    const slot = slotOf(key);
    const row = {
      ...key,
      slot,
      epoch: epochOf(slot),
      seq: 1,
      commandId: word,
      digest: '0'.repeat(64),
      payload: JSON.stringify({ mark: word }),
    };
    expect(await journal.append([row])).toEqual([]);
    await fillReadModels(database, tenant, word);
  }
  await journal.close();
}

async function fillReadModels(database: Queryable, tenant: number, word: string): Promise<void> {
  const schema = `t_${tenant}`;
  await database.query(`insert into ${schema}.checkpoint values (1, 1, 0);
    insert into ${schema}.command values (1, '${word}', '\\x00', 1);
    insert into ${schema}.position values (1, '${word}', 'EURUSD', 'buy', 'open', 1, 1, 1, now(), 1);
    insert into ${schema}.fill values (1, 1, 0, '${word}', 'o', 'EURUSD', 'buy', 1, 1, now(), now());
    insert into ${schema}.ledger values (1, 1, 0, '${word}', 1, 1, 'USD', null, null, null, null, now());
    insert into ${schema}."order" (account_id, order_id, number, client_order_id, symbol, side, type, quantity, time_in_force, source, state,
      filled_quantity, filled_value, submitted_at, updated_at, seqs)
    values (1, '${word}', 1, 'c', 'EURUSD', 'buy', 'market', 1, 'ioc', 'trader', 'FILLED', 0, 0, now(), now(), '{1}')`);
}

function markOf(tenant: number): string {
  return `mark-of-tenant-${tenant}`;
}

function keyOf(tenant: number): { tenantId: number; entityId: number } {
  return { tenantId: tenant, entityId: 1 };
}

function hashOf(tenant: number): Buffer {
  return createHash('sha256').update(markOf(tenant)).digest();
}

function auditOf(tenant: number): Parameters<typeof appendAudit>[1][number] {
  return { tenantId: tenant, timeMicros: 1, subject: markOf(tenant), action: 'a', target: 't', details: {} };
}

function marked<T>(found: T, tenant: number): T {
  expect(JSON.stringify(found)).toContain(markOf(tenant));
  return found;
}

function seen({ rows }: { readonly rows: readonly object[] }): readonly object[] {
  expect(rows.length).toBeGreaterThan(0);
  return rows;
}

function codeOf(error: unknown): string {
  return String((error as { code?: string }).code ?? error);
}
