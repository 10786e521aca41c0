-- The role of a tenant, and whatever anybody may do in its schema; see the file of that name for `platform`.
do $$
declare
  other record;
  relation record;
  may_act text := case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end;
begin
  if not exists (select from pg_roles where rolname = ':role') then
    begin
      create role :role login noinherit connection limit 3;
    exception when duplicate_object or unique_violation then
      null; -- roles are the server's: another database on it was quicker
    end;
  end if;
  if exists (select from pg_roles where rolname = ':role' and (not rolcanlogin or rolinherit)) then
    alter role :role login noinherit;
  end if;
  if not pg_has_role(session_user, ':role', may_act) then
    execute format('grant :role to %I', session_user);
  end if;
  execute format('grant connect on database %I to :role', current_database());

  if (select nspowner from pg_namespace where nspname = ':schema') <> 'migrator'::regrole then
    alter schema :schema owner to migrator;
  end if;
  for relation in
    select oid::regclass as name from pg_class
    where relnamespace = ':schema'::regnamespace and relkind in ('r', 'p') and relowner <> 'migrator'::regrole
  loop
    execute format('alter table %s owner to migrator', relation.name);
  end loop;

  -- No other tenant's role has anything to look for here.
  for other in
    select distinct r.rolname as name from pg_roles r
    join (
      select a.grantee from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = ':schema'
      union select a.grantee from pg_class c, aclexplode(c.relacl) a where c.relnamespace = ':schema'::regnamespace
      union select a.grantee from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
        where c.relnamespace = ':schema'::regnamespace
    ) granted on granted.grantee = r.oid
    where r.rolname ~ '^r_t[0-9]+$' or r.rolname = 'journal_writer'
  loop
    execute format('revoke all on schema :schema from %I', other.name);
    execute format('revoke all on all tables in schema :schema from %I', other.name);
    execute format('revoke all on all sequences in schema :schema from %I', other.name);
  end loop;
end $$;

revoke all on schema :schema from public;
revoke all on all tables in schema :schema from public;
revoke all on all sequences in schema :schema from public;
revoke all on all routines in schema :schema from public;

-- It reads, and nothing else: rows are written by the platform, which also keeps to itself the keys that encrypt.
grant usage on schema :schema to :role;
do $$
declare
  relation record;
begin
  for relation in
    select oid::regclass as name from pg_class
    where relnamespace = ':schema'::regnamespace and relkind in ('r', 'p') and relname <> 'person_key'
  loop
    execute format('grant select on %s to :role', relation.name);
  end loop;
end $$;
