/** Finds out whether the rights in the database are those that keep tenants apart: what holds is never taken for granted. */
import { Terminal } from '../../runtime/errors.ts';
import type { Queryable } from './postgres.ts';

/** Somebody may do in this database what only others may. */
export class RightsWrong extends Terminal {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
    super(`the rights in the database are not those that keep tenants apart: ${faults[0]}${more}`);
    this.faults = faults;
  }
}

/** @throws RightsWrong */
export async function checkRights(database: Queryable): Promise<void> {
  const faults = await findWrongRights(database);
  if (faults.length > 0) throw new RightsWrong(faults);
}

/** What is wrong, a line each, in an order that does not change; looks at the whole database in one statement. */
export async function findWrongRights(database: Queryable): Promise<readonly string[]> {
  // What is not there yet would only be told in the server's words.
  const { rows: roles } = await database.query<{ name: string }>(
    `select w.name from unnest(array['migrator', 'journal_writer']) w (name)
     where not exists (select from pg_roles where rolname = w.name)`,
  );
  if (roles.length > 0) return roles.map(({ name }) => `role ${name} is missing`);
  const { rows } = await database.query<{ fault: string }>(faultsText, [writerRights]);
  return rows.map(({ fault }) => fault);
}

/** All that the journal's writer may do in `platform`: of a row it reads what tells it apart, not what is in it. */
const writerRights = [
  ...['tenant_id', 'account_id', 'seq', 'epoch', 'digest'].map((column) => `journal.${column}: SELECT`),
  ...['journal: INSERT', 'slot: SELECT', 'slot.lock_only: UPDATE'],
];

// `tenants` are those of the registry, with the names that follow from their numbers. `granted` is every right in our schemas, in the
// schema `public` and on the database, owners' own left out; grantee 0 is PUBLIC, and what was never granted or revoked has the
// server's defaults.
const faultsText = `
with tenants as materialized (
  select 't_' || tenant_id as schema, 'r_t' || tenant_id as role from platform.tenant where status <> 'closed'),
schemas as materialized (
  select n.oid, n.nspname as name, n.nspowner as owner, n.nspacl as acl from pg_namespace n
  where n.nspname in ('platform', 'public') or n.nspname ~ '^t_[0-9]+$'),
ours as materialized (select * from schemas where name <> 'public'),
relations as materialized (
  select c.oid, s.name as schema, c.relname as name, c.relkind as kind, c.relowner as owner, c.relacl as acl
  from pg_class c join ours s on s.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')),
granted as materialized (
  select 'database' as kind, d.datname as schema, '' as name, d.datname::text as shown, a.grantee, a.privilege_type as privilege
  from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
  where d.datname = current_database() and a.grantee <> d.datdba
  union all
  select 'schema', s.name, '', 'schema ' || s.name, a.grantee, a.privilege_type
  from schemas s, aclexplode(coalesce(s.acl, acldefault('n', s.owner))) a where a.grantee <> s.owner
  union all
  select 'relation', r.schema, r.name, format('%s.%s', r.schema, r.name), a.grantee, a.privilege_type
  from relations r, aclexplode(r.acl) a where a.grantee <> r.owner
  union all
  select 'column', r.schema, r.name || '.' || t.attname, format('%s.%s.%s', r.schema, r.name, t.attname), a.grantee, a.privilege_type
  from relations r join pg_attribute t on t.attrelid = r.oid, aclexplode(t.attacl) a where a.grantee <> r.owner
  union all
  select 'routine', s.name, p.proname, format('%s.%s', s.name, p.proname), a.grantee, a.privilege_type
  from pg_proc p join ours s on s.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
  where a.grantee <> p.proowner),
roles as materialized (
  select r.*, r.rolname ~ '^r_t[0-9]+$' as is_tenant from pg_roles r
  where r.rolname in ('migrator', 'journal_writer') or r.rolname in (select role from tenants)),
faults (place, fault) as (
  select 1, format('role %s is missing', role) from tenants where role not in (select rolname from roles)
  union all
  select 1, format('schema %s is missing', schema) from tenants where schema not in (select name from schemas)
  union all
  select 2, format('role %s must not have %s', rolname, what) from roles, lateral (values
    (rolsuper, 'SUPERUSER'), (rolcreatedb, 'CREATEDB'), (rolcreaterole, 'CREATEROLE'), (rolreplication, 'REPLICATION'),
    (rolbypassrls, 'BYPASSRLS'), (rolcanlogin and not is_tenant, 'LOGIN'), (is_tenant and rolinherit, 'INHERIT')) a (has, what)
  where has
  union all
  select 2, format('role %s must have LOGIN', rolname) from roles where is_tenant and not rolcanlogin
  union all
  select 3, format('role %s must be a member of nothing, is one of %s', r.rolname, g.rolname)
  from pg_auth_members m join roles r on r.oid = m.member join pg_roles g on g.oid = m.roleid
  union all
  select 3, format('%s must be able to act as %s', session_user, rolname) from roles
  where not pg_has_role(session_user, oid, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)
  union all
  select 4, format('PUBLIC must have no %s on %s', privilege, shown) from granted where grantee = 0
  union all
  select 4, 'PUBLIC must not get EXECUTE on functions that migrator makes' where not exists (
    select from pg_default_acl where defaclrole = 'migrator'::regrole and defaclobjtype = 'f' and defaclnamespace = 0)
  union all
  select 5, format('schema %s must belong to migrator', name) from ours where owner <> 'migrator'::regrole
  union all
  select 5, format('%s.%s must belong to migrator', schema, name) from relations where owner <> 'migrator'::regrole
  union all
  select 6, format('role %s must have no %s on %s', r.rolname, g.privilege, g.shown)
  from granted g join pg_roles r on r.oid = g.grantee and r.rolname ~ '^r_t[0-9]+$'
  where not coalesce(case g.kind
    when 'database' then g.privilege = 'CONNECT'
    when 'schema' then 'r_' || replace(g.schema, '_', '') = r.rolname and g.privilege = 'USAGE'
    when 'relation' then 'r_' || replace(g.schema, '_', '') = r.rolname and g.privilege = 'SELECT' and g.name <> 'person_key'
  end, false)
  union all
  select 6, format('role %s must have USAGE on schema %s', t.role, t.schema)
  from tenants t join roles r on r.rolname = t.role join ours s on s.name = t.schema
  where not has_schema_privilege(r.oid, s.oid, 'USAGE')
  union all
  select 6, format('role %s must have SELECT on %s.%s', t.role, t.schema, c.name)
  from tenants t join roles r on r.rolname = t.role join relations c on c.schema = t.schema
  where c.kind in ('r', 'p') and c.name <> 'person_key' and not has_table_privilege(r.oid, c.oid, 'SELECT')
  union all
  select 7, format('role journal_writer must have no %s on %s', privilege, shown) from granted
  where grantee = 'journal_writer'::regrole and (schema, name || ': ' || privilege) not in (
    select 'platform', w from unnest($1::text[]) w) and (schema, name, privilege) is distinct from ('platform', '', 'USAGE')
  union all
  select 7, format('role journal_writer must have %s on platform.%s', split_part(w, ': ', 2), split_part(w, ': ', 1)) from unnest($1::text[]) w
  where not exists (select from granted where grantee = 'journal_writer'::regrole and schema = 'platform' and name || ': ' || privilege = w)
)
select fault from faults order by place, fault`;
