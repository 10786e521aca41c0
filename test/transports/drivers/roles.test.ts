import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import { slotOf } from '../../../runtime/cluster.ts';
import { readFolder, ourMigrations } from '../../../transports/drivers/migration-files.ts';
import { migrate } from '../../../transports/drivers/migrations.ts';
import { claimAllSlots } from '../../../transports/drivers/postgres-ownership.ts';
import { appendAudit, verifyAudit } from '../../../transports/drivers/postgres-audit.ts';
import { PostgresJournal } from '../../../transports/drivers/postgres-journal.ts';
import { listOrders } from '../../../transports/drivers/postgres-read-models.ts';
import { connectDatabase, type Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant, registerAccount } from '../../../transports/drivers/provisioning.ts';
import { checkRights, findWrongRights, RightsWrong } from '../../../transports/drivers/roles-check.ts';
import { asTenant } from '../../../transports/drivers/roles.ts';
import { systemPostgres, usePostgres, type TestServer } from '../../support/postgres.ts';

const embedded = usePostgres();
const system = systemPostgres();

describe('the rights of a new database', () => {
  rightsOf(embedded);
});

describe.runIf(system)("the rights of a new database in the system's PostgreSQL", () => {
  rightsOf(usePostgres(() => system!));
});

function rightsOf(postgres: TestServer): void {
  let database: Database;
  beforeAll(async () => {
    database = await postgres.platformDatabase();
    for (const slug of ['first', 'second']) await provisionTenant(database, { slug, name: slug });
  });

  test('are those that the check wants', async () => {
    expect(await findWrongRights(database)).toEqual([]);
  });

  test('let a tenant read its own schema and nothing else, whatever it tries', async () => {
    const columns = await tablesOf(database);
    const tables = [...columns.keys()];
    expect(tables.filter((table) => table.startsWith('t_1.')).length).toBeGreaterThan(12);
    const outcomes = new Map<string, string>();
    for (const table of tables) {
      for (const [verb, statement] of Object.entries(statementsOn(table, columns.get(table)!)))
        outcomes.set(`${verb} ${table}`, await outcomeOf(database, 1, statement));
    }
    const allowed = [...outcomes].filter(([, code]) => code !== '42501').map(([what]) => what);
    const own = tables.filter((table) => table.startsWith('t_1.') && table !== 't_1.person_key');
    expect(allowed).toEqual(own.map((table) => `select ${table}`));
  });

  test.each([
    'create table t_1.mine ()',
    'create table t_2.mine ()',
    'create table public.mine ()',
    'create temporary table mine ()',
    'create schema mine',
    'drop table t_1.signal',
    'alter table t_1.signal add column mine int',
    'set role r_t2',
    'set session authorization r_t2',
    'create role mine',
    'copy t_1.signal to program $$true$$',
    "select pg_read_file('postgresql.conf')",
    'select pg_terminate_backend(pg_backend_pid()) from pg_authid',
  ])('let a tenant that has logged in not do this: %s', async (statement) => {
    const tenant = await logIn(postgres, database, 'r_t1');
    expect((await tenant.query('select from t_1.signal')).rowCount).toBe(0);
    await expect(tenant.query(statement)).rejects.toMatchObject({ code: '42501' });
  });

  test('keep a tenant without a password out', async () => {
    const { host, port } = postgres.server;
    const name = await nameOf(database);
    const login = { host, port, user: 'r_t2', password: '', database: name, log: silentLog };
    const tenant = connectDatabase(login);
    onTestFinished(() => tenant.close());
    await expect(tenant.query('select 1')).rejects.toThrow(/password/);
  });

  test('let nobody connect whom they do not name', async () => {
    await database.query('create role stranger');
    await expect(logIn(postgres, database, 'stranger')).rejects.toMatchObject({ code: '42501' });
  });

  test("let the journal's writer add rows and find out what became of them, no more", async () => {
    const { epochOf } = await claimAllSlots(database, { nodeId: 'test', version: '0' });
    const journal = new PostgresJournal(database, silentLog);
    onTestFinished(() => journal.close());
    const key = { tenantId: 1, entityId: 1 };
    const slot = slotOf(key);
    const row = { ...key, seq: 1, slot, epoch: epochOf(slot), commandId: 'c', digest: '0'.repeat(64), payload: '{}' };
    expect(await journal.append([row])).toEqual([]);
    expect(await journal.settle([row])).toEqual({ refused: [], missing: [] });
    const tries = {
      payload: 'select payload from platform.journal',
      change: `update platform.journal set payload = ''`,
      remove: 'delete from platform.journal',
      partition: 'select from t_1.journal',
      epoch: 'update platform.slot set epoch = 0',
      registry: 'select from platform.tenant',
      credentials: 'select from platform.credential',
    };
    for (const statement of Object.values(tries))
      expect(await outcomeOf(database, 'journal_writer', statement)).toBe('42501');
  });
}

describe('acting as a tenant', () => {
  let database: Database;
  beforeAll(async () => {
    database = await embedded.platformDatabase();
    for (const slug of ['first', 'second']) await provisionTenant(database, { slug, name: slug });
  });

  test('ends with the transaction, also when that fails', async () => {
    const roles: string[] = [];
    const who = 'select current_user::text as role';
    for (let i = 0; i < 10; i++) {
      await asTenant(database, 1, async (transaction) => {
        roles.push((await transaction.query<{ role: string }>(who)).rows[0]!.role);
        if (i % 2) throw new Error('enough');
      }).catch(() => {});
      roles.push((await database.query<{ role: string }>(who)).rows[0]!.role);
    }
    expect(roles).toEqual(Array.from({ length: 10 }, () => ['r_t1', 'postgres']).flat());
  });
});

describe('the check at the start', () => {
  let database: Database;
  let undoing: string | undefined;
  afterEach(async () => {
    if (undoing) await database.query(undoing);
    undoing = undefined;
    await database.close();
  });
  beforeEach(async () => {
    database = await embedded.platformDatabase();
    for (const slug of ['first', 'second']) await provisionTenant(database, { slug, name: slug });
  });

  // Roles outlive their database: what a case does to one is undone behind it.
  const wrong: [statement: string, fault: string, undo?: string][] = [
    ['grant connect on database :db to public', 'PUBLIC must have no CONNECT on :db'],
    ['grant usage on schema t_1 to public', 'PUBLIC must have no USAGE on schema t_1'],
    ['grant create on schema public to public', 'PUBLIC must have no CREATE on schema public'],
    ['grant select on t_2.fill to public', 'PUBLIC must have no SELECT on t_2.fill'],
    ['grant select (hash) on platform.credential to public', 'PUBLIC must have no SELECT on platform.credential.hash'],
    ['create function t_1.f() returns int language sql return 1', 'PUBLIC must have no EXECUTE on t_1.f'],
    ['grant select on t_2.fill to r_t1', 'role r_t1 must have no SELECT on t_2.fill'],
    ['grant insert on t_1.fill to r_t1', 'role r_t1 must have no INSERT on t_1.fill'],
    ['grant update (hash) on t_1.audit to r_t1', 'role r_t1 must have no UPDATE on t_1.audit.hash'],
    ['grant select on platform.tenant to r_t2', 'role r_t2 must have no SELECT on platform.tenant'],
    ['grant create on schema t_1 to r_t1', 'role r_t1 must have no CREATE on schema t_1'],
    ['revoke select on t_1.ledger from r_t1', 'role r_t1 must have SELECT on t_1.ledger'],
    ['revoke usage on schema t_1 from r_t1', 'role r_t1 must have USAGE on schema t_1'],
    ['alter table t_1.signal owner to postgres', 't_1.signal must belong to migrator'],
    ['alter schema t_2 owner to postgres', 'schema t_2 must belong to migrator'],
    ['grant r_t2 to r_t1', 'role r_t1 must be a member of nothing, is one of r_t2', 'revoke r_t2 from r_t1'],
    ['alter role r_t1 superuser', 'role r_t1 must not have SUPERUSER', 'alter role r_t1 nosuperuser'],
    ['alter role r_t1 bypassrls', 'role r_t1 must not have BYPASSRLS', 'alter role r_t1 nobypassrls'],
    ['alter role r_t1 nologin', 'role r_t1 must have LOGIN', 'alter role r_t1 login'],
    ['alter role migrator login', 'role migrator must not have LOGIN', 'alter role migrator nologin'],
    ['alter role r_t2 rename to r_old', 'role r_t2 is missing', 'alter role r_old rename to r_t2'],
    ['alter role migrator rename to m_old', 'role migrator is missing', 'alter role m_old rename to migrator'],
    [
      'grant delete on platform.journal to journal_writer',
      'role journal_writer must have no DELETE on platform.journal',
    ],
    ['grant usage on schema t_1 to journal_writer', 'role journal_writer must have no USAGE on schema t_1'],
    [
      'revoke insert on platform.journal from journal_writer',
      'role journal_writer must have INSERT on platform.journal',
    ],
    [
      'alter default privileges for role migrator grant execute on functions to public',
      'PUBLIC must not get EXECUTE on functions that migrator makes',
    ],
  ];
  test.each(wrong)('finds %s', async (statement, fault, undo) => {
    const name = await nameOf(database);
    undoing = undo;
    await database.query(statement.replace(':db', name));
    const faults = await findWrongRights(database);
    expect(faults).toContain(fault.replace(':db', name));
    await expect(checkRights(database)).rejects.toThrow(RightsWrong);
    const told = await checkRights(database).catch((error: Error) => error.message);
    expect(told).not.toMatch(/\n/);
    // What was granted or taken away by hand is put right by the command, except for a role itself.
    if (undo === undefined && !statement.startsWith('create function')) {
      await migrate(database, { renewRights: true });
      expect(await findWrongRights(database)).toEqual([]);
    }
  });

  test('names the first fault in one line, and how many there are besides', async () => {
    await database.query('grant usage on schema t_1, t_2 to public');
    await expect(checkRights(database)).rejects.toThrow(
      'the rights in the database are not those that keep tenants apart: PUBLIC must have no USAGE on schema t_1 (and 1 more)',
    );
  });

  test('leaves what an operator grants to roles of his own alone', async () => {
    await database.query('create role reports');
    await database.query('grant usage on schema t_1 to reports; grant select on t_1.fill to reports');
    expect(await findWrongRights(database)).toEqual([]);
  });
});

describe('a login that is no superuser', () => {
  asOwner(usePostgres());
});

describe.runIf(system)("a login that is no superuser in the system's PostgreSQL", () => {
  asOwner(usePostgres(() => system!));
});

/** What an external server gives the platform: a database of its own, and a login that may make roles. */
function asOwner(postgres: TestServer): void {
  let database: Database;
  beforeAll(async () => {
    const admin = await postgres.emptyDatabase();
    const name = await nameOf(admin);
    await admin.query(`create role firm login createrole password 'firm'`);
    await admin.query(`alter database ${name} owner to firm`);
    await admin.query('alter schema public owner to firm');
    const { host, port } = postgres.server;
    database = connectDatabase({ host, port, user: 'firm', password: 'firm', database: name, log: silentLog });
  });

  test('migrates, provisions, writes and reads', async () => {
    onTestFinished(() => database.close());
    await migrate(database);
    const { tenantId } = await provisionTenant(database, { slug: 'demo', name: 'Demo' });
    expect(await findWrongRights(database)).toEqual([]);
    const account = {
      slug: 'a',
      currency: 'USD',
      oms: 'netting',
      leverage: 30,
      aiMayOrder: false,
      owner: 'u',
    } as const;
    await registerAccount(database, tenantId, account);
    const entry = { tenantId, timeMicros: 1, subject: 's', action: 'a', target: 't', details: {} };
    await appendAudit(database, [entry]);
    expect(await verifyAudit(database, tenantId)).toEqual({ entries: 1 });
    expect(await listOrders(database, { tenantId, accountId: 1, limit: 10 })).toMatchObject({ items: [] });
    const { epochOf } = await claimAllSlots(database, { nodeId: 'test', version: '0' });
    const journal = new PostgresJournal(database, silentLog);
    const [key, seq] = [{ tenantId, entityId: 1 }, 1];
    const slot = slotOf(key);
    const row = { ...key, seq, slot, epoch: epochOf(slot), commandId: 'c', digest: '0'.repeat(64), payload: '{}' };
    expect(await journal.append([row])).toEqual([]);
    await journal.close();
    expect(await migrate(database, { renewRights: true })).toBe(0);
  });
}

test('every tenant file that brings a table leaves its rights to the file for them', () => {
  for (const folder of ['platform/', 'tenant/']) {
    const files = readFolder(new URL(folder, ourMigrations));
    expect(files.filter(({ isRights }) => isRights).length).toBeGreaterThan(0);
    for (const { isRights, sql } of files) if (!isRights) expect(sql).not.toMatch(/\bgrant\b/i);
  }
});

function statementsOn(table: string, column: string): Record<string, string> {
  return {
    select: `select from ${table} limit 1`,
    insert: `insert into ${table} default values`,
    update: `update ${table} set ${column} = ${column}`,
    delete: `delete from ${table}`,
    truncate: `truncate ${table}`,
    lock: `lock table ${table} in exclusive mode`,
  };
}

/** The SQLSTATE with which a statement fails; what it does is undone. */
async function outcomeOf(database: Database, role: number | 'journal_writer', statement: string): Promise<string> {
  const done = new Error('done');
  try {
    await database.transaction(async (transaction) => {
      await transaction.query(`set local role ${typeof role === 'number' ? `r_t${role}` : role}`);
      await transaction.query(statement);
      throw done;
    });
  } catch (error) {
    return error === done ? 'done' : String((error as { code?: string }).code);
  }
  return 'never';
}

/** Each table with a column that may be written, so that the answer to an update is about rights. */
async function tablesOf(database: Database): Promise<Map<string, string>> {
  const { rows } = await database.query<{ name: string; column: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name, (
       select quote_ident(attname) from pg_attribute
       where attrelid = c.oid and attnum > 0 and attgenerated = '' and attidentity = '' order by attnum limit 1) as column
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and (n.nspname = 'platform' or n.nspname like 't\\_%') order by 1`,
  );
  return new Map(rows.map(({ name, column }) => [name, column]));
}

async function nameOf(database: Database): Promise<string> {
  return (await database.query<{ name: string }>('select current_database() as name')).rows[0]!.name;
}

/** Gives a role a password and opens a pool as this role. */
async function logIn(postgres: TestServer, database: Database, role: string): Promise<Database> {
  await database.query(`alter role ${role} login password 'secret'`);
  const { host, port } = postgres.server;
  const login = { host, port, user: role, password: 'secret', database: await nameOf(database), log: silentLog };
  const opened = connectDatabase({ ...login, poolSize: 1 });
  onTestFinished(() => opened.close());
  await opened.query('select 1');
  return opened;
}
