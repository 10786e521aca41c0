-- Whatever anybody may do in the database as a whole and in the schema `platform`. A file titled `rights` runs under the platform's
-- own login, and again behind every later migration: it says all that is granted, and may be repeated.
do $$
declare
  relation record;
  other record;
begin
  execute format('grant connect on database %I to %I', current_database(), session_user);
  execute format('revoke all on database %I from public', current_database());
  -- What an earlier version made belongs to its login.
  if (select nspowner from pg_namespace where nspname = 'platform') <> 'migrator'::regrole then
    alter schema platform owner to migrator;
  end if;
  for relation in
    select oid::regclass as name from pg_class
    where relnamespace = 'platform'::regnamespace and relkind in ('r', 'p') and relowner <> 'migrator'::regrole
  loop
    execute format('alter table %s owner to migrator', relation.name);
  end loop;
  -- No tenant's role has anything to look for here.
  for other in
    select distinct r.rolname as name from pg_roles r
    join (
      select a.grantee from pg_namespace n, aclexplode(n.nspacl) a where n.nspname in ('platform', 'public')
      union select a.grantee from pg_class c, aclexplode(c.relacl) a where c.relnamespace = 'platform'::regnamespace
      union select a.grantee from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
        where c.relnamespace = 'platform'::regnamespace
    ) granted on granted.grantee = r.oid
    where r.rolname ~ '^r_t[0-9]+$'
  loop
    execute format('revoke all on schema public, platform from %I', other.name);
    execute format('revoke all on all tables in schema platform from %I', other.name);
    execute format('revoke all on all sequences in schema platform from %I', other.name);
  end loop;
end $$;

revoke all on schema public, platform from public;
revoke all on all tables in schema platform from public, journal_writer;
revoke all on all sequences in schema platform from public, journal_writer;
revoke all on all routines in schema platform from public;
alter default privileges for role migrator revoke execute on functions from public;

-- It adds rows and finds out what became of them; what is in them it cannot read, nor raise an epoch: FOR SHARE wants the right to
-- change a column.
grant usage on schema platform to journal_writer;
grant insert, select (tenant_id, account_id, seq, epoch, digest) on platform.journal to journal_writer;
grant select, update (lock_only) on platform.slot to journal_writer;
