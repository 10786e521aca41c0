-- Appends look at one number instead of each slot: it is another one after every claim of slots. It stands in the row of slot 0.
alter table platform.slot add column latest_claim bigint not null default 0;

-- A claim waits for the appends that are under way, which hold this lock in shared mode until their commit; appends behind it wait for
-- the claim, and find another number. As a trigger it sees the claims of every release, also of one that does not know of it.
-- The number is drawn, not counted: a restore may set a count back to where a forgotten writer knows it from.
create function platform.number_claim() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  perform pg_advisory_xact_lock(7002);
  execute format('update %I.slot set latest_claim = floor(random() * 9007199254740991)::bigint where slot = 0', tg_table_schema);
  return null;
end $$;
create trigger number_claim after update of owner, epoch on platform.slot
  for each statement execute function platform.number_claim();
