/** The roles of the database: `migrator` owns, `journal_writer` adds to the journal, and each tenant reads its own schema as its own role. */
import { tenantRole } from './migration-files.ts';
import type { Database, Queryable } from './postgres.ts';

/**
 * Runs `work` in a transaction with the rights of a tenant: what it asks for in the schema of another fails with 42501.
 * The role ends with the transaction, so connections may be shared, also by a transaction pooler.
 */
export function asTenant<T>(
  database: Database,
  tenantId: number,
  work: (transaction: Queryable) => Promise<T>,
): Promise<T> {
  // The role may only read, so what is lost with a connection may be done again.
  return database.transaction(
    async (transaction) => {
      await actAs(transaction, tenantRole(tenantId));
      return work(transaction);
    },
    { isRepeatable: true },
  );
}

/** Until the end of the transaction, which there must be: outside of one the server would only warn, and go on with all rights. */
export async function actAs(transaction: Queryable, role: string): Promise<void> {
  await transaction.query(`set local role ${role}`);
}

/** Makes the roles that the platform's objects belong to. May run again and again. */
export async function prepareRoles(connection: Queryable): Promise<void> {
  await connection.query(platformRoles);
}

// Roles are the server's, not the database's: another database on it may have made them, or make them at this moment.
// A login that is no superuser needs CREATEROLE, and has to own the database.
const platformRoles = `
do $$
declare
  wanted name;
  may_act text := case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end;
begin
  foreach wanted in array array['migrator', 'journal_writer']::name[] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin noinherit', wanted);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
    if not pg_has_role(session_user, wanted, may_act) then
      execute format('grant %I to %I', wanted, session_user);
    end if;
  end loop;
  execute format('grant create on database %I to migrator', current_database());
end $$`;
