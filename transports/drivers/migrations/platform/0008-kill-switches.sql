-- The emergency stop: what stands here and is not released stops trading, also behind a restart.
create table platform.kill_switch (
  kill_switch_id text primary key,
  scope          text not null check (scope in ('platform', 'tenant', 'account', 'strategy', 'symbol')),
  tenant_id      int,
  account_id     bigint,
  strategy_id    text,
  symbol         text,
  flatten        boolean not null,
  reason         text not null,
  latched_by     text not null,
  latched_at     timestamptz not null,
  released_by    text[] not null default '{}', -- who has agreed to its release, in their order
  released_at    timestamptz
);
create index kill_switch_latched on platform.kill_switch (latched_at) where released_at is null;
