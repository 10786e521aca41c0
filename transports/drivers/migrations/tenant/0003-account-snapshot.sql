-- The latest state of each account as text, proved against the journal when it is read: may be emptied at any time.
create table :schema.account_snapshot (
  account_id bigint primary key,
  version    int not null,
  seq        bigint not null,
  epoch      bigint not null,
  state      text not null,
  commands   text not null, -- ids of all commands through seq
  digest     text not null,
  saved_at   timestamptz not null default clock_timestamp()
);
